#!/usr/bin/python3
"""Draws what psctl reproduce found, from the tables in its folder: claims.png, every claim's effect and where it would
be held; network.png, what a push and a pull's part of a step does to the share of computing; guide.png, how much
sooner than BSP each strategy is at the target on each cluster of the guide.

Usage: reproduce_pictures.py FOLDER
"""

import csv
import math
import sys
from collections import defaultdict
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

COLOURS = {"held": "#1b7f3b", "not held": "#b3261e", "inconclusive": "#7a7a7a"}
OWN_BEST = "each its best"  # as psctl reproduce calls it


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def number(text, otherwise=math.nan):
    return float(text) if text else otherwise


def draw_claims(rows, path):
    """One line a claim and a mode. Effects are scaled so that a claim's own bound or unit is visible: times as
    percent of the rival's, shares and accuracies in points."""
    rows = [row for row in rows if row["effect"]]
    if not rows:
        return
    panels = [("difference", "difference (points; counts as they are)"), ("log_ratio", "ratio (log scale)")]
    parts = [(title, scale, [row for row in rows if row["scale"] == scale]) for scale, title in panels]
    parts = [part for part in parts if part[2]]
    heights = [len(part[2]) for part in parts]
    figure, axes = plt.subplots(len(parts), 1, figsize=(10, 1.6 + 0.24 * sum(heights)), squeeze=False,
                                gridspec_kw={"height_ratios": heights}, layout="constrained")
    for axis, (title, scale, some) in zip(axes[:, 0], parts):
        for place, row in enumerate(some):
            y = len(some) - place
            unit = 100 if row["measure"] in ("final_accuracy", "compute_share") else 1
            value = math.exp if scale == "log_ratio" else lambda x, unit=unit: x * unit
            middle, low, high = (value(number(row[key])) for key in ("effect", "low", "high"))
            colour = COLOURS[row["verdict"]]
            # What it must keep to, where that is a bound.
            bound_low, bound_high = number(row["bound_low"], -math.inf), number(row["bound_high"], math.inf)
            for bound, mark in ((bound_low, ">"), (bound_high, "<")):
                if math.isfinite(bound):
                    axis.plot([value(bound)], [y], marker=mark, color="#333333", markersize=6, linestyle="none", zorder=3)
            axis.plot([low, high], [y, y], color=colour, linewidth=2)
            axis.plot([middle], [y], marker="o", color=colour, markersize=4)
        labels = [row["claim"] + ("" if row["rates"] == "given" else f" ({row['rates']})") for row in some]
        axis.set_yticks(range(len(some), 0, -1), labels, fontsize=7)
        axis.set_ylim(0.2, len(some) + 0.8)
        axis.grid(axis="x", color="#dddddd")
        axis.set_xlabel(title)
        if scale == "log_ratio":
            axis.set_xscale("log")
        else:
            axis.set_xscale("symlog", linthresh=5)
    handles = [plt.Line2D([], [], color=colour, linewidth=2, label=word) for word, colour in COLOURS.items()]
    axes[0][0].legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False)
    figure.suptitle("The tightest comparison of each claim, 95 %; > and < are the bounds that it must keep to", fontsize=10)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def draw_shares(axis, rows):
    curves = defaultdict(list)
    for row in rows:
        curves[row["contender"]].append((100 * number(row["network_part"]), 100 * number(row["mean"])))
    axis.axhspan(55, 72, color="#e8e0c8", zorder=0)
    axis.axhline(91, color="#333333", linestyle=":", linewidth=1)
    # Curves that lie on each other are told apart by their strokes.
    for place, (contender, points) in enumerate(curves.items()):
        points.sort()
        axis.plot(*zip(*points), linestyle=("-", (0, (4, 4)), (0, (1, 2)))[place % 3],
                  linewidth=(4, 2.5, 2)[place % 3], label=contender)
    axis.set_xscale("log")
    ticks = sorted({part for points in curves.values() for part, _ in points if part > 0})
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks], fontsize=7)
    axis.minorticks_off()
    axis.set_xlabel("a push and a pull, % of a step")
    axis.grid(color="#dddddd")


