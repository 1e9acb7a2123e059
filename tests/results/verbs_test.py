"""One set of runs (reached, censored early, diverged after its target, failed, killed) and five verbs: psctl runs,
compare, report, plot and sweep --tune must say the same of what they came to. Called with the binary."""

import csv
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

PSCTL = None
CONFIG = """
name: verbs
clock: virtual
model: {{kind: logistic}}
data: {{source: {data}, batch_size: 16}}
optimizer: {{kind: sgd, learning_rate: 0.1}}
strategy: bsp
cluster: {{workers: 2, compute_ms: [10, 12]}}
stop: {{epochs: 1}}
evaluate: {{every_epochs: 0.5, target_accuracy: 0.5}}
"""
# Of each seed: when it ended, when it reached its target (None: censored), its final accuracy, and whether it diverged,
# which the last of asp did after its target. By Kaplan and Meier half of bsp is there at 25 s; of asp exactly half is
# at 25 s, so its median lies between that and 40 s.
BSP = [(5, None, 0.4, False), (60, 10, 0.8, False), (60, 25, 0.9, False), (60, 40, 0.7, False)]
ASP = [*BSP, (7, 6, None, True)]
MEDIANS = {"bsp": 25, "asp": 32.5}
MEANS = {"bsp": 0.7, "asp": (0.4 + 0.8 + 0.9 + 0.7 + 0.25) / 5}  # of four classes guessing is right in a quarter
STAGE = "own_best"


