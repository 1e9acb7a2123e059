#!/usr/bin/python3
"""Draws what psctl reproduce found, from the tables in its folder: claims-PAPER.png, the effect that each claim of a
paper is about and the range in which it would be held; network.png, the share of computing by the cost of a transfer;
guide.png, the time to the target of each strategy on each cluster of the guide, relative to BSP's.

Usage: reproduce_pictures.py FOLDER
"""

import csv
import json
import math
import sys
import textwrap
from collections import defaultdict
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.patches  # noqa: E402
import matplotlib.pyplot as plt  # noqa: E402
import matplotlib.ticker  # noqa: E402

COLOURS = {"held": "#1b7f3b", "not held": "#b3261e", "inconclusive": "#7a7a7a"}
MARKERS = {"held": "o", "not held": "X", "inconclusive": "o"}
OWN_BEST = "each its best"  # as psctl reproduce calls it
SCALES = {"difference": "difference (points; counts as they are)", "log_ratio": "ratio"}
# Contenders of the guide that are a strategy with other than its default parameters.
STRATEGIES = {"asp_mean": "asp, update_scale: mean", "wbsp_overlap": "wbsp, overlap: true", "backup": "backup, backups: 1"}
# The guide's clusters: eight workers, 100 ms a step and a little noise.
CLUSTERS = {
    "equal": "identical\nworkers",
    "transient": "a quarter of\nall steps takes\n2x as long",
    "one_slow": "one worker\nis always\n3x slower",
    "half_slow": "half of the\nworkers are\n2x slower",
    "slow_network": "slow network:\ntransfers take\nas long as a step",
}


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def number(text, otherwise=math.nan):
    return float(text) if text else otherwise


def label_of(claim, says, rates):
    """The claim in words, then how the learning rates were chosen."""
    return textwrap.fill(says.get(claim, claim), 74) + ("" if rates == "given" else f" ({rates})")


def set_ticks(axis, left, right):
    """Ticks at round numbers, written as plain numbers, on axes that may be logarithmic."""
    scale = axis.get_xscale()
    if scale == "log" and right / left > 10:
        ticks = [digit * 10.0**power for power in range(-6, 7) for digit in (1, 2, 5)]
    elif scale == "symlog":
        ticks = [sign * size for size in (0, 2, 5, 10, 20, 50, 100) for sign in (-1, 1)]
    else:
        ticks = matplotlib.ticker.MaxNLocator(7).tick_values(left, right)
    axis.set_xticks(sorted({tick for tick in ticks if left <= tick <= right}))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())


def draw_panel(axis, rows, says, scale):
    """One line a claim and a choice of rates: the tightest comparison, its interval, and the range in which the claim holds."""
    if scale == "log_ratio":
        axis.set_xscale("log")
    ranges = []
    for place, row in enumerate(rows):
        y = len(rows) - place
        unit = 100 if row["measure"] in ("final_accuracy", "compute_share") else 1
        value = math.exp if scale == "log_ratio" else lambda x, unit=unit: x * unit
        middle, low, high = (value(number(row[key])) for key in ("effect", "low", "high"))
        bounds = [number(row[key], end) for key, end in (("bound_low", -math.inf), ("bound_high", math.inf))]
        ranges.append((y, *(value(bound) if math.isfinite(bound) else None for bound in bounds)))
        axis.plot([low, high], [y, y], color=COLOURS[row["verdict"]], linewidth=2, zorder=3)
        axis.plot([middle], [y], marker=MARKERS[row["verdict"]], color=COLOURS[row["verdict"]], markersize=7, zorder=4,
                  markerfacecolor="white" if row["verdict"] == "inconclusive" else COLOURS[row["verdict"]])
    if scale != "log_ratio" and max(map(abs, axis.get_xlim())) > 30:
        axis.set_xscale("symlog", linthresh=5)
    left, right = axis.get_xlim()
    for y, low, high in ranges:
        low, high = left if low is None else low, right if high is None else high
        axis.fill_between([low, high], y - 0.4, y + 0.4, color="#dcebdc", linewidth=0, zorder=1)
    axis.set_xlim(left, right)
    set_ticks(axis, left, right)
    axis.set_yticks(range(len(rows), 0, -1), [label_of(row["claim"], says, row["rates"]) for row in rows], fontsize=8)
    axis.set_ylim(0.4, len(rows) + 0.6)
    axis.grid(axis="x", color="#dddddd")
    axis.axvline(1 if scale == "log_ratio" else 0, color="#555555", linewidth=0.8, zorder=2)
    axis.set_xlabel(SCALES[scale])


