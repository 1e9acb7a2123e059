"""psctl plot: every kind of picture of runs that the real binary made, in every format; what is in the pictures; what
is said of runs that are broken. Called with the binary."""

import contextlib
import io
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
import warnings

PSCTL = None
SCRIPTS = pathlib.Path(__file__).resolve().parent.parent.parent / "scripts"
sys.path.insert(0, str(SCRIPTS))

import matplotlib.image
import numpy

import plot
import psctl_pictures
import psctl_runs
import reproduce_pictures

TRAINED = """
name: trial
seed: {seed}
clock: virtual
model: {{kind: logistic}}
data: {{source: {data}, batch_size: 16}}
optimizer: {{kind: sgd, learning_rate: {rate}}}
strategy: {strategy}
cluster: {{workers: 3, compute_ms: [10, 12, 25]}}
stragglers: [{{workers: [1], kind: constant, delay_ms: 5}}]
stop: {{epochs: 3}}
evaluate: {{every_epochs: 0.5, target_accuracy: 0.7}}
"""
TIMED = """
name: timed
clock: virtual
model: {{kind: none}}
strategy: {strategy}
cluster: {{workers: {workers}, compute_ms: {compute}, network: {{latency_ms: {latency}}}}}
stop: {{{stop}}}
trace: {{steps: true, timeline: {timeline}}}
"""
# Two presets of which every picture of psctl reproduce has something to show.
SHARES = """
title: shares
source: none
stated: nothing
read: all of it
base:
  clock: virtual
  model: {kind: none}
  data: {batch_size: 8}
  cluster: {workers: 3, compute_ms: [20, 30, 70]}
  stop: {time_s: 2}
studies:
  share:
    says: steps alone
    seeds: 3
    network: {step_ms: 20, parts: [0.1, 0.5]}
    settings: {h1: {says: as given}, h2: {says: slower, change: {cluster.compute_ms: [20, 30, 90]}}}
    contenders: {bsp: bsp, asp: asp}
claims:
  - {id: true-one, says: more, known_from: arithmetic, study: share, measure: compute_share, of: asp, against: bsp, is: more}
  - {id: false-one, says: less, known_from: arithmetic, study: share, measure: time_s, of: asp, against: bsp, is: less}
"""
GUIDE = """
title: guide
source: none
stated: nothing
read: all of it
base:
  clock: virtual
  model: {kind: logistic}
  data: {source: SOURCE, batch_size: 16}
  cluster: {workers: 3, compute_ms: [10, 12, 25]}
  stop: {epochs: 2}
  evaluate: {every_epochs: 0.25, target_accuracy: 0.7}
search: {rates: [0.02, 0.05], seeds: 1, validation: 100, widen: 0}
studies:
  choice:
    says: two clusters
    rates: search
    seeds: 3
    settings: {alike: {says: as given}, one_slow: {says: slower, change: {cluster.compute_ms: [10, 12, 60]}}}
    contenders: {bsp: bsp, asp: asp, ssp: ssp}
claims:
  - {id: guide-sooner, says: sooner, known_from: nowhere, study: choice, measure: time_to_target_s, of: [asp, ssp], any: true, against: bsp, is: less}
"""
EVALS = "time_s,version,epoch,samples,train_loss,test_loss,test_accuracy\n"


def psctl(*words, **variables):
    done = subprocess.run([PSCTL, *map(str, words)], capture_output=True, text=True, check=False,
                          env={**os.environ, **variables})
    return done.returncode, done.stdout, done.stderr


def call(*words):
    """plot.py in this process: exit code, standard output, standard error."""
    out, error, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error), warnings.catch_warnings():
        warnings.simplefilter("error")  # such as of a layout that has no room for a panel
        try:
            code = plot.main([str(word) for word in words])
        except plot.Refused as refused:
            print(refused, file=error)
            code = 2
        except SystemExit as ended:
            code = ended.code
    return code, out.getvalue(), error.getvalue()


def labels(svg):
    """The words of a picture: matplotlib writes each as a comment before its glyphs."""
    return re.findall(r"<!-- (.*?) -->", svg.read_text())


def count(svg, gid):
    return len(re.findall(rf'<g id="{gid}', svg.read_text()))


def paths_in(svg, gid):
    """How many paths an element of a picture has."""
    text = svg.read_text()
    begin = text.index(f'<g id="{gid}')
    depth, at = 0, begin
    for tag in re.finditer(r"<g\b[^>]*>|</g>", text[begin:]):
        depth += 0 if tag[0].endswith("/>") else -1 if tag[0] == "</g>" else 1
        at = begin + tag.end()
        if depth == 0:
            break
    return text[begin:at].count("<path") + text[begin:at].count("<use")