def draw_network(rows, path):
    """The published figures are WBSP's, so the curves are those of its preset."""
    rows = [row for row in rows if row["paper"] == "wbsp" and row["measure"] == "compute_share" and row["network_part"]
            and row["rates"] == "given"]
    if not rows:
        return
    studies = list(dict.fromkeys(row["study"] for row in rows))
    profiles = sorted({row["profile"] for row in rows})
    figure, axes = plt.subplots(len(studies), len(profiles), figsize=(4.2 * len(profiles), 3.6 * len(studies)),
                                sharey=True, squeeze=False, layout="constrained")
    for row_of_axes, study in zip(axes, studies):
        for axis, profile in zip(row_of_axes, profiles):
            draw_shares(axis, [row for row in rows if row["study"] == study and row["profile"] == profile])
            axis.set_title(f"{study.replace('_', ' ')}: {profile}", fontsize=10)
        row_of_axes[0].set_ylabel("share of computing, %")
    axes[0][0].set_ylim(0, 103)
    axes[0][-1].legend(loc="lower left", fontsize=8, frameon=False)
    figure.suptitle("Published: 55 to 72 % (band) for others, 91 % (dots) for WBSP", fontsize=10)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def speed_up_text(comparison, outcome):
    """What stands in a cell: how many times sooner than BSP, and whether that is more than luck."""
    if int(outcome["censored"]) == int(outcome["n"]):
        return "not\nreached"
    times = f"{math.exp(-number(comparison['effect'])):.2g}×"
    if int(outcome["censored"]):
        return f"{int(outcome['n']) - int(outcome['censored'])} of {outcome['n']}\nreached"
    return times if comparison["verdict"] != "inconclusive" else f"({times})"


def draw_guide(comparisons, outcomes, path):
    rows = [row for row in comparisons if row["claim"] == "guide-sooner" and row["effect"]]
    if not rows:
        return
    of = {(row["rates"], row["setting"], row["contender"]): row for row in outcomes
          if row["paper"] == "guide" and row["measure"] == "time_to_target_s"}
    modes = list(dict.fromkeys(row["rates"] for row in rows))
    modes.sort(key=lambda mode: mode != OWN_BEST)
    settings = list(dict.fromkeys(row["setting"] for row in rows))
    cells = {(row["rates"], row["setting"], row["subject"]): row for row in rows}

    def overall(subject):
        return sum(number(cells[modes[0], setting, subject]["effect"]) for setting in settings)

    subjects = sorted(dict.fromkeys(row["subject"] for row in rows), key=overall)
    figure, axes = plt.subplots(1, len(modes), figsize=(11, 0.9 + 0.36 * len(subjects)), sharey=True, squeeze=False,
                                layout="constrained")
    for axis, mode in zip(axes[0], modes):
        values = [[0.0] * len(settings) for _ in subjects]
        for y, subject in enumerate(subjects):
            for x, setting in enumerate(settings):
                row, outcome = cells[mode, setting, subject], of[mode, setting, subject]
                text = speed_up_text(row, outcome)
                reached = "reached" not in text
                values[y][x] = -number(row["effect"]) / math.log(2) if reached else -2.0
                sure = reached and row["verdict"] != "inconclusive"
                dark = abs(values[y][x]) > 1.4
                axis.text(x, y, text, ha="center", va="center", fontsize=8 if reached else 6,
                          color="white" if dark else "black" if sure else "#555555",
                          fontweight="bold" if reached and row["verdict"] == "held" else "normal")
        axis.imshow(values, cmap="RdBu", vmin=-2.2, vmax=2.2, aspect="auto")
        axis.set_xticks(range(len(settings)), [setting.replace("_", "\n") for setting in settings], fontsize=8)
        axis.set_yticks(range(len(subjects)), subjects, fontsize=8)
        axis.tick_params(length=0)
        axis.set_title("each strategy at its own best rate" if mode == OWN_BEST else "one rate for all: BSP's best",
                       fontsize=10)
    figure.suptitle("How many times sooner than BSP at the target; (in brackets): no difference shown", fontsize=11)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def main(words):
    if len(words) != 1:
        sys.exit(__doc__)
    folder = Path(words[0])
    draw_claims(read(folder / "claims.csv"), folder / "claims.png")
    outcomes = read(folder / "outcomes.csv")
    draw_network(outcomes, folder / "network.png")
    draw_guide(read(folder / "comparisons.csv"), outcomes, folder / "guide.png")


if __name__ == "__main__":
    main(sys.argv[1:])