def psctl(*words):
    done = subprocess.run([PSCTL, *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"psctl {' '.join(map(str, words))}: {done.returncode}\n{done.stderr}")
    return done.stdout, done.stderr


def change(folder, **keys):
    path = folder / "summary.json"
    summary = json.loads(path.read_text())
    summary.update(keys)
    path.write_text(json.dumps(summary))


class Verbs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="psctl-test-")
        cls.folder = pathlib.Path(cls.temporary.name)
        data, config = cls.folder / "data.psctl", cls.folder / "config.yaml"
        psctl("data", "synth", "blobs", "-o", data, "--samples", 240, "--test", 60, "--features", 4, "--classes", 4,
              "--distance", 3, "--quiet")
        config.write_text(CONFIG.format(data=data))
        cls.sweep = cls.folder / "tuned"
        tune = ["sweep", "--config", config, "--out", cls.folder, "--name", "tuned", "--quiet", "strategy=bsp,asp",
                "seed=1,2,3,4,5", "data.validation=40", "--tune", "optimizer.learning_rate=0.1,0.2", "--tune-seeds", 1,
                "--tune-widen", 0]
        psctl(*tune)
        plan = json.loads((cls.sweep / "plan.json").read_text())
        for run in plan["runs"]:
            strategy, seed = run["point"]["strategy.name"], run["point"]["seed"]
            if run["stage"] == "search":
                continue
            # Seed 5 of bsp is not part of it: what it came to is what seed 2 did, so that the table below holds.
            rows = {"bsp": BSP, "asp": ASP}[strategy]
            end, reached, accuracy, diverged = rows[seed - 1] if seed <= len(rows) else (60, 25, 0.7, False)
            change(cls.sweep / run["folder"], time_s=end, time_to_target_s=reached, final_accuracy=accuracy,
                   diverged=diverged, classes=4)
        psctl(*tune)  # every run is there: the table is of what stands in the folders
        # The same runs beside one that failed and one that was killed, without the fifth of bsp.
        cls.runs = cls.folder / "runs"
        for run in plan["runs"]:
            strategy, seed = run["point"]["strategy.name"], run["point"]["seed"]
            if run["stage"] == STAGE and (strategy, seed) != ("bsp", 5):
                shutil.copytree(cls.sweep / run["folder"], cls.runs / f"{strategy}-{seed}")
        shutil.copytree(cls.runs / "bsp-1", cls.runs / "failed")
        change(cls.runs / "failed", status="failed", error="worker 1 is gone", seed=8, time_to_target_s=1)
        shutil.copytree(cls.runs / "bsp-1", cls.runs / "killed")
        (cls.runs / "killed" / "summary.json").unlink()
        (cls.runs / "killed" / "workers.csv").unlink()

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def check(self, medians, means):
        for strategy in ("bsp", "asp"):
            self.assertAlmostEqual(medians[strategy], MEDIANS[strategy], 6, strategy)
            self.assertAlmostEqual(means[strategy], MEANS[strategy], 5, strategy)

    def test_psctl_runs(self):
        rows = json.loads(psctl("runs", self.runs, "--format", "json", "--columns", "run,status,strategy,seed")[0])
        self.assertEqual(sorted(row["status"] for row in rows), ["done"] * 9 + ["failed", "unfinished"])
        for row in rows:
            if row["status"] != "done":
                self.assertEqual(row["outcomes"], {})
        diverged = next(row for row in rows if row["run"].endswith("/asp-5"))["outcomes"]
        self.assertEqual(diverged["time_to_target_s"], {"value": 60.0, "censored": True, "diverged": True})
        self.assertIsNone(diverged["final_accuracy"]["value"])
        groups = [[row["run"] for row in rows if row["strategy"] == strategy] for strategy in ("bsp", "asp")]
        path = self.folder / "groups.json"
        path.write_text(json.dumps(groups))
        told = [one["measures"] for one in json.loads(psctl("runs", self.runs, "--format", "json", "--groups", path)[0])]
        named = dict(zip(("bsp", "asp"), told))
        self.check({name: one["time_to_target_s"]["median"] for name, one in named.items()},
                   {name: one["final_accuracy"]["mean"] for name, one in named.items()})
        self.assertEqual(named["asp"]["time_to_target_s"]["censored"], 2)
        self.assertEqual(named["asp"]["final_accuracy"]["diverged"], 1)

    def test_psctl_compare(self):
        told = json.loads(psctl("compare", self.runs, "--format", "json")[0])
        groups = {group["label"]: group for group in told["groups"]}
        self.check({name: group["time_to_target_s"]["median"] for name, group in groups.items()},
                   {name: group["final_accuracy"]["mean"] for name, group in groups.items()})
        self.assertEqual(groups["asp"]["time_to_target_s"]["censored_at_s"], 60)
        self.assertEqual(told["metrics"]["time_to_target_s"]["ranking"], ["bsp", "asp"])
        self.assertEqual(len(told["left_out"]), 2)
        # The table of the groups shows the same centres.
        table = psctl("compare", self.runs)[0].split("\n\n")[1].splitlines()
        self.assertIn("median s to accuracy", table[0])
        rows = {row.split()[0]: row for row in table[1:]}
        self.assertRegex(rows["bsp"], r"^bsp +\d+ +25, not reached in 1 of ")
        self.assertRegex(rows["asp"], r"^asp +\d+ +32\.5, not reached in 2 of ")

    def test_psctl_report(self):
        page = self.folder / "page.html"
        _, error = psctl("report", self.runs, "-o", page, "--quiet")
        self.assertIn("/killed: there is no summary.json", error)
        data = json.loads(re.search(r'<script[^>]* id="data"[^>]*>(.*?)</script>', page.read_text(), re.DOTALL)[1])
        self.assertEqual(len(data["runs"]), 11)
        groups = {group["label"]: group["measures"] for group in data["groups"]}
        self.check({name: one["time_to_target_s"]["median"] for name, one in groups.items()},
                   {name: one["final_accuracy"]["mean"] for name, one in groups.items()})

    def test_psctl_report_of_a_killed_run_shows_what_there_is(self):
        page = self.folder / "killed.html"
        psctl("report", self.runs / "killed", "-o", page, "--quiet")
        data = json.loads(re.search(r'<script[^>]* id="data"[^>]*>(.*?)</script>', page.read_text(), re.DOTALL)[1])
        run, = data["runs"]
        self.assertEqual(run["label"], "bsp")
        self.assertEqual(run["summary"]["status"], "unfinished")
        self.assertGreater(len(run["evals"]["time_s"]), 1)
        self.assertTrue(run["staleness"]["counts"])

    def words_of(self, kind, *more):
        picture = self.folder / f"{kind}.svg"
        _, error = psctl("plot", self.runs, "-k", kind, "-o", picture, *more)
        return [word.replace("&#45;", "-") for word in re.findall(r"<!-- (.*?) -->", picture.read_text())], error

    def test_psctl_plot(self):
        words, error = self.words_of("heatmap", "--x", "label", "--value", "time_to_target_s")
        self.assertIn("25", words)
        self.assertIn("32.5", words)
        self.assertIn("killed", error)
        words, _ = self.words_of("accuracy")
        legend = " ".join(words)
        # The killed run is a group of its own, so this one is told apart by the name of a run.
        self.assertIn(f"bsp (bsp-1): final accuracy {MEANS['bsp']:.3f}", legend)
        self.assertIn(f"asp: final accuracy {MEANS['asp']:.3f}", legend)
        words, _ = self.words_of("target")
        self.assertIn("Left out, 2 of 11: failed (failed), killed (unfinished).", " ".join(words))
        for name in ("usual.png", "all"):  # whatever suits: a killed run ends none of it
            more = ["-k", "all"] if name == "all" else []
            psctl("plot", self.runs, "-o", self.folder / name, "--quiet", *more)

    def test_psctl_sweep_tune(self):
        with open(self.sweep / "tuning.csv", encoding="utf-8") as file:
            rows = {row["strategy"]: row for row in csv.DictReader(file) if row["stage"] == STAGE}
        # The fifth of bsp has the median and the mean of the others.
        self.check({name: float(row["median_time_to_target_s"]) for name, row in rows.items()},
                   {name: float(row["mean_accuracy"]) for name, row in rows.items()})
        self.assertEqual((rows["asp"]["censored"], rows["asp"]["diverged"]), ("2", "1"))


if __name__ == "__main__":
    PSCTL = sys.argv.pop(1)
    unittest.main()
