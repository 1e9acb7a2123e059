"""psctl plot: every kind of picture of runs that the real binary made, in every format; what is in the pictures; what
is said of runs that are broken. Called with the binary."""

import contextlib
import io
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
SCRIPTS = pathlib.Path(__file__).resolve().parent.parent.parent / "scripts"
sys.path.insert(0, str(SCRIPTS))

import matplotlib.image
import numpy
import pandas

import plot
import psctl_pictures
import psctl_runs

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
cluster: {{workers: {workers}, compute_ms: {compute}, network: {{latency_ms: 3}}}}
stop: {{{stop}}}
trace: {{steps: true, timeline: {timeline}}}
"""


def psctl(*words, **variables):
    done = subprocess.run([PSCTL, *map(str, words)], capture_output=True, text=True, check=False,
                          env={**os.environ, **variables})
    return done.returncode, done.stdout, done.stderr


def call(*words):
    """plot.py in this process: exit code, standard output, standard error."""
    out, error, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
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
    for tag in re.finditer(r"<g\b|</g>", text[begin:]):
        depth += 1 if tag[0] == "<g" else -1
        at = begin + tag.end()
        if depth == 0:
            break
    return text[begin:at].count("<path") + text[begin:at].count("<use")


class Plots(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.temporary.name)
        code, _, said = psctl("data", "synth", "blobs", "--samples", 600, "--test", 300, "--classes", 3, "--features", 4,
                              "--quiet", "-o", cls.folder / "set.psctl")
        assert code == 0, said
        cls.trained = [cls.train("trained", TRAINED, data=cls.folder / "set.psctl", strategy=strategy, seed=seed, rate=0.05)
                       for strategy in ("bsp", "asp") for seed in (1, 2, 3)]
        cls.timed = cls.train("timed", TIMED, strategy="bsp", workers=3, compute="[20, 30, 70]", stop="time_s: 0.7",
                              timeline="false")

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

    def copy(self, run, name):
        """A run to be changed."""
        place = self.folder / "changed" / self.id().split(".")[-1] / name
        shutil.copytree(run, place)
        return place

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
        code, out, said = call(*words)
        self.assertEqual((code, out), (2, ""), said)
        return said

    # ---- every kind, every format

    def test_every_kind_in_every_format_is_made_and_not_empty_and_the_same_bytes_twice(self):
        runs, folder = self.folder / "trained", self.folder / "every"
        self.draw(runs, "-k", "all", "--format", "png,svg,pdf", "--dpi", 60, "-o", folder)
        made = {path.name for path in folder.iterdir()}
        self.assertEqual(made, {f"{kind}.{suffix}" for kind in set(plot.KINDS) - {"heatmap"} for suffix in plot.FORMATS})
        for path in folder.iterdir():
            if path.suffix == ".png":
                pixels = matplotlib.image.imread(path)[:, :, :3]
                self.assertGreater((pixels.min(axis=2) < 0.9).mean(), 0.01, path)
            if path.suffix == ".pdf":
                self.assertTrue(path.read_bytes().startswith(b"%PDF-"))
            if path.suffix == ".svg":
                self.assertGreaterEqual(count(path, f"{path.stem}-panel"), 1, path)

    def test_the_same_request_gives_the_same_bytes_in_another_process_too(self):
        runs, kinds = self.folder / "trained", "accuracy,gantt"
        one, two = self.folder / "one", self.folder / "two"
        self.draw(runs, "-k", kinds, "--format", "png,svg,pdf", "-o", one)
        code, _, said = psctl("plot", runs, "-k", kinds, "--format", "png,svg,pdf", "-o", two)
        self.assertEqual(code, 0, said)
        for path in one.iterdir():
            self.assertEqual(path.read_bytes(), (two / path.name).read_bytes(), path)


if __name__ == "__main__":
    PSCTL = sys.argv.pop(1)
    unittest.main(verbosity=2)