def draw_claims(rows, says, path):
    """The claims of one paper. `says`: claim -> its sentence."""
    parts = [(scale, [row for row in rows if row["effect"] and row["scale"] == scale]) for scale in SCALES]
    parts = [part for part in parts if part[1]]
    if not parts:
        return
    heights = [len(part[1]) + 1 for part in parts]
    figure, axes = plt.subplots(len(parts), 1, figsize=(11, 0.9 + 0.42 * sum(heights)), squeeze=False,
                                gridspec_kw={"height_ratios": heights}, layout="constrained")
    for axis, (scale, some) in zip(axes[:, 0], parts):
        draw_panel(axis, some, says, scale)
    handles = [plt.Line2D([], [], color=colour, linewidth=2, marker=MARKERS[word], label=word,
                          markerfacecolor="white" if word == "inconclusive" else colour)
               for word, colour in COLOURS.items()]
    handles.append(matplotlib.patches.Patch(color="#dcebdc", label="range in which the claim is held"))
    axes[0][0].legend(handles=handles, loc="lower right", bbox_to_anchor=(1, 1), ncols=4, frameon=False, fontsize=9)
    figure.suptitle(f"{rows[0]['paper']}: the tightest comparison of each claim, with its 95 % interval", fontsize=10)
    figure.savefig(path, dpi=110)
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
    axis.set_xlabel("time of a push and a pull, % of a step")
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


def cell_text(comparison, outcome):
    """What stands in a cell: the time to the target relative to BSP's with its interval, or how many runs reached it."""
    n, missed = int(outcome["n"]), int(outcome["censored"])
    if missed == n:
        return "not\nreached"
    if missed:
        return f"{n - missed} of {n}\nreached"
    middle, low, high = (math.exp(number(comparison[key])) for key in ("effect", "low", "high"))
    return f"{middle:.2f}\n[{low:.2f}, {high:.2f}]"


def draw_guide(comparisons, outcomes, path):
    """Time to the target relative to BSP's: strategies by clusters, one panel for each choice of learning rates."""
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
    figure, axes = plt.subplots(1, len(modes), figsize=(14, 1.6 + 0.42 * len(subjects)), sharey=True, squeeze=False,
                                layout="constrained")
    for axis, mode in zip(axes[0], modes):
        values = [[0.0] * len(settings) for _ in subjects]
        for y, subject in enumerate(subjects):
            for x, setting in enumerate(settings):
                row, outcome = cells[mode, setting, subject], of[mode, setting, subject]
                text = cell_text(row, outcome)
                reached = "reached" not in text
                values[y][x] = -number(row["effect"]) / math.log(2) if reached else -2.0
                shown = reached and row["verdict"] != "inconclusive"
                axis.text(x, y, text, ha="center", va="center", fontsize=7, fontweight="bold" if shown else "normal",
                          color="white" if abs(values[y][x]) > 1.4 else "black" if shown else "#666666")
        axis.imshow(values, cmap="RdBu", vmin=-2.2, vmax=2.2, aspect="auto")
        axis.set_xticks(range(len(settings)), [CLUSTERS.get(setting, setting) for setting in settings], fontsize=8)
        axis.set_yticks(range(len(subjects)), [STRATEGIES.get(subject, subject) for subject in subjects], fontsize=8)
        axis.tick_params(length=0)
        axis.set_title("each strategy at its own best learning rate" if mode == OWN_BEST
                       else "one learning rate for all: BSP's best", fontsize=10)
    figure.suptitle("Time to the target accuracy relative to BSP's, with 95 % intervals (below 1: faster than BSP).\n"
                    "Bold: a difference was shown. Grey: no difference shown. Red: the target was not reached within the run.",
                    fontsize=10)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main(words):
    if len(words) != 1:
        sys.exit(__doc__)
    folder = Path(words[0])
    claims = read(folder / "claims.csv")
    says = {claim["id"]: claim["says"] for claim in json.loads((folder / "claims.json").read_text())["claims"]}
    for paper in dict.fromkeys(row["paper"] for row in claims):
        draw_claims([row for row in claims if row["paper"] == paper], says, folder / f"claims-{paper}.png")
    outcomes = read(folder / "outcomes.csv")
    draw_network(outcomes, folder / "network.png")
    draw_guide(read(folder / "comparisons.csv"), outcomes, folder / "guide.png")


if __name__ == "__main__":
    main(sys.argv[1:])
