"""The pictures of scripts/plot.py, one class a kind. Each takes groups of runs, works out what it shows (and throws
RunError where there is nothing to show), says how large it wants to be, and draws itself. All are readable in grey:
lines differ in style and marker, areas in brightness and hatch. What was left out or put together stands below."""

import textwrap

import numpy
import pandas
from matplotlib.colors import Normalize
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, MaxNLocator
from matplotlib.transforms import ScaledTranslation

from psctl_runs import Group, RunError, brief, figures, listed, varying

HALF, FULL = 5.6, 11.2  # inches; two halves stand side by side

STYLES = [("#000000", "-", "o"), ("#d55e00", "--", "s"), ("#0072b2", ":", "^"), ("#e69f00", "-.", "D"),
          ("#009e73", (0, (5, 1, 1, 1, 1, 1)), "v"), ("#cc79a7", (0, (8, 2)), "P"), ("#56b4e9", (0, (1, 1)), "X"),
          ("#7f4f24", (0, (3, 1, 1, 1)), "<"), ("#777777", "-", "*"), ("#b22222", (0, (2, 3)), ">"),
          ("#4b0082", (0, (6, 1, 2, 1)), "h"), ("#6b8e23", (0, (4, 4)), "d")]

# What a worker's time goes into, in the order of a step. Neighbours differ in brightness; the rest tell hatches.
PARTS = {"data": ("data", "#82e0aa", "xxx", "#1e8449"), "compute": ("compute", "#1b4f72", "", "#1b4f72"),
         "delay": ("injected delay", "#5dade2", "", "#5dade2"), "push": ("push", "#f4ecf7", "////", "#76448a"),
         "wait": ("wait", "#f8c471", "", "#f8c471"), "pull": ("pull", "#f4ecf7", "\\\\\\\\", "#76448a"),
         "other": ("other", "#ffffff", "....", "#707b7c")}

MOST_CURVES = len(STYLES)
MOST_PANELS = 6    # Gantt charts
MOST_MATRICES = 12
MOST_BARS = 48
MOST_ROWS = 32   # of a Gantt chart
MOST_CELLS = 64  # of a matrix, along a side


def style(index):
    return STYLES[index % len(STYLES)]


def at_most(groups, most, kind):
    if len(groups) > most:
        raise RunError(f"{kind} shows at most {most} configurations, here are {len(groups)}: choose with --where "
                       "KEY=VALUE, or put together with --by KEY")


def readable(runs, read, kind):
    """What `read` makes of each run, and a note on those that lack it. Throws if none is left."""
    found, lacking = [], []
    for run in runs:
        try:
            found.append((run, read(run)))
        except RunError as error:
            lacking.append(str(error))
    if not found:
        raise RunError(f"{kind}: none of the runs has what it takes: {listed(lacking, 3, '; ')}")
    return found, [f"Left out: {listed(lacking, 3, '; ')}."] if lacking else []


def runs_of(groups):
    return [run for group in groups for run in group.runs]


def marked(label, runs):
    """A label that tells of runs that did not come to their end."""
    unusual = sorted({run.unusual for run in runs} - {""})
    return f"{label} ({', '.join(unusual)})" if unusual else label


def clock_label(runs):
    return "virtual time, s" if all(run.clock == "virtual" for run in runs) else "time, s"


def looked_at(runs):
    """Of which samples the evaluations are."""
    return " or ".join(sorted({str(run.config.get("evaluate.on", "test")) for run in runs}))


