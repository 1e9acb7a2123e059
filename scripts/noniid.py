#!/usr/bin/python3
"""What samples that are dealt unevenly do to ASP and BSP: 18 runs of configs/noniid.yaml on the virtual clock.

    scripts/noniid.py [--psctl FILE] [--out DIR] [-o FILE]     (about two minutes)

Trains under ASP and BSP with three partitions and three seeds each, prints a table, and draws test accuracy over time
and who has which classes. The runs' folders are kept. Needs Debian's python3-matplotlib and python3-pandas.
"""

import argparse
import pathlib
import statistics
import subprocess
import sys

import matplotlib
import pandas

matplotlib.use("Agg")
from matplotlib import pyplot

from psctl_runs import Run

ROOT = pathlib.Path(__file__).resolve().parent.parent
CONFIG = ROOT / "configs/noniid.yaml"
PARTITIONS = {"iid": "{kind: iid}", "dirichlet, alpha 0.1": "{kind: dirichlet, alpha: 0.1}",
              "by_label, 2 shards": "{kind: by_label, shards: 2}"}
STYLES = {"iid": ("black", "-"), "dirichlet, alpha 0.1": ("#1f77b4", "--"), "by_label, 2 shards": ("#d62728", ":")}
STRATEGIES = ["asp", "bsp"]
SEEDS = [1, 2, 3]
LAST_S = 5  # what the table tells is of so many seconds at the end


def call(command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"noniid.py: {done.stderr.strip()}")


def train(psctl, out, strategy, partition, seed):
    """The times and the test accuracies of a run."""
    folder = out / f"{strategy}-{partition.split(',')[0]}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    before = set(folder.iterdir())
    call([psctl, "train", "--quiet", "--config", CONFIG, "--out", folder, f"strategy={strategy}", f"seed={seed}",
          f"data.partition={PARTITIONS[partition]}"])
    (run,) = set(folder.iterdir()) - before
    evals = Run(run).evals()
    return list(evals["time_s"]), list(evals["test_accuracy"])


def class_counts(psctl, out, partition):
    table = out / f"{partition.split(',')[0]}.csv"
    call([psctl, "data", "inspect", "--partition", "--config", CONFIG, "-o", table,
          f"data.partition={PARTITIONS[partition]}"])
    return pandas.read_csv(table).filter(regex="^class_").values.tolist()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--psctl", type=pathlib.Path, default=ROOT / "build/release/apps/psctl/psctl")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "results/noniid", help="folder for the runs")
    parser.add_argument("-o", "--output", default=ROOT / "results/published/noniid.png", help="picture to write")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)

    figure = pyplot.figure(figsize=(10, 6.4), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=[3, 2])
    print(f"| strategy | partition | test accuracy, mean of the last {LAST_S} s | lowest in them | at the end, by seed |")
    print("| --- | --- | --- | --- | --- |")
    for axes, strategy in zip(upper.subplots(1, len(STRATEGIES), sharey=True), STRATEGIES):
        for partition, (colour, line) in STYLES.items():
            runs = [train(arguments.psctl, arguments.out, strategy, partition, seed) for seed in SEEDS]
            times = runs[0][0]
            curves = list(zip(*(accuracies for _, accuracies in runs)))
            axes.fill_between(times, [min(c) for c in curves], [max(c) for c in curves], color=colour, alpha=0.15,
                              linewidth=0)
            axes.plot(times, [statistics.mean(c) for c in curves], line, color=colour, linewidth=1.3, label=partition)
            last = [a for time, c in zip(times, curves) if time >= times[-1] - LAST_S for a in c]
            ends = ", ".join(f"{a:.3f}" for a in curves[-1])
            print(f"| {strategy.upper()} | {partition} | {statistics.mean(last):.3f} | {min(last):.3f} | {ends} |",
                  flush=True)
        axes.set(xlabel="virtual time, s", ylim=(0.5, 0.9), title=strategy.upper())
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("test accuracy")
    figure.axes[-1].legend(loc="lower right", frameon=False, title=f"mean and range of {len(SEEDS)} seeds")

    for axes, partition in zip(lower.subplots(1, len(PARTITIONS), sharey=True), PARTITIONS):
        counts = class_counts(arguments.psctl, arguments.out, partition)
        largest_class = max(sum(column) for column in zip(*counts))
        axes.imshow([[count ** 0.5 for count in row] for row in counts], cmap="Greys", aspect="auto", vmin=0,
                    vmax=largest_class ** 0.5)
        axes.set(title=f"{partition} (seed 1)", xlabel="class", xticks=range(len(counts[0])))
        axes.set(yticks=range(len(counts)), yticklabels=[f"worker {w}" for w in range(len(counts))])
        axes.tick_params(labelsize=8)
    figure.savefig(arguments.output, dpi=150)


if __name__ == "__main__":
    main()