class Plots(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.temporary.name)
        cls.made = 0
        code, _, said = psctl("data", "synth", "blobs", "--samples", 600, "--test", 300, "--classes", 3,
                              "--features", 4, "--distance", 5, "--quiet", "-o", cls.folder / "set.psctl")
        assert code == 0, said
        cls.trained = cls.folder / "trained"
        for strategy in ("bsp", "asp"):
            for seed in (1, 2, 3):
                cls.train("trained", TRAINED, data=cls.folder / "set.psctl", strategy=strategy, seed=seed, rate=0.05)
        cls.timed = cls.time("timed")

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    @classmethod
    def train(cls, place, text, **values):
        config = cls.folder / "config.yaml"
        config.write_text(text.format(**values))
        out = cls.folder / place
        before = set(out.iterdir()) if out.exists() else set()
        code, _, said = psctl("train", "--quiet", "--config", config, "--out", out)
        assert code == 0, said
        (run,) = set(out.iterdir()) - before
        return run

    @classmethod
    def time(cls, place, **values):
        return cls.train(place, TIMED, **{"strategy": "bsp", "workers": 3, "compute": "[20, 30, 70]", "latency": 0,
                                          "stop": "time_s: 0.7", "timeline": "false", **values})

    def copy(self, run):
        """A run to be changed, in a folder of its own."""
        type(self).made += 1
        place = self.folder / "changed" / str(self.made) / "run"
        shutil.copytree(run, place)
        return place

    def one_trained(self, strategy="bsp"):
        return next(run for run in sorted(self.trained.iterdir())
                    if json.loads((run / "summary.json").read_text())["strategy"] == strategy)

    @staticmethod
    def change(run, **values):
        summary = json.loads((run / "summary.json").read_text())
        summary.update(values)
        (run / "summary.json").write_text(json.dumps(summary))

    def draw(self, *words):
        code, out, said = call(*words)
        self.assertEqual(code, 0, said)
        return out, said

    def refused(self, *words):
        """What is said of a request that is refused before anything is written."""
        file = self.folder / "refused.svg"
        code, out, said = call(*words, "-o", file)
        self.assertEqual((code, out, file.exists()), (2, "", False), said)
        return said

    def picture(self, kind, *paths, words=()):
        """A picture that is worked out, and not drawn."""
        options = plot.parse([*map(str, paths), "-o", "unused.svg", *words])
        runs, unreadable = psctl_runs.find_runs(paths)
        self.assertEqual(unreadable, [])
        psctl_runs.tell_parameters(runs)
        groups, _ = psctl_runs.group(runs, options.by and options.by.split(","))
        return psctl_pictures.KINDS[kind](groups, options)

    def reached(self, *paths, words=()):
        """When runs reached the target, by their names; None where they did not."""
        runs = [run for group in self.picture("target", *paths, words=words).came for run in group["runs"]]
        came = {pathlib.Path(run["run"]).name: run["outcomes"]["time_to_target_s"] for run in runs}
        return {name: None if one["censored"] else one["value"] for name, one in came.items()}

    # ---- every kind, every format

    def test_every_kind_in_every_format_is_made_and_no_panel_is_empty(self):
        folder, panels = self.folder / "every", {"staleness": 2, "waits": 2, "gantt": 2}
        self.draw(self.trained, "-k", "all", "--dpi", 60, "-o", folder)
        self.assertEqual({path.name for path in folder.iterdir()}, {f"{kind}.png" for kind in plot.KINDS})
        for path in folder.iterdir():
            pixels = matplotlib.image.imread(path)[:, :, :3]
            self.assertGreater((pixels.min(axis=2) < 0.9).mean(), 0.01, path)
            width = psctl_pictures.FULL if path.stem == "waits" else psctl_pictures.KINDS[path.stem].width
            self.assertEqual(pixels.shape[1], width * 60)
        for suffix in ("svg", "pdf"):
            self.draw(self.trained, "-k", "all", "-o", folder / f"all.{suffix}")
        self.assertTrue((folder / "all.pdf").read_bytes().startswith(b"%PDF-"))
        self.assertGreater((folder / "all.pdf").stat().st_size, 20_000)
        for kind in plot.KINDS:
            self.assertEqual(count(folder / "all.svg", f"{kind}-panel"), panels.get(kind, 1), kind)
        for number in (0, 1):
            self.assertGreater(paths_in(folder / "all.svg", f"gantt-panel-{number}"), 100)
            self.assertGreater(paths_in(folder / "all.svg", f"staleness-panel-{number}"), 20)
            self.assertGreater(paths_in(folder / "all.svg", f"accuracy-curve-{number}"), 3)

    def test_the_same_request_gives_the_same_bytes_in_another_process_too(self):
        one, two = self.folder / "one", self.folder / "two"
        words = (self.trained, "-k", "time", "--format", "png,svg,pdf", "--dpi", 60, "-o")
        self.draw(*words, one)
        code, out, said = psctl("plot", *words, two)
        self.assertEqual(code, 0, said)
        self.assertEqual(out.splitlines()[0], f"{two}/time.png: time")
        self.assertEqual(len(list(one.iterdir())), 3)
        for path in one.iterdir():
            self.assertEqual(path.read_bytes(), (two / path.name).read_bytes(), path)

    def test_what_is_drawn_without_a_kind_suits_the_runs(self):
        for paths, kinds in (([self.trained], ["accuracy", "time", "target"]),
                             ([self.one_trained()], ["accuracy", "time"]), ([self.timed], ["time", "gantt"])):
            runs, _ = psctl_runs.find_runs(paths)
            self.assertEqual(plot.suitable(psctl_runs.group(runs)[0]), kinds)

    # ---- what is in the pictures

    def test_a_band_is_the_t_interval_of_the_seeds_and_one_run_has_none(self):
        curves = self.picture("accuracy", self.trained)
        self.assertEqual([label for _, label, *_ in curves.curves], ["bsp", "asp"])
        for (_, _, _, x, y, half), group in zip(curves.curves, curves.groups):
            ends = [run.evals()["test_accuracy"].iloc[-1] for run in group.runs]
            # 4.302653: Student's t of two degrees of freedom, 97.5 %.
            self.assertAlmostEqual(y[-1], sum(ends) / 3)
            self.assertAlmostEqual(half[-1], 4.302653 * numpy.std(ends, ddof=1) / 3 ** 0.5, 6)
        svg = self.folder / "bands.svg"
        self.draw(self.trained, "-k", "accuracy", "-o", svg)
        self.assertEqual(count(svg, "accuracy-band"), 2)
        self.assertIn("the mean of 3 runs; bands: its 95 % interval (Student's t)", " ".join(labels(svg)))
        self.draw(self.one_trained(), "-k", "accuracy", "-o", svg)
        self.assertEqual((count(svg, "accuracy-curve"), count(svg, "accuracy-band")), (1, 0))
        self.assertNotIn("interval", " ".join(labels(svg)))

    def test_runs_with_other_instants_are_interpolated_as_far_as_all_of_them_go(self):
        one, two = self.copy(self.one_trained()), self.copy(self.one_trained())
        for run, seed, times, values in ((one, 1, (0, 10, 30), (0.0, 0.5, 0.9)), (two, 2, (5, 25), (0.3, 0.7))):
            self.change(run, seed=seed)
            rows = "".join(f"{time},1,1,1,1,1,{value}\n" for time, value in zip(times, values))
            (run / "evals.csv").write_text(EVALS + rows)
        _, _, _, x, y, half = self.picture("accuracy", one, two).curves[0]
        self.assertEqual(list(x), [5, 10, 25])
        numpy.testing.assert_allclose(y, [(0.25 + 0.3) / 2, (0.5 + 0.4) / 2, (0.8 + 0.7) / 2])
        self.assertTrue((half > 0).all())

    def test_a_run_that_did_not_reach_the_target_is_an_open_mark_at_its_end(self):
        late = self.copy(self.one_trained())
        self.change(late, time_to_target_s=None, seed=9)
        picture = self.picture("target", self.trained, late)
        came = next(run for group in picture.came for run in group["runs"] if run["run"] == str(late))
        end = json.loads((late / "summary.json").read_text())["time_s"]
        self.assertEqual(came["outcomes"]["time_to_target_s"], {"value": end, "censored": True, "diverged": False})
        svg = self.folder / "target.svg"
        self.draw(self.trained, late, "-k", "target", "-o", svg)
        self.assertEqual(paths_in(svg, "target-censored-0"), 2)  # its shape, and one use of it
        self.assertEqual(paths_in(svg, "target-censored-1"), 0)
        self.assertEqual(paths_in(svg, "target-reached-0"), 4)
        self.assertIn("not reached", " ".join(labels(svg)))

    def test_the_time_to_another_target_is_worked_out_as_psctl_does(self):
        given = self.reached(self.trained)
        self.assertTrue(all(time is not None for time in given.values()))
        for run in self.trained.iterdir():
            self.change(run, target_accuracy=0.71)
        try:
            self.assertEqual(self.reached(self.trained, words=["--target", "0.7"]), given)
        finally:
            for run in self.trained.iterdir():
                self.change(run, target_accuracy=0.7)

    def test_the_shares_of_a_worker_are_those_of_its_account(self):
        bars = self.picture("time", self.timed).bars
        self.assertEqual([label for label, _ in bars], ["bsp", "worker 0", "worker 1", "worker 2"])
        shares = dict(zip(psctl_pictures.PARTS, bars[1][1]))
        # Of every 70 ms it computes 20.
        self.assertAlmostEqual(shares["compute"], 2 / 7)
        self.assertAlmostEqual(shares["wait"], 5 / 7)
        self.assertAlmostEqual(sum(shares.values()), 1)

    def test_waits_by_cause_are_what_the_account_says(self):
        ((label, names, seconds),) = self.picture("waits", self.timed).panels
        self.assertEqual(names, ["0", "1", "2"])
        self.assertEqual(label, "bsp")
        numpy.testing.assert_allclose(seconds, [[0, 0, 0.5, 0], [0, 0, 0.4, 0], [0, 0, 0, 0]])

    def test_a_worker_does_one_thing_at_a_time_and_nothing_is_lost(self):
        for strategy in ("bsp", "{name: ssp, staleness: 1}", "{name: wbsp, overlap: true}", "pcp", "local_sgd"):
            for timeline in ("true", "false"):
                with self.subTest(strategy=strategy, timeline=timeline):
                    run = self.time("things", strategy=strategy, latency=4, timeline=timeline)
                    ((_, workers, pieces),) = self.picture("gantt", run, words=["--to", "9"]).panels
                    self.assertEqual(list(workers), [0, 1, 2])
                    for worker, mine in pieces.groupby("worker"):
                        mine = mine.sort_values(["begin", "end"])
                        gaps = mine["begin"].to_numpy()[1:] - mine["end"].to_numpy()[:-1]
                        self.assertGreaterEqual(gaps.min(), -1e-6, f"worker {worker}")
                    steps = psctl_runs.Run(run).steps()
                    if timeline == "false":
                        for part in ("compute", "wait", "pull", "push"):
                            mine = pieces[pieces["part"] == part]
                            self.assertAlmostEqual((mine["end"] - mine["begin"]).sum(), steps[f"{part}_s"].sum(), 6)

    def test_a_cell_of_a_heat_map_is_the_mean_of_the_rest(self):
        runs = {(strategy, workers): [self.time("grid", strategy=strategy, workers=workers, compute=compute)
                                      for compute in (20, 40)]
                for strategy in ("bsp", "asp") for workers in (2, 3, 4) if (strategy, workers) != ("asp", 4)}
        words = ["--x", "cluster.workers", "--y", "label", "--value", "updates"]
        picture = self.picture("heatmap", self.folder / "grid", words=words)
        self.assertEqual((picture.xs, picture.ys), ([2, 3, 4], ["bsp", "asp"]))
        for row, strategy in enumerate(picture.ys):
            for column, workers in enumerate(picture.xs):
                mine = runs.get((strategy, workers))
                if mine is None:
                    self.assertTrue(numpy.isnan(picture.table[row, column]))
                else:
                    updates = [json.loads((run / "summary.json").read_text())["updates"] for run in mine]
                    self.assertAlmostEqual(picture.table[row, column], sum(updates) / 2)
        said = " ".join(picture.notes)
        self.assertIn("mean of 2 runs, over cluster.compute_ms", said)
        self.assertIn("Hatched: no run", said)

    def test_a_run_without_an_end_is_in_no_cell_of_a_heat_map(self):
        cut = self.copy(self.one_trained())
        self.change(cut, status="interrupted", time_s=1000, seed=9)
        words = ["--value", "time_s"]
        whole, picture = (self.picture("heatmap", *runs, words=words) for runs in ([self.trained], [self.trained, cut]))
        self.assertTrue((picture.table == whole.table).all())
        self.assertIn("left out, without the figure or an end", " ".join(picture.notes).lower())
        self.assertIn(f"{cut.name} (interrupted)", " ".join(picture.notes))

    def test_a_cell_is_the_median_time_and_where_that_is_not_known_a_lower_bound(self):
        late = self.copy(self.one_trained())
        self.change(late, time_to_target_s=None, time_s=1000, seed=9)
        picture = self.picture("heatmap", self.trained, late)
        self.assertEqual((picture.value, picture.x_key, picture.xs), ("time_to_target_s", "label", ["bsp", "asp"]))
        self.assertEqual(picture.open_cells, set())  # half of four are known
        only = self.copy(self.one_trained("asp"))
        self.change(only, time_to_target_s=None)
        svg = self.folder / "bound.svg"
        self.draw(late, only, "-k", "heatmap", "-o", svg)  # nothing has a colour
        self.assertEqual(sum(word.startswith("≥ ") for word in labels(svg)), 2)

    def test_runs_are_found_labelled_and_chosen_as_psctl_runs_does(self):
        for place in (self.trained, self.parameters()):
            for condition in ("strategy=bsp", "strategy!=bsp", "seed>=2", "label!=ssp(staleness=3)", "status=done",
                              "cluster.compute_ms>[1", "final_accuracy>0.9", "strategy.staleness>3",
                              "strategy.staleness!=3"):
                code, out, said = psctl("runs", place, "--columns", "run,label", "--format", "json", "--where",
                                        condition)
                with self.subTest(condition, place=place):
                    runs, _ = psctl_runs.find_runs([place])
                    try:
                        runs = psctl_runs.matching(runs, condition)
                        psctl_runs.tell_parameters(runs)
                    except psctl_runs.RunError as error:
                        self.assertTrue("no run has" in str(error))
                        runs = []
                    told = json.loads(out) if code == 0 else []
                    self.assertEqual([(row["run"], row["label"]) for row in told],
                                     [(str(run.path), run.label) for run in runs], said)

    @classmethod
    def parameters(cls):
        """Runs of one strategy that differ in its parameters."""
        if not (cls.folder / "parameters").exists():
            for strategy in ("{name: ssp, staleness: 3}", "{name: ssp, staleness: 12, update_scale: mean}", "bsp",
                             "{name: ssp, staleness: 8, apply: on_release}"):
                cls.time("parameters", strategy=strategy)
        return cls.folder / "parameters"

    def test_what_the_machine_itself_disturbed_is_told(self):
        run = self.copy(self.one_trained())
        self.change(run, disturbed=True, seed=4)
        svg = self.folder / "disturbed.svg"
        self.draw(run, self.timed, "-k", "time", "-o", svg)
        self.assertIn("The machine itself disturbed 1 of 2 runs", " ".join(labels(svg)))

    def test_groups_are_told_apart_and_what_else_they_differ_in_is_said(self):
        slow = self.train("slow", TRAINED, data=self.folder / "set.psctl", strategy="asp", seed=1, rate=0.01)
        runs, _ = psctl_runs.find_runs([self.trained, slow])
        groups, _ = psctl_runs.group(runs)
        self.assertEqual({one.label: len(one.runs) for one in groups},
                         {"bsp": 3, "asp, learning_rate=0.05": 3, "asp, learning_rate=0.01": 1})
        svg = self.folder / "apart.svg"
        self.draw(self.trained, slow, "-k", "accuracy", "--where", "strategy=asp", "--by", "strategy", "-o", svg)
        self.assertIn("Put together are runs that differ in optimizer.learning_rate.", labels(svg))
        bsp = [run for run in self.trained.iterdir() if '"bsp"' in (run / "summary.json").read_text()]
        self.draw(*bsp, slow, "-k", "accuracy", "-o", svg)
        self.assertIn("The configurations differ in optimizer.learning_rate, too.", labels(svg))

    def test_runs_of_a_sweep_stand_in_the_order_of_its_plan_and_what_is_missing_is_told(self):
        config = self.folder / "swept.yaml"
        config.write_text(TIMED.format(strategy="bsp", workers=2, compute=20, latency=0, stop="time_s: 0.2",
                                       timeline="false"))
        code, _, said = psctl("sweep", "--quiet", "--config", config, "--out", self.folder, "--name", "swept",
                              "strategy={name: ssp, staleness: 16},{name: ssp, staleness: 3},bsp")
        self.assertEqual(code, 0, said)
        sweep = self.folder / "swept"
        bars = self.picture("time", sweep).bars
        self.assertEqual([label for label, shares in bars if shares is None],
                         ["ssp(staleness=16)", "ssp(staleness=3)", "bsp"])
        plan = json.loads((sweep / "plan.json").read_text())
        for run, stage in zip(plan["runs"], ("search", "search", "own_best")):
            run["stage"] = stage
        (sweep / "plan.json").write_text(json.dumps(plan))
        svg = self.folder / "swept.svg"
        self.draw(sweep, "-k", "time", "-o", svg)
        self.assertIn("Runs of the stage own_best of a sweep.", labels(svg))
        self.assertNotIn("ssp(staleness=16)", labels(svg))
        self.draw(sweep, "-k", "time", "--stage", "search", "-o", svg)
        self.assertIn("ssp(staleness=16)", labels(svg))
        self.assertIn("there are search, own_best", self.refused(sweep, "--stage", "own"))
        shutil.rmtree(sweep / plan["runs"][0]["folder"])
        _, said = self.draw(sweep, "-k", "time", "-o", svg)
        self.assertIn("1 of 3 planned runs are not made", said)
        (sweep / "plan.json").write_text("{}")
        self.assertIn("plan.json is no plan of a sweep", self.draw(sweep, "-k", "time", "-o", svg)[1])

    def test_the_same_virtual_run_twice_counts_once(self):
        copy = self.copy(self.one_trained())
        _, said = self.draw(self.trained, copy, "-k", "accuracy", "-o", self.folder / "twice.svg")
        self.assertIn(f"{copy} is left out: it says what another run of its seed says", said)

    # ---- large, odd and broken runs

    def test_of_many_workers_labels_are_thinned_and_of_very_many_neighbours_are_put_together(self):
        run = self.time("many", workers=64, compute=20, stop="steps_per_worker: 3")
        svg = self.folder / "many.svg"
        self.draw(run, "-k", "waits", "-o", svg)
        words = labels(svg)
        self.assertNotIn("neighbours", " ".join(words))
        numbers = [word for word in words if re.fullmatch(r"\d+", word)]
        self.assertTrue(20 < len(numbers) < 50, numbers)  # of the two axes
        self.assertIn("a bar is the mean of 2 of them", " ".join(self.picture("time", run).notes))
        self.assertIn("32 of 64 workers, evenly spaced", " ".join(self.picture("gantt", run).notes))
        run = self.time("many", workers=1000, compute=20, stop="steps_per_worker: 3")
        for kind, said in (("time", "a bar is the mean of 21 of them"), ("waits", "adds up what 16 neighbours waited"),
                           ("gantt", "32 of 1000 workers, evenly spaced")):
            self.assertIn(said, " ".join(self.picture(kind, run).notes))

    def test_a_run_that_did_not_come_to_its_end_is_shown_and_marked(self):
        for status in ("interrupted", "failed"):
            run = self.copy(self.one_trained())
            self.change(run, status=status, seed=7, error="worker 1 died")
            svg = self.folder / "marked.svg"
            _, said = self.draw(self.trained, run, "-k", "accuracy,time", "-o", svg)
            self.assertIn(f"{run} is {status}: worker 1 died", said)
            words = " ".join(labels(svg))
            self.assertIn("bsp, seed 7: ", words)
            self.assertIn(f", {status}", words)
            self.assertIn("A cross ends a run that did not come to its end", words)
            self.assertEqual(count(svg, "accuracy-curve"), 3)

    def test_a_run_that_was_killed_shows_what_it_left(self):
        run = self.copy(self.one_trained())
        for name in ("summary.json", "workers.csv"):
            (run / name).unlink()
        svg = self.folder / "killed.svg"
        _, said = self.draw(run, "-k", "all", "-o", svg)
        self.assertIn(f"{run} is unfinished", said)
        self.assertIn(f"{run} has no workers.csv", said)
        self.assertIn("unfinished", " ".join(labels(svg)))
        self.assertIn("has no workers.csv (the run: unfinished)", self.refused(run, "-k", "time"))
        _, said = self.draw(run, "-o", svg)  # what suits it
        self.assertIn("without time: ", said)
        self.assertIn("unfinished", " ".join(labels(svg)))
        unknown = self.copy(self.one_trained())
        self.change(unknown, status=None)
        self.draw(self.trained, unknown, "-k", "time", "-o", svg)
        self.assertIn("unfinished", " ".join(labels(svg)))
        # It tells no configuration, so nothing is known to differ in it.
        self.draw(self.trained, run, "-k", "accuracy", "-o", svg)
        words = " ".join(labels(svg))
        self.assertNotIn("The configurations differ", words)
        self.assertNotIn("=", words)

    def test_evaluations_that_are_missing_or_not_finite_are_left_out_and_none_at_all_is_refused(self):
        run = self.copy(self.one_trained())
        (run / "evals.csv").write_text(EVALS + "0,0,0,0,2,2,0.1\n1,5,1,9,-nan,-nan,0\n")
        self.assertEqual(list(self.picture("loss", run).curves[0][3]), [0])
        (run / "evals.csv").write_text(EVALS + "1,5,1,9,0.5,0.5,0.8\n")
        self.draw(run, "-k", "accuracy,epochs,loss", "-o", self.folder / "few.svg")
        (run / "evals.csv").write_text(EVALS)
        self.assertIn(f"{run} has no evaluation with a finite test_accuracy", self.refused(run, "-k", "accuracy"))

    def test_a_run_that_diverged_is_marked_and_never_reached_a_target(self):
        run = self.copy(self.one_trained())
        self.change(run, diverged=True, seed=8)
        self.assertEqual(self.reached(run), {run.name: None})
        self.assertEqual(self.picture("accuracy", run).curves[0][2], "diverged")
        picture = self.picture("heatmap", self.one_trained("asp"), run, words=["--value", "final_accuracy"])
        self.assertTrue(numpy.isnan(picture.table[0, picture.xs.index("bsp")]))
        self.assertIn("diverged rank below all others", " ".join(picture.notes))
        self.assertIn("or all of them diverged", " ".join(picture.notes))

    def workers(self, number):
        """A table of workers with this one."""
        header = "worker,data_s,compute_s,delay_s,push_s,wait_s,pull_s,other_s,wall_s,held_by\n"
        return f"{header}{number},0,1,0,0,0,0,0,1,\n"

    def test_broken_files_are_told_by_name(self):
        for name, text, says in (("summary.json", '{"status"', "summary.json"), ("summary.json", "[]", "no object"),
                                 ("summary.json", '{"config": [1]}', "config is [1]"),
                                 ("summary.json", '{"seed": "x"}', 'seed is "x"'),
                                 ("workers.csv", self.workers(-1), "a worker without a number"),
                                 ("workers.csv", self.workers(10 ** 9), "a worker without a number"),
                                 ("evals.csv", "a,b\n1,2\n", "evals.csv has no column time_s"),
                                 ("evals.csv", "", "evals.csv: No columns to parse"),
                                 ("evals.csv", "time_s,epoch,train_loss,test_loss,test_accuracy\n1,2,3,4,x\n",
                                  "evals.csv"),
                                 ("workers.csv", "worker\n1\n", "workers.csv has no column"),
                                 ("workers.csv", b"\xff\xfe\x00", "workers.csv")):
            run = self.copy(self.one_trained())
            (run / name).write_bytes(text if isinstance(text, bytes) else text.encode())
            said = self.refused(run, "-k", "accuracy" if name == "evals.csv" else "time")
            self.assertIn(says, said)
            self.assertIn(str(run), said)
        run = self.copy(self.timed)
        (run / "workers.csv").write_text((run / "workers.csv").read_text().replace("2:0.", "two:0."))
        self.assertIn("held_by is no list of WORKER:SECONDS", self.refused(run, "-k", "waits"))
        (run / "workers.csv").write_text((self.timed / "workers.csv").read_text().replace("2:0.", "7:0."))
        self.assertIn("there is no worker 7", self.refused(run, "-k", "waits"))
        run = self.copy(self.timed)
        (run / "timeline.json").write_text('[{"ph": "X", "tid": 1, "name": "sleep", "ts": 0, "dur": 5}]')
        self.assertIn("a worker does sleep, which is unknown", self.refused(run, "-k", "gantt"))
        (run / "timeline.json").write_text("{")
        self.assertIn("timeline.json is no timeline", self.refused(run, "-k", "gantt"))
        # One of many is named, and the others are drawn.
        broken = self.copy(self.one_trained())
        (broken / "summary.json").write_text("{")
        svg = self.folder / "rest.svg"
        _, said = self.draw(broken, self.timed, "-k", "time", "-o", svg)
        self.assertIn(f"left out: {broken}/summary.json", said)
        self.assertIn(f"Not in it: {broken}/summary.json", " ".join(labels(svg)).replace("&#45;", "-"))

    def test_what_there_is_nothing_of_is_refused_and_says_why(self):
        empty = self.folder / "empty"
        empty.mkdir()
        self.assertIn("there is no run in", self.refused(empty))
        self.assertIn("No such file or directory", self.refused(self.folder / "nowhere"))
        self.assertIn("no target in common", self.refused(self.timed, "-k", "target"))
        self.assertIn("differ in no key but their seeds", self.refused(self.timed, "-k", "heatmap"))
        self.assertIn("no run has the key cluster.worker",
                      self.refused(self.trained, "-k", "heatmap", "--x", "cluster.worker"))
        self.assertIn("no run has a number speed", self.refused(self.trained, "-k", "heatmap", "--value", "speed"))
        self.assertIn("nothing between 5 s and 6 s", self.refused(self.timed, "-k", "gantt", "--from", 5, "--to", 6))
        steps = self.copy(self.timed)
        (steps / "steps.csv").unlink()
        self.assertIn("has no steps.csv", self.refused(steps, "-k", "staleness"))

    def test_requests_that_are_wrong_are_refused(self):
        for words, says in ((["--kind", "acuracy"], "did you mean accuracy?"),
                            (["--by", "strategy.nam"], "strategy.name?"), (["--where", "seed"], "neither KEY=VALUE"),
                            (["--where", "seed=4"], "there are 1, 2, 3"),
                            (["--dpi", "0"], "--dpi 0"), (["--target", "70"], "--target 70"),
                            (["--nonsense"], "--nonsense"), (["--from", "x"], "--from"),
                            (["--from", "-1"], "--from -1"), (["--to", "inf"], "--to inf")):
            self.assertIn(says, self.refused(self.trained, *words))
        for words, says in ((["-o", "x.gif"], "not .gif"), ([], "-o is missing"),
                            (["-o", "x", "--format", "gif"], "no format gif")):
            code, _, said = call(self.trained, *words)
            self.assertEqual(code, 2)
            self.assertIn(says, said)
        self.assertIn("name the folder of a run", call("-o", "x.png")[2])

    def test_a_place_that_cannot_be_written_is_told(self):
        code, _, said = call(self.timed, "-o", self.folder / "none" / "x.png")
        self.assertEqual(code, 2)
        self.assertIn(f"there is no folder {self.folder}/none", said)
        file = self.folder / "file"
        file.write_text("kept")
        code, _, said = psctl("plot", self.timed, "-k", "waits", "-o", file)
        self.assertEqual((code, said), (1, f"psctl: error: {file}: File exists\n"))
        self.assertEqual(file.read_text(), "kept")

    # ---- the look of it

    def test_what_a_run_says_is_drawn_letter_by_letter(self):
        runs = [self.copy(self.one_trained()) for _ in range(2)]
        for run, source in zip(runs, ("$\\frac{$", "模型 'x\" $^$")):
            summary = json.loads((run / "summary.json").read_text())
            summary["config"]["data.source"] = source
            (run / "summary.json").write_text(json.dumps(summary))
        for suffix in ("svg", "pdf", "png"):
            self.draw(*runs, "-k", "accuracy,heatmap,gantt", "-o", self.folder / f"letters.{suffix}")
        self.assertIn("$\\frac{$", labels(self.folder / "letters.svg"))

    def test_long_labels_are_folded_and_leave_room_for_the_panels(self):
        runs, _ = psctl_runs.find_runs([self.trained])
        groups, _ = psctl_runs.group(runs)
        for one in groups:
            one.label += ", apply=on_release, network.latency_ms=10, optimizer.learning_rate=0.05, schedule.kind=cosine"
        png = self.folder / "long.png"
        options = plot.parse([str(self.trained), "-o", str(png), "--dpi", "60", "--quiet"])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            plot.write([psctl_pictures.KINDS[kind](groups, options) for kind in ("accuracy", "target", "staleness")],
                       png, options, "")
        self.assertEqual(matplotlib.image.imread(png).shape[1], psctl_pictures.FULL * 60)

    def test_what_stands_side_by_side_differs_in_grey(self):
        def brightness(colour):
            return float(numpy.dot(matplotlib.colors.to_rgb(colour), [0.299, 0.587, 0.114]))
        parts = list(psctl_pictures.PARTS.values())
        for one, two in ((a, b) for a in parts for b in parts if a[0] < b[0]):
            self.assertTrue(abs(brightness(one[1]) - brightness(two[1])) > 0.12 or one[2] != two[2], (one[0], two[0]))
        styles = psctl_pictures.STYLES
        self.assertEqual(len({(str(line), marker) for _, line, marker in styles}), len(styles))

    # ---- the verb

    def test_the_verb_says_what_is_missing(self):
        fakes = self.folder / "fakes"
        fakes.mkdir()
        (fakes / "matplotlib.py").write_text("raise ImportError('no', name='matplotlib')\n")
        code, _, said = psctl("plot", self.timed, "-o", "x.png", PYTHONPATH=str(fakes))
        self.assertEqual(code, 1)
        self.assertIn("apt-get install python3-matplotlib python3-pandas", said)
        code, _, said = psctl("plot", self.timed, "-o", "x.png", PSCTL_PYTHON="/no/python3")
        self.assertEqual(code, 1)
        self.assertIn("/no/python3 cannot be started", said)
        code, out, _ = psctl("plot", "--help", PYTHONPATH=str(fakes))
        self.assertEqual(code, 0)
        self.assertIn("usage: psctl plot RUN", out)
        for kind in psctl_pictures.KINDS:
            self.assertIn(f"\n  {kind} ", out)
        self.assertEqual(list(psctl_pictures.KINDS), list(plot.KINDS))


    def test_the_examples_of_the_help_are_requests_that_it_takes(self):
        examples = [line.strip() for line in plot.EXAMPLES.splitlines() if line.startswith("  psctl plot ")]
        self.assertGreaterEqual(len(examples), 5)
        for example in examples:
            with self.subTest(example):
                options = plot.parse(shlex.split(example)[2:])
                self.assertTrue(options.runs[0].startswith("results/"))

    def test_an_installed_verb_uses_what_was_installed_with_it(self):
        there = self.folder / "installed"
        (there / "bin").mkdir(parents=True)
        (there / "share/psctl").mkdir(parents=True)
        shutil.copy(PSCTL, there / "bin/psctl")
        (there / "share/psctl/plot.py").write_text("import sys\nprint('installed', sys.argv[1:])\nsys.exit(3)\n")
        done = subprocess.run([there / "bin/psctl", "plot", "a b", "-k", "time"], capture_output=True, text=True,
                              check=False)
        self.assertEqual((done.returncode, done.stdout), (3, "installed ['a b', '-k', 'time']\n"))

    def test_the_scripts_can_be_called_by_themselves(self):
        for script in ("plot.py", "noniid.py"):
            done = subprocess.run([SCRIPTS / script, "--help"], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("usage: " + script, done.stdout)

    def test_the_pictures_of_claims_show_every_claim_and_every_panel(self):
        (self.folder / "wbsp.yaml").write_text(SHARES)
        (self.folder / "guide.yaml").write_text(GUIDE.replace("SOURCE", str(self.folder / "set.psctl")))
        out = self.folder / "claims"
        code, _, said = psctl("reproduce", self.folder / "wbsp.yaml", self.folder / "guide.yaml", "--out", out, "--quiet",
                              PSCTL_PYTHON=sys.executable)
        self.assertEqual(code, 0, said)
        self.assertNotIn("no pictures", said)
        out = out / "reproduce"
        report = (out / "report.md").read_text()
        for name in ("claims-guide", "claims-wbsp", "network", "guide"):
            self.assertIn(f"]({name}.png)", report)
            image = matplotlib.image.imread(out / f"{name}.png")
            self.assertGreater((image[..., :3] < 0.9).any(axis=2).mean(), 0.01, name)

        # The same from the tables, as words and curves.
        claims, outcomes = (reproduce_pictures.read(out / f"{name}.csv") for name in ("claims", "outcomes"))
        picture = self.folder / "picture.svg"
        for paper in {row["paper"] for row in claims}:
            of_paper = [row for row in claims if row["paper"] == paper]
            reproduce_pictures.draw_claims(of_paper, {row["claim"]: "says " + row["claim"] for row in claims}, picture)
            words = labels(picture)
            for row in of_paper:
                self.assertIn("says " + row["claim"] + ("" if row["rates"] == "given" else f" ({row['rates']})"), words)
            for verdict in {row["verdict"] for row in of_paper}:
                self.assertIn(reproduce_pictures.COLOURS[verdict], picture.read_text())
        reproduce_pictures.draw_network(outcomes, picture)
        words = labels(picture)
        for word in ("share: h1", "share: h2", "bsp", "asp", "10", "50"):
            self.assertIn(word, words)
        reproduce_pictures.draw_guide(reproduce_pictures.read(out / "comparisons.csv"), outcomes, picture)
        words = labels(picture)
        for word in ("each strategy at its own best learning rate", "one learning rate for all: BSP's best", "asp", "ssp", "alike"):
            self.assertEqual(words.count(word), 2 if word == "alike" else 1, word)

        # Nothing of another preset's network stands under WBSP's figures.
        picture.unlink()
        reproduce_pictures.draw_network([{**row, "paper": "mine"} for row in outcomes], picture)
        self.assertFalse(picture.exists())

    def test_an_interrupt_ends_it_with_130_and_nothing_is_written(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            run = self.folder / f"waits-{number}"
            run.mkdir()
            os.mkfifo(run / "summary.json")
            place = self.folder / f"interrupted-{number}"
            process = subprocess.Popen([PSCTL, "plot", run, "-o", place], stderr=subprocess.PIPE, text=True)
            with open(run / "summary.json", "w"):  # returns when it is being read
                process.send_signal(number)
                self.assertEqual(process.wait(60), 130, process.stderr.read())
            self.assertFalse(place.exists())
            process.stderr.close()


if __name__ == "__main__":
    PSCTL = os.environ["PSCTL"] = sys.argv.pop(1)
    unittest.main(verbosity=2)