def bins(count, most):
    """Cuts 0 .. count - 1 into at most `most` stretches of equal length (the last may be shorter)."""
    width = -(-count // most)
    return [range(begin, min(begin + width, count)) for begin in range(0, count, width)]


def name_of(stretch):
    return str(stretch[0]) if len(stretch) == 1 else f"{stretch[0]}–{stretch[-1]}"


def thin(axis, labels, most=24):
    """Ticks for rows or columns 0, 1, ...; of many, every second, fifth, tenth is labelled."""
    step = next(s for s in (1, 2, 4, 5, 8, 10, 16, 20, 25, 32, 50, 100, 250, 1000, 10 ** 6) if len(labels) / s <= most)
    axis.set_major_locator(FixedLocator(range(0, len(labels), step)))
    axis.set_ticklabels([labels[i] for i in range(0, len(labels), step)])


def legend_below(axes, inches=0.42, x=0.5, **more):
    """A legend so far below the panel that the words of its axis stand between them."""
    below = axes.transAxes + ScaledTranslation(0, -inches, axes.figure.dpi_scale_trans)
    axes.legend(**{"loc": "upper center", "bbox_to_anchor": (x, 0), "bbox_transform": below, "frameon": False,
                   "fontsize": 8, **more})


def print_below(area, text, width):
    """Small print below a (sub)figure; sizes in inches."""
    if text:
        area.supxlabel("\n".join(textwrap.wrap(text, int(width * 19))), x=0.11 / width, ha="left", fontsize=7,
                       color="#444444")


def folded(label, width, size=8):
    """A label in as many lines as it takes to be no longer than `width` inches."""
    return "\n".join(textwrap.wrap(label, max(12, int(width * 118 / size)), break_on_hyphens=False)) or label


def lines(label):
    return label.count("\n") + 1


class Picture:
    name, does, width = "", "", HALF

    def __init__(self, groups, options):
        self.groups, self.options, self.notes = groups, options, []
        self.height = 3.9
        self.prepare()

    def compose(self, area, width):
        """Draws into a (sub)figure, sizes in inches, with the notes below."""
        self.draw(area)
        print_below(area, " ".join(self.notes), width)


class Curves(Picture):
    """A figure of the evaluations, along time or epochs: a line a configuration, the mean of its runs."""

    x, y = "time_s", "test_accuracy"

    def prepare(self):
        at_most(self.groups, MOST_CURVES, self.name)
        tables, self.notes = readable(runs_of(self.groups), self._points, self.name)
        self.points = {run.path: table for run, table in tables}
        self.curves, self.finals, several, spread = [], {}, set(), False
        came = figures(self.groups, ["final_accuracy"], curve=(self.x, self.y))
        for index, group in enumerate(self.groups):
            runs = [run for run in group.runs if run.path in self.points]
            whole = [run for run in runs if not run.unusual]
            if whole:
                mean = {key: numpy.array(values) for key, values in came[index]["curve"].items()}
                half = (mean["high"] - mean["low"]) / 2 if len(whole) > 1 else None
                self.finals[len(self.curves)] = came[index]["measures"]["final_accuracy"]
                self.curves.append((index, group.label, "", mean["x"], mean["mean"], half))
                several.add(len(whole))
                spread = spread or len(whole) > 1
            for run in runs:
                if run in whole:
                    continue
                x, y = self.points[run.path]
                alone = f", seed {run.seed}" if len(group.runs) > 1 else ""
                self.curves.append((index, f"{group.label}{alone}", run.unusual, x, y, None))
        if spread:
            counts = " or ".join(str(n) for n in sorted(several))
            self.notes.insert(0, f"Lines: the mean of {counts} runs; bands: its 95 % interval (Student's t).")
            self.notes.insert(1, "Between evaluations runs are interpolated linearly, as far as all of them go.")
        if any(why for _, _, why, *_ in self.curves):
            self.notes.append("A cross ends a run that did not come to its end, or diverged; it is in no mean.")
        self.limits = self._limits()
        self.words = [folded(self._words(number, *curve), 4.4) for number, curve in enumerate(self.curves)]
        self.height = 3.9 + 0.17 * sum(lines(words) for words in self.words)

    def _points(self, run):
        table = run.evals()[[self.x, self.y]].dropna()
        table = table[numpy.isfinite(table).all(axis=1)]
        if table.empty:
            raise RunError(f"{run.path} has no evaluation with a finite {self.y}")
        return table[self.x].to_numpy(), table[self.y].to_numpy()

    def draw(self, area):
        axes = area.subplots()
        axes.set_gid(f"{self.name}-panel")
        for number, (index, label, why, x, y, half) in enumerate(self.curves):
            colour, dashes, marker = style(index)
            if half is not None:
                band = axes.fill_between(x, y - half, y + half, color=colour, alpha=0.18, linewidth=0)
                band.set_gid(f"{self.name}-band-{number}")
            axes.plot(x, y, linestyle=dashes, color=colour, marker=marker, markersize=3.5,
                      markevery=max(1, len(x) // 12), linewidth=0.8 if why else 1.3,
                      label=self.words[number],
                      gid=f"{self.name}-curve-{number}")
            if why:
                axes.plot(x[-1:], y[-1:], "x", color=colour, markersize=9, markeredgewidth=1.8)
        if self.limits:
            axes.set_ylim(*self.limits)
        if self.y == "test_accuracy":
            low, high = axes.get_ylim()
            axes.set_ylim(max(low, -0.01), min(high, 1.01))
        elif not self.limits and self.largest > 50 * self.smallest > 0:
            axes.set_yscale("log")
            axes.set_ylim(self.smallest / 2, self.largest * 2)
        targets = {run.number("target_accuracy") for run in runs_of(self.groups)}
        if self.y == "test_accuracy" and len(targets) == 1 and None not in targets:
            axes.axhline(*targets, color="#555555", linewidth=0.7, linestyle=(0, (6, 6)), zorder=0)
            axes.annotate("target", (1, *targets), xycoords=("axes fraction", "data"), ha="right", va="bottom",
                          fontsize=7, color="#555555")
        runs = runs_of(self.groups)
        axes.set(xlabel=clock_label(runs) if self.x == "time_s" else "epochs (samples of all workers)",
                 ylabel="training loss" if self.y == "train_loss" else f"{looked_at(runs)} accuracy", title=self.does)
        axes.set_xlim(left=0)
        axes.grid(alpha=0.3)
        legend_below(axes, handlelength=4)

    def _words(self, number, _, label, why, x, y, half):
        """Of a curve in the legend: what its runs came to; of a loss, and of a run alone, where it ends."""
        final = self.finals.get(number)
        if self.y == "test_accuracy" and final and final["mean"] is not None:
            spread = (final["high"] - final["low"]) / 2 if final["low"] is not None else None
            lost = f", {final['diverged']} of {final['n']} diverged" if final["diverged"] else ""
            return f"{label}: final accuracy {final['mean']:.3f}" + (f" ± {spread:.3f}" if spread is not None else "") + lost
        figure = ".3f" if self.y == "test_accuracy" else ".3g"
        text = f"{label}: {y[-1]:{figure}}" + (f" ± {half[-1]:{figure}}" if half is not None else "")
        text += f" at {x[-1]:.4g} s" if self.x == "time_s" else f" at epoch {x[-1]:.4g}"
        return f"{text}, {why}" if why else text

    def _limits(self):
        """The steep beginning of a curve would press all that follows together: the axis begins below what comes after
        a tenth of the time."""
        self.smallest, self.largest = (pick(v for *_, y, _ in self.curves for v in y) for pick in (min, max))
        if self.y != "test_accuracy" and self.largest > 50 * self.smallest > 0:
            return None  # a panel by decades shows it all
        end = max(x[-1] for _, _, _, x, *_ in self.curves)
        sign = 1 if self.y == "test_accuracy" else -1
        late = [v * sign for _, _, _, x, y, _ in self.curves for v in y[(x >= end / 10) | (x == x[-1])]]
        for *_, y, half in self.curves:
            if half is not None:
                late += [(y[-1] - half[-1]) * sign, (y[-1] + half[-1]) * sign]
        every = [v * sign for *_, y, _ in self.curves for v in y] + late
        margin = max(0.06 * (max(every) - min(late)), 0.002)
        if len(late) < 3 or min(every) >= min(late) - margin:
            return None
        self.notes.append(f"Evaluations of the first tenth may lie {'below' if sign > 0 else 'above'} the panel.")
        return sorted([(min(late) - margin) * sign, (max(every) + margin) * sign])


class AccuracyOverTime(Curves):
    name, does = "accuracy", "accuracy over time"


class AccuracyOverEpochs(Curves):
    name, does, x = "epochs", "accuracy over epochs", "epoch"


class LossOverTime(Curves):
    name, does, y = "loss", "training loss over time", "train_loss"


class TimeToTarget(Picture):
    name, does = "target", "time to the target accuracy"

    def prepare(self):
        at_most(self.groups, 40, self.name)
        self.target = self.options.target
        if self.target is None:
            targets = {run.number("target_accuracy") for run in runs_of(self.groups)}
            targets.discard(None)
            if len(targets) != 1:
                seen = ", ".join(f"{t:g}" for t in sorted(targets)) or "none"
                raise RunError(f"{self.name}: the runs have no target in common (evaluate.target_accuracy: {seen}); "
                               "name one with --target")
            self.target = targets.pop()
        self.came = figures(self.groups, ["time_to_target_s"], target=self.target)
        runs = [run for one in self.came for run in one["runs"]]
        lacking = [run for run in runs if "time_to_target_s" not in run["outcomes"]]
        if len(lacking) == len(runs):
            raise RunError(f"{self.name}: none of the runs came to its end with an accuracy")
        bars = "; a bar is the median (Kaplan and Meier) where it is known" if max(len(g.runs) for g in self.groups) > 2 else ""
        self.notes = [f"A mark is a run{bars}."]
        outcomes = [run["outcomes"]["time_to_target_s"] for run in runs if run not in lacking]
        if any(one["censored"] for one in outcomes):
            self.notes.append("Open marks: not reached by the end of the run, which is where they stand.")
        if any(one["diverged"] for one in outcomes):
            self.notes.append("Runs that diverged stand where the longest run ended.")
        if lacking:
            self.notes.append(f"Left out, {len(lacking)} of {len(runs)}: " + listed(
                [f"{run['run'].rsplit('/', 1)[-1]} ({run['status'] if run['status'] != 'done' else 'no accuracy'})" for run in lacking], 3) + ".")
        self.labels = [folded(group.label, 2.4, 9) for group in self.groups]
        self.height = 1.7 + max(0.3, 0.19 * max(lines(label) for label in self.labels)) * len(self.groups)

    def draw(self, area):
        axes = area.subplots()
        axes.set_gid("target-panel")
        for row in range(len(self.groups)):
            came = self.came[row]
            values = [run["outcomes"]["time_to_target_s"] for run in came["runs"] if "time_to_target_s" in run["outcomes"]]
            times = [one["value"] for one in values if not one["censored"]]
            open_ends = [one["value"] for one in values if one["censored"]]
            shift = [0.0] * len(values) if len(values) < 2 else list(numpy.linspace(-0.22, 0.22, len(values)))
            axes.plot(times, [row + s for s in shift[:len(times)]], "o", color="black", markersize=5, linestyle="none",
                      gid=f"target-reached-{row}")
            axes.plot(open_ends, [row + s for s in shift[len(times):]], ">", markerfacecolor="white", color="black",
                      markersize=7, linestyle="none", gid=f"target-censored-{row}")
            middle = came["measures"]["time_to_target_s"]["median"]
            if len(values) > 2 and middle is not None:
                axes.plot([middle, middle], [row - 0.36, row + 0.36], "-", color="black", linewidth=2)
        axes.set(xlabel=clock_label(runs_of(self.groups)), ylim=(len(self.groups) - 0.5, -0.5),
                 title=f"time to {self.target:g} {looked_at(runs_of(self.groups))} accuracy")
        axes.set_yticks(range(len(self.groups)), self.labels)
        axes.set_xlim(left=0)
        axes.grid(alpha=0.3, axis="x")


class WhereTimeWent(Picture):
    name, does = "time", "where the workers' time went"

    def prepare(self):
        at_most(self.groups, MOST_BARS, self.name)
        found, self.notes = readable(runs_of(self.groups), self._shares, self.name)
        shares = {run.path: value for run, value in found}
        groups = [(group, [shares[run.path] for run in group.runs if run.path in shares]) for group in self.groups]
        groups = [(group, tables) for group, tables in groups if tables]
        workers = [max(len(table) for table in tables) for _, tables in groups]
        if any(len(tables) > 1 for _, tables in groups):
            self.notes.append("Means over the runs of a configuration.")
        self.bars = []  # (label of the bar, or of what follows where there are no shares; shares)
        each = len(groups) + sum(workers) <= MOST_BARS
        for (group, tables), count in zip(groups, workers):
            label = folded(marked(group.label, group.runs), 4.2 if each or len(groups) == 1 else 2.2)
            stretches = bins(count, MOST_BARS) if each or len(groups) == 1 else [range(count)]
            if each or len(groups) == 1:
                self.bars.append((label, None))
            for stretch in stretches:
                rows = numpy.concatenate([table[[i for i in stretch if i < len(table)]] for table in tables])
                name = f"worker {name_of(stretch)}" if each else f"workers {name_of(stretch)}"
                self.bars.append((name if each or len(groups) == 1 else label, rows.mean(axis=0)))
            if len(stretches) > 1 and len(stretches[0]) > 1:
                self.notes.append(f"{count} workers: a bar is the mean of {len(stretches[0])} of them.")
        if not each and len(groups) > 1:
            self.notes.append("A bar is the mean of all workers of a configuration.")
        self.height = 1.7 + 0.21 * len(self.bars) * max(1, 0.75 * max(lines(label) for label, _ in self.bars))

    def _shares(self, run):
        table = run.workers()
        took_part = table[table["wall_s"] > 0]
        if took_part.empty:
            raise RunError(f"{run.path}: no worker took part (the run: {run.status})")
        parts = numpy.stack([took_part[f"{part}_s"].clip(lower=0) / took_part["wall_s"] for part in PARTS], axis=1)
        return parts

    def draw(self, area):
        axes = area.subplots()
        axes.set_gid("time-panel")
        positions = [i for i, (_, shares) in enumerate(self.bars) if shares is not None]
        shares = numpy.array([value for _, value in self.bars if value is not None])
        left = numpy.zeros(len(shares))
        for column, (name, colour, hatch, ink) in enumerate(PARTS.values()):
            axes.barh(positions, shares[:, column], left=left, color=colour, hatch=hatch, edgecolor=ink, linewidth=0,
                      height=0.82, label=name)
            left += shares[:, column]
        for position, (label, value) in enumerate(self.bars):
            if value is None:
                axes.text(0.004, position + 0.1, label, fontsize=8, fontweight="bold", va="center")
        axes.set_yticks(positions, [self.bars[i][0] for i in positions], fontsize=8)
        axes.set(xlim=(0, 1), ylim=(len(self.bars) - 0.4, -0.6), xlabel="share of the worker's time", title=self.does)
        legend_below(axes, x=0.42, ncols=4)


class Staleness(Picture):
    name, does, width = "staleness", "how stale the pushes were, and how far ahead the workers", FULL

    def prepare(self):
        at_most(self.groups, MOST_CURVES, self.name)
        found, self.notes = readable(runs_of(self.groups), self._counts, self.name)
        tables = {run.path: table for run, table in found}
        self.counts = []
        for index, group in enumerate(self.groups):
            mine = [tables[run.path] for run in group.runs if run.path in tables]
            if mine:
                self.counts.append((index, marked(group.label, group.runs), [self._together(mine, k) for k in (0, 1)]))
        if len(self.counts) > 1:
            self.notes.append("Staleness in updates does not compare across strategies that merge pushes into updates "
                              "differently.")
        if any(len(group.runs) > 1 for group in self.groups):
            self.notes.append("The pushes of all runs of a configuration are counted together.")
        self.labels = [folded(self._words(name, counts[0]), 4.5) for _, name, counts in self.counts]
        self.height = 3.6 + (0.17 * sum(lines(label) for label in self.labels) if len(self.counts) > 1 else 0)

    @staticmethod
    def _counts(run):
        table = run.steps()
        if table.empty:
            raise RunError(f"{run.path}/steps.csv has no push")
        return [table[column].dropna().astype(int).value_counts() for column in ("staleness", "gap")]

    @staticmethod
    def _together(tables, which):
        total = tables[0][which]
        for table in tables[1:]:
            total = total.add(table[which], fill_value=0)
        return total.sort_index()

    def draw(self, area):
        panels = area.subplots(1, 2)
        for which, axes in enumerate(panels):
            axes.set_gid(f"staleness-panel-{which}")
            if len(self.counts) == 1:
                self._draw_bars(axes, self.counts[0][2][which])
            else:
                for (index, _, counts), label in zip(self.counts, self.labels):
                    self._draw_shares(axes, index, label, counts[which])
                axes.set(ylabel="share of pushes, at most so much", ylim=(0, 1.03))
            axes.set(xlabel=("staleness, updates", "gap to the slowest worker, steps")[which])
            axes.grid(alpha=0.3)
        of_one = f": {self.counts[0][1]}" if len(self.counts) == 1 else ""
        area.suptitle(folded(self.does + of_one, 10, 10), fontsize=10)
        if len(self.counts) > 1:
            legend_below(panels[0], x=0, loc="upper left", handlelength=4)

    @staticmethod
    def _draw_bars(axes, counts):
        if counts.empty:
            axes.text(0.5, 0.5, "no push was used", ha="center", transform=axes.transAxes)
            return
        width = 1 + int(counts.index.max()) // 60
        sums = counts.groupby(counts.index // width).sum()
        axes.bar(sums.index * width + (width - 1) / 2, sums / sums.sum(), width=0.86 * width, color="#5d6d7e")
        axes.set(ylabel="share of pushes" + (f", {width} values a bar" if width > 1 else ""))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))

    @staticmethod
    def _words(name, counts):
        if counts.empty:
            return f"{name}: no push was used"
        return f"{name}: mean {(counts.index * counts).sum() / counts.sum():.3g}, largest {counts.index[-1]}"

    @staticmethod
    def _draw_shares(axes, index, label, counts):
        colour, dashes, marker = style(index)
        if counts.empty:
            axes.plot([], [], linestyle=dashes, color=colour, label=label)
            return
        shares = counts.cumsum() / counts.sum()
        x = numpy.concatenate([[min(0, shares.index[0])], shares.index, [shares.index[-1]]])
        y = numpy.concatenate([[0], shares, [1]])
        axes.plot(x, y, linestyle=dashes, color=colour, marker=marker, markersize=3.5, markevery=max(1, len(x) // 12),
                  drawstyle="steps-post", linewidth=1.3, label=label)
        if shares.index[-1] > 200:
            axes.set_xscale("symlog", linthresh=10)
            axes.set_xlim(left=0)
        else:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


class Waits(Picture):
    name, does, width = "waits", "waits by cause", FULL

    def prepare(self):
        at_most(self.groups, MOST_MATRICES, self.name)
        found, self.notes = readable(runs_of(self.groups), self._charges, self.name)
        charges = {run.path: value for run, value in found}
        self.panels = []
        for group in self.groups:
            mine = [charges[run.path] for run in group.runs if run.path in charges]
            if not mine:
                continue
            size = max(workers for workers, _ in mine)
            stretches = bins(size, MOST_CELLS)
            width = len(stretches[0])
            seconds = numpy.zeros((len(stretches), len(stretches) + 1))  # the last column: deadlines
            for _, held in mine:
                for worker, cause, time in held:
                    seconds[worker // width, len(stretches) if cause is None else cause // width] += time / len(mine)
            self.panels.append((marked(group.label, group.runs), [name_of(stretch) for stretch in stretches], seconds))
            if width > 1:
                self.notes.append(f"{size} workers are put together: a cell adds up what {width} neighbours waited.")
        if any(len(group.runs) > 1 for group in self.groups):
            self.notes.append("Means over the runs of a configuration.")
        self.columns = 2 if len(self.panels) == 4 else min(3, len(self.panels))
        rows = -(-len(self.panels) // self.columns)
        self.width = HALF if len(self.panels) == 1 else FULL
        longest = max(len(label) for label, *_ in self.panels)
        self.height = 0.7 + rows * ({1: 4.2, 2: 4.0, 3: 3.6}[self.columns] + 0.15 * (longest // 30))

    @staticmethod
    def _charges(run):
        """The number of workers; and of each wait its worker, the one it waited for (None: a deadline) and the seconds."""
        table = run.workers()
        if "held_by" not in table:
            raise RunError(f"{run.path / 'workers.csv'} has no column held_by")
        if table.empty:
            raise RunError(f"{run.path / 'workers.csv'} has no worker")
        size, charges = int(table["worker"].max()) + 1, []
        try:
            for worker, held_by in zip(table["worker"], table["held_by"].fillna("")):
                for charge in filter(None, held_by.split(";")):
                    cause, seconds = charge.split(":")
                    charges.append((int(worker), None if cause == "deadline" else int(cause), float(seconds)))
                    if charges[-1][1] is not None and not 0 <= charges[-1][1] < size:
                        raise ValueError(f"there is no worker {cause}")
        except ValueError as error:
            raise RunError(f"{run.path / 'workers.csv'}: held_by is no list of WORKER:SECONDS: {error}") from error
        return size, charges

    def draw(self, area):
        rows = -(-len(self.panels) // self.columns)
        grid = area.subplots(rows, self.columns, squeeze=False)
        shades = Normalize(0, max(seconds.max() for *_, seconds in self.panels) or 1)
        for number, axes in enumerate(grid.flat):
            if number >= len(self.panels):
                axes.set_visible(False)
                continue
            label, names, seconds = self.panels[number]
            deadlines = seconds[:, -1].any()
            shown = seconds if deadlines else seconds[:, :-1]
            axes.set_gid(f"waits-panel-{number}")
            image = axes.imshow(shown, cmap="Greys", norm=shades, aspect="equal", interpolation="nearest")
            thin(axes.yaxis, names, 20)
            thin(axes.xaxis, names + (["deadline"] if deadlines else []), 12)
            axes.tick_params(labelsize=7)
            axes.spines[:].set_visible(True)
            axes.spines[:].set_color("#999999")
            if max(len(name) for name in names) > 3:
                axes.tick_params(axis="x", labelrotation=90)
            if len(shown) <= 10:
                for (i, j), time in numpy.ndenumerate(shown):
                    axes.text(j, i, f"{time:.3g}", ha="center", va="center", fontsize=7,
                              color="white" if shades(time) > 0.5 else "black" if time else "#aaaaaa")
            waited = seconds.sum()
            title = f"{label}: {'nobody waited' if waited == 0 else f'{waited:.3g} s in all'}"
            axes.set_title(folded(title, {1: 4.5, 2: 4.0, 3: 2.9}[self.columns], 9), fontsize=9)
            axes.set(xlabel="for this worker")
            if number % self.columns == 0:
                axes.set_ylabel("this worker waited")
        area.colorbar(image, ax=list(grid.flat), label="seconds", shrink=0.8, panchor=False, aspect=30)
        area.suptitle(self.does, fontsize=10)


class Gantt(Picture):
    name, does, width = "gantt", "what each worker did", FULL

    def prepare(self):
        at_most(self.groups, MOST_PANELS, self.name)
        firsts = [next((run for run in group.runs if not run.unusual), group.runs[0]) for group in self.groups]
        found, self.notes = readable(firsts, self._read, self.name)
        labels = {run.path: marked(group.label, [run]) for run, group in zip(firsts, self.groups)}
        if any(len(group.runs) > 1 for group in self.groups):
            self.notes.append("Of several runs, one: seed " +
                              ", ".join(str(seed) for seed in dict.fromkeys(run.seed for run, _ in found)) + ".")
        begin = self.options.begin
        end = self.options.end
        last = max(last for _, (*_, last) in found)
        if end is None:
            # As long as a worker takes for some 16 pushes, in the slowest of the runs.
            end = min(last, begin + max(16 * cycle for _, (*_, cycle, _) in found))
        if not begin < end or begin >= last:
            raise RunError(f"{self.name}: there is nothing between {begin:g} s and {end:g} s; the runs end at "
                           f"{last:g} s")
        self.window = (begin, end)
        if end < last or begin > 0:
            self.notes.append(f"From {begin:g} s to {end:.4g} s of {last:.4g} s.")
        self.panels = []
        overlapped = False
        for run, (steps, exact, *_) in found:
            if exact is not None:
                inside = exact[(exact["end"] > begin) & (exact["begin"] < end)]
            else:
                inside = from_steps(steps, overlaps(run), self.window)
                overlapped = overlapped or overlaps(run)
            if inside.empty:
                self.notes.append(f"{labels[run.path]} is over before {begin:g} s.")
                continue
            workers = sorted(steps["worker"].unique())
            if len(workers) > MOST_ROWS:
                shown = [workers[i] for i in numpy.linspace(0, len(workers) - 1, MOST_ROWS).round().astype(int)]
                self.notes.append(f"{labels[run.path]}: {MOST_ROWS} of {len(workers)} workers, evenly spaced.")
                workers = shown
                inside = inside[inside["worker"].isin(workers)]
            if len(inside) > 100_000:
                raise RunError(f"{self.name}: {run.path} did {len(inside)} things between {begin:g} s and {end:g} s; "
                               "narrow the window with --from and --to")
            self.panels.append((labels[run.path], workers, inside))
        if not self.panels:
            raise RunError(f"{self.name}: no worker did anything between {begin:g} s and {end:g} s")
        if overlapped:
            self.notes.append("Workers of a strategy that overlaps compute while a push is on its way; when exactly, "
                              "only trace.timeline records: without it, a step ends where its push arrives, "
                              "and waiting is drawn after computing.")
        self.notes.append("White: what is in none of these, or a step that the end cut off.")
        self.height = 1.4 + sum(0.6 + max(0.9, 0.24 * len(workers)) for _, workers, _ in self.panels)

    @staticmethod
    def _read(run):
        """The pushes; what the workers did, where a timeline tells; how long one takes from push to push; the end."""
        steps = run.steps()
        if steps.empty:
            raise RunError(f"{run.path}/steps.csv has no push")
        spans = steps.groupby("worker")["time_s"].agg(["min", "max", "count"])
        often = spans[spans["count"] > 1]
        cycle = float(((often["max"] - often["min"]) / (often["count"] - 1)).median()) if len(often) else \
            float(steps["time_s"].max())
        exact = run.timeline()
        if exact is not None and not exact.empty:
            strange = set(exact["part"]) - set(PARTS)
            if strange:
                raise RunError(f"{run.path / 'timeline.json'}: a worker does {min(strange)}, which is unknown")
            exact = exact.assign(end=exact["begin"] + exact["length"])
            return steps, exact, cycle, exact["end"].max()
        return steps, None, cycle, (steps["time_s"] + steps["wait_s"] + steps["pull_s"]).max()

    def draw(self, area):
        ratios = [max(0.9, 0.24 * len(workers)) for _, workers, _ in self.panels]
        grid = area.subplots(len(self.panels), 1, squeeze=False, sharex=True, height_ratios=ratios)
        used = set()
        for number, (axes, (label, workers, pieces)) in enumerate(zip(grid.flat, self.panels)):
            axes.set_gid(f"gantt-panel-{number}")
            rows = {worker: row for row, worker in enumerate(workers)}
            for (worker, part), mine in pieces.groupby(["worker", "part"], sort=False):
                _, colour, hatch, ink = PARTS[part]
                used.add(part)
                axes.broken_barh(list(zip(mine["begin"], mine["end"] - mine["begin"])), (rows[worker] - 0.41, 0.82),
                                 facecolor=colour, hatch=hatch, edgecolor=ink if hatch else "white",
                                 linewidth=0 if hatch else 0.4)  # so that steps in a row can be told apart
            thin(axes.yaxis, [str(worker) for worker in workers], 32)
            axes.set(ylim=(len(workers) - 0.5, -0.5), xlim=self.window, ylabel="worker")
            axes.set_title(folded(label, 10, 9), fontsize=9, loc="left")
            axes.tick_params(labelsize=8)
        grid[-1][0].set_xlabel(clock_label([run for group in self.groups for run in group.runs]))
        parts = [Patch(facecolor=colour, hatch=hatch, edgecolor=ink, linewidth=0, label=name)
                 for part, (name, colour, hatch, ink) in PARTS.items() if part in used]
        legend_below(grid[-1][0], handles=parts, ncols=7)
        area.suptitle(self.does, fontsize=10, x=0.02, ha="left")


def overlaps(run):
    if run.config:
        return run.config.get("strategy.overlap") is True
    return "\n  overlap: true\n" in run.config_text


def from_steps(steps, overlapping, window):
    """What the workers did within the window, from the rows of steps.csv: columns worker, part, begin, end. A push ends
    at its row's instant; the hold and the pull follow. Before it, in this order: data, compute, delay. A worker that
    overlaps has computed while it was held: what it then still waited for comes after that, before its next push, as
    far as the rows tell."""
    steps = steps.sort_values(["worker", "time_s"], kind="stable")
    columns = {part: steps[f"{part}_s"].to_numpy() for part in ("data", "compute", "delay", "push", "wait", "pull")}
    workers, ends = steps["worker"].to_numpy(), steps["time_s"].to_numpy()
    computing = columns["data"] + columns["compute"] + columns["delay"]
    after = ends  # when the hold begins
    before = ends - columns["push"] - computing  # when the step begins
    if overlapping:
        # Of a push that is wholly hidden, the worker computes on at once; the rest of the exchange follows that.
        follows = numpy.append(workers[1:] == workers[:-1], False)
        hidden = follows & (columns["push"] <= 0)
        exchange = columns["wait"] + columns["pull"]
        next_push = numpy.append(ends[1:] - columns["push"][1:], 0)
        after = numpy.where(hidden, numpy.maximum(ends, next_push - exchange), ends)
        rests = numpy.append(0, numpy.where(hidden, exchange, 0)[:-1])
        before = before - rests
    starts = {"data": before, "compute": before + columns["data"],
              "delay": before + columns["data"] + columns["compute"], "push": ends - columns["push"],
              "wait": after, "pull": after + columns["wait"]}
    pieces = []
    for part, begin in starts.items():
        end = begin + columns[part]
        inside = (end > begin) & (end > window[0]) & (begin < window[1])
        pieces.append(pandas.DataFrame({"worker": workers[inside], "part": part, "begin": begin[inside],
                                        "end": end[inside]}))
    return pandas.concat(pieces, ignore_index=True)


class HeatMap(Picture):
    name, does = "heatmap", "a figure of the runs over two keys of their configurations"

    def prepare(self):
        runs = [run for run in runs_of(self.groups)]
        bare = [run for run in runs if not run.config]
        if len(bare) == len(runs):
            raise RunError(f"{self.name}: {bare[0].path / 'summary.json'} has no configuration" +
                           (f", nor have {len(bare) - 1} more" if bare[1:] else ""))
        if bare:
            names = [marked(run.path.name, [run]) for run in bare]
            self.notes.append(f"Left out, {len(bare)} of {len(runs)} without a summary: {listed(names, 3)}.")
        runs = [run for run in runs if run.config]
        differ = varying(runs)
        free = [key for key in differ if key != "seed"]
        for key in (self.options.x, self.options.y):
            if key is not None and all(run.setting(key) is None for run in runs):
                raise RunError(f"{self.name}: no run has the key {key}; the runs differ in "
                               f"{listed(differ, 12) or 'none'}")
        rest = [key for key in free if key not in (self.options.x, self.options.y)]
        self.y_key = self.options.y or (rest.pop(0) if rest and len(free) > 1 else None)
        self.x_key = self.options.x or (rest.pop(0) if rest else None)
        if self.x_key is None:
            raise RunError(f"{self.name}: the runs differ in no key but their seeds; name an axis with --x KEY")
        self.value = self.options.value
        if self.value is None:
            measured = any(run.number("final_accuracy") is not None for run in runs)
            targets = any(run.number("target_accuracy") for run in runs)
            self.value = "time_to_target_s" if targets else "final_accuracy" if measured else "time_s"
        known = sorted({key for run in runs for key in run.summary if run.number(key) is not None})
        if self.value not in known and self.value != "time_to_target_s":
            raise RunError(f"{self.name}: no run has a number {self.value}; there are {', '.join(known)}")
        cells = {}
        for run in runs:
            cells.setdefault((run.setting(self.y_key) if self.y_key else "", run.setting(self.x_key)), []).append(run)
        came = dict(zip(cells, figures([Group("", members) for members in cells.values()], [self.value])))
        members = [(run, cell) for cell, one in came.items() for run in one["runs"]]
        lacking = [run for run, _ in members if self.value not in run["outcomes"]]
        if len(lacking) == len(members):
            raise RunError(f"{self.name}: no run that came to its end has a number {self.value}")
        known = {cell: one["measures"][self.value] for cell, one in came.items()}
        counts_of = {cell: one["n"] for cell, one in known.items() if one["n"]}
        # Where the median is not known, the time at which the runs were last seen.
        self.open_cells = {cell for cell, one in known.items() if one["censored"] and one.get("median", one.get("mean")) is None}
        self.xs = self._in_order({x for _, x in cells}, [run.setting(self.x_key) for run in runs])
        self.ys = self._in_order({y for y, _ in cells}, [run.setting(self.y_key) if self.y_key else "" for run in runs])
        values = {cell: one.get("median", one.get("mean")) for cell, one in known.items() if one["n"]}
        for cell in self.open_cells:
            values[cell] = max(run["outcomes"][self.value]["value"] for run in came[cell]["runs"] if self.value in run["outcomes"])
        self.table = numpy.array([[numpy.nan if values.get((y, x)) is None else values[y, x] for x in self.xs] for y in self.ys])
        counts = sorted(set(counts_of.values()))
        averaged = [key for key in differ if key not in (self.x_key, self.y_key)]
        if counts[-1] > 1:
            many = str(counts[0]) if counts[0] == counts[-1] else f"{counts[0]} to {counts[-1]}"
            over = f", over {listed(averaged)}" if averaged else ""
            what = "median" if any("median" in one for one in known.values()) else "mean"
            self.notes.append(f"A cell is the {what} of {many} runs{over}.")
        if self.open_cells:
            self.notes.append("White: too many runs did not reach the target to tell the median; it is longer than "
                              "that, by their ends.")
        if any(one["diverged"] for one in known.values()):
            self.notes.append("Runs that diverged rank below all others: they reached nothing, and count with the accuracy of chance.")
        if lacking:
            names = [f"{run['run'].rsplit('/', 1)[-1]} ({run['status']})" for run in lacking]
            self.notes.append(f"Left out, without the figure or an end: {listed(names, 3)}.")
        if numpy.isnan(self.table).any():
            self.notes.append("Hatched: no run, or all of them diverged." if any(one["diverged"] for one in known.values())
                              else "Hatched: no run.")
        self.width = HALF if len(self.xs) <= 10 else FULL
        self.height = 1.9 + max(0.8, min(6.0, 0.32 * len(self.ys)))

    @staticmethod
    def _in_order(values, seen):
        if all(isinstance(value, (int, float)) for value in values):
            return sorted(values)
        return list(dict.fromkeys(seen))

    def draw(self, area):
        axes = area.subplots()
        axes.set_gid("heatmap-panel")
        axes.patch.set(hatch="////", facecolor="white", edgecolor="#bbbbbb")
        is_open = numpy.array([[(y, x) in self.open_cells for x in self.xs] for y in self.ys])
        known = numpy.where(is_open, numpy.nan, self.table)
        # A lower bound has no colour: it would look like a figure.
        axes.imshow(numpy.where(is_open, 0, numpy.nan), cmap="Greys", vmin=0, vmax=1, aspect="auto")
        image = axes.imshow(known, cmap="viridis", aspect="auto", interpolation="nearest")
        across = [folded(self._text(x), 1.6) for x in self.xs]
        thin(axes.xaxis, across, 24)
        thin(axes.yaxis, [folded(self._text(y), 1.9) for y in self.ys], 30)
        axes.tick_params(labelsize=8)
        if sum(max(len(line) for line in label.split("\n")) + 2 for label in across[:24]) > self.width * 10:
            axes.tick_params(axis="x", labelrotation=35)
        axes.set(xlabel=self._axis(self.x_key), title=self._title())
        axes.spines[:].set_visible(True)
        if self.y_key:
            axes.set_ylabel(self._axis(self.y_key))
        else:
            axes.set_yticks([])
        if self.table.size <= 240:
            shades = image.norm
            for (i, j), value in numpy.ndenumerate(self.table):
                if numpy.isfinite(value):
                    sign = "≥ " if is_open[i, j] else ""
                    axes.text(j, i, f"{sign}{value:.4g}", ha="center", va="center", fontsize=7,
                              color="black" if is_open[i, j] or shades(value) > 0.55 else "white")
        if numpy.isfinite(known).any():
            area.colorbar(image, ax=axes)

    def _title(self):
        seconds = self.value.endswith("_s") and not self.value.endswith("_per_s")
        words = (self.value[:-2] + ", s" if seconds else self.value).replace("_", " ")
        return words.replace("accuracy", f"{looked_at(runs_of(self.groups))} accuracy")

    @staticmethod
    def _axis(key):
        return "strategy" if key == "label" else key

    @staticmethod
    def _text(value):
        return "–" if value is None else brief(value)


KINDS = {kind.name: kind for kind in (AccuracyOverTime, AccuracyOverEpochs, LossOverTime, TimeToTarget, WhereTimeWent,
                                      Staleness, Waits, Gantt, HeatMap)}
