#!/usr/bin/python3
"""Pictures of runs: test accuracy over time, and where each worker's time went.

    scripts/plot.py results/RUN... -o FILE     (.png, .svg or .pdf; needs Debian's python3-matplotlib)

Reads evals.csv, workers.csv and summary.json of each run folder; readable in grey.
"""

import argparse
import csv
import json
import pathlib
import sys

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

LINES = ["-", "--", ":", "-."]
# Parts of a worker's time, with greys that differ and hatches where greys would not do.
PARTS = [("data_s", "data", "#82e0aa", "xx"), ("compute_s", "compute", "#1b4f72", ""), ("delay_s", "injected delay", "#5dade2", ""),
         ("push_s", "push", "#bb8fce", "//"), ("pull_s", "pull", "#d7bde2", "\\\\"),
         ("wait_s", "wait", "#f5b041", ""), ("other_s", "other", "#d5d8dc", "..")]


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=pathlib.Path, help="run folders")
    parser.add_argument("-o", "--output", required=True, help="picture to write: .png, .svg or .pdf")
    arguments = parser.parse_args()

    figure, (accuracy, time) = pyplot.subplots(1, 2, figsize=(10, 3.6), width_ratios=[3, 2], layout="constrained")
    bars, heights = [], {part: [] for part, *_ in PARTS}
    for index, run in enumerate(arguments.runs):
        try:
            summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
            evals, workers = rows(run / "evals.csv"), rows(run / "workers.csv")
        except (OSError, ValueError) as error:
            sys.exit(f"plot.py: {run} is not the folder of a finished run: {error}")
        accuracy.plot([float(row["time_s"]) for row in evals], [float(row["test_accuracy"]) for row in evals],
                      LINES[index % len(LINES)], color="black", marker=".", markersize=3, linewidth=1.2,
                      label=f"{summary['strategy']}: {summary['time_s']:.0f} s, {summary['final_accuracy']:.3f}")
        for row in workers:
            bars.append(f"{summary['strategy']} {row['worker']}")
            for part, *_ in PARTS:
                heights[part].append(max(0.0, float(row[part])) / float(row["wall_s"]) if float(row["wall_s"]) else 0.0)

    accuracy.set(xlabel="time, s", ylabel="test accuracy", ylim=(0.6, 0.95), title="accuracy over time")
    accuracy.grid(alpha=0.3)
    accuracy.legend(loc="lower right", frameon=False)
    bottom = [0.0] * len(bars)
    for part, name, colour, hatch in PARTS:
        time.barh(bars, heights[part], left=bottom, color=colour, hatch=hatch, label=name, height=0.8)
        bottom = [a + b for a, b in zip(bottom, heights[part])]
    time.invert_yaxis()
    time.set(xlabel="share of the worker's time", xlim=(0, 1), title="where the time went")
    time.legend(loc="upper center", bbox_to_anchor=(0.45, -0.16), ncols=3, frameon=False, fontsize=8)
    figure.savefig(arguments.output, dpi=150)


if __name__ == "__main__":
    main()
