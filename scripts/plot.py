#!/usr/bin/python3
"""Pictures of runs; `psctl plot` calls this script. Needs Debian's python3-matplotlib and python3-pandas."""

import argparse
import difflib
import io
import math
import os
import pathlib
import signal
import sys
import warnings

FORMATS = ("png", "svg", "pdf")
KINDS = {  # those that psctl_pictures.py draws, and what help says of them
    "accuracy": "test accuracy over time; of several seeds the mean, and a band: its 95 % interval",
    "epochs": "the same over epochs",
    "loss": "training loss over time",
    "target": "when each run reached the target accuracy; open marks where it did not",
    "time": "where each worker's time went, in shares",
    "staleness": "how stale the pushes were, and how far ahead their workers",
    "waits": "waits by cause, in seconds",
    "gantt": "what each worker did from when to when; --from and --to choose the window",
    "heatmap": "a figure of summary.json over two keys of the configurations; --x, --y and --value choose",
}
EXAMPLES = """Examples:
  psctl plot results/quickstart-20260102-030405 -o run.png
  psctl plot results/quickstart-* -k accuracy,time,waits -o runs.pdf
  psctl plot results/sweep -k all -o pictures --format svg,png
  psctl plot results/quickstart-* -k gantt --from 1 --to 1.5 -o workers.svg
  psctl plot results/sweep -k heatmap --x label --y cluster.workers --value wait_share -o waiting.png
  psctl plot results/sweep -k accuracy --where strategy=ssp --by strategy.staleness -o ssp.png
"""


class Refused(Exception):
    """The request is wrong: exit code 2."""


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise Refused(f"{self.prog}: {message}; {self.prog} --help tells what there is")


def say(kind, message, colour):
    if sys.stderr.isatty() and "NO_COLOR" not in os.environ:
        kind = f"\033[{colour}m{kind}\033[0m"
    print(f"psctl: {kind}: {message}", file=sys.stderr)


def parse(words):
    width = max(len(kind) for kind in KINDS) + 2
    parser = Parser(prog=os.environ.get("PSCTL_PLOT_NAME", "plot.py"), allow_abbrev=False, add_help=False,
                    formatter_class=argparse.RawDescriptionHelpFormatter,
                    usage="%(prog)s RUN ... -o FILE [--kind KIND,...] [options]",
                    description="Draws runs: readable in grey, and the same bytes each time.\n\nKinds:\n" +
                    "\n".join(f"  {kind:<{width}}{does}" for kind, does in KINDS.items()) +
                    f"\n  {'all':<{width}}every kind for which these runs have what it takes", epilog=EXAMPLES)
    add = parser.add_argument
    add("runs", nargs="*", metavar="RUN", help="folders of runs, or folders under which some lie")
    add("-o", "--output", metavar="FILE",
        help="picture to write (.png, .svg, .pdf), with all kinds in it; or a folder, for a file a kind")
    add("-k", "--kind", action="append", metavar="KIND",
        help="what to draw, several by commas; default: what suits the runs")
    add("--format", default="png", metavar="FORMAT",
        help="of the files in a folder: png, svg or pdf, several by commas (default: png)")
    add("--where", action="append", default=[], metavar="KEY=VALUE",
        help="only runs that have this value; also !=, <, <=, >, >=; may be given many times")
    add("--by", metavar="KEY,...", help="put runs together that agree in these keys (default: in all but the seed)")
    add("--stage", metavar="NAME",
        help="of a tuned sweep: search, one_for_all or own_best (default: the last in its plan)")
    add("--target", type=float, metavar="ACCURACY", help="target: of this accuracy (default: that of the runs)")
    add("--from", dest="begin", type=float, default=0.0, metavar="S", help="gantt: begin of the window")
    add("--to", dest="end", type=float, metavar="S", help="gantt: end of the window")
    add("--x", metavar="KEY", help="heatmap: key across; `label` is the strategy with its parameters")
    add("--y", metavar="KEY", help="heatmap: key down")
    add("--value", metavar="FIGURE", help="heatmap: a figure of summary.json")
    add("--dpi", type=int, default=150, help="pixels an inch of PNG (default: 150)")
    add("--quiet", action="store_true", help="say nothing but errors")
    add("-h", "--help", action="help", help="this text")
    options = parser.parse_args(words)
    if not options.runs:
        raise Refused(f"{parser.prog}: name the folder of a run; {parser.prog} --help tells more")
    if not options.output:
        raise Refused(f"{parser.prog}: -o is missing: the picture to write (.png, .svg, .pdf), or a folder")
    if options.target is not None and not 0 < options.target <= 1:
        raise Refused(f"{parser.prog}: --target {options.target:g} is not within 0 and 1")
    for name, time in (("--from", options.begin), ("--to", options.end)):
        if time is not None and not 0 <= time < math.inf:
            raise Refused(f"{parser.prog}: {name} {time:g} is no time of a run: seconds, from 0 on")
    if not 10 <= options.dpi <= 1200:
        raise Refused(f"{parser.prog}: --dpi {options.dpi} is not within 10 and 1200")
    options.kinds = split(options.kind or [], [*KINDS, "all"], "kind")
    suffix = pathlib.Path(options.output).suffix[1:].lower()
    options.in_folder = not suffix or os.path.isdir(options.output) or options.output.endswith("/")
    if not options.in_folder and suffix not in FORMATS:
        raise Refused(f"{options.output}: pictures are .png, .svg or .pdf, not .{suffix}")
    above = pathlib.Path(options.output).parent
    if not options.in_folder and not above.is_dir():
        raise Refused(f"{options.output}: there is no folder {above}")
    options.formats = split([options.format], FORMATS, "format") if options.in_folder else [suffix]
    return options


def split(words, known, what):
    found = []
    for word in [part.strip() for word in words for part in word.split(",")]:
        if word not in known:
            near = difflib.get_close_matches(word, known, 1)
            meant = f" (did you mean {near[0]}?)" if near else ""
            raise Refused(f"there is no {what} {word or 'without a name'}{meant}; it is one of {', '.join(known)}")
        if word not in found:
            found.append(word)
    return found


def has_accuracy(run):
    """Whether the run has evaluated a model; one that was killed has no summary that tells it."""
    from psctl_runs import RunError
    try:
        return run.number("final_accuracy") is not None or run.evals()["test_accuracy"].notna().any()
    except RunError:
        return False


def suitable(groups):
    """The kinds that suit these runs, where none was asked for."""
    runs = [run for group in groups for run in group.runs]
    trained = any(has_accuracy(run) for run in runs)
    many = len(groups) > 12
    targets = {run.number("target_accuracy") for run in runs} - {None}
    kinds = (["accuracy"] if trained and not many else []) + (["time"] if len(groups) <= 48 else [])
    if trained and len(targets) == 1 and len(runs) > 1 and len(groups) <= 40:
        kinds.append("target")
    if not trained and len(groups) <= 6:
        kinds.append("gantt")
    if many:
        kinds.append("heatmap")
    return kinds


def draw(groups, options, notes):
    """The pictures that can be drawn. One that was asked for by name and cannot is an error."""
    kinds = options.kinds or suitable(groups)
    import psctl_pictures
    from psctl_runs import RunError
    pictures = []
    for kind in [name for name in KINDS if name in kinds or "all" in kinds]:
        try:
            pictures.append(psctl_pictures.KINDS[kind](groups, options))
        except RunError as error:
            if options.kinds and "all" not in options.kinds:
                raise
            notes.append(f"without {error}")
    if not pictures:
        raise RunError("there is nothing to draw:\n  " + "\n  ".join(notes))
    return pictures


def below(groups, unreadable, stage):
    """What must be known of the runs as a whole, to read any of the pictures."""
    import psctl_runs
    said = [f"Runs of the stage {stage} of a sweep."] if stage else []
    between, within = psctl_runs.confounded(groups)
    if between:
        said.append(f"The configurations differ in {psctl_runs.listed(between)}, too.")
    if within:
        said.append(f"Put together are runs that differ in {psctl_runs.listed(within)}.")
    disturbed = sum(bool(run.summary.get("disturbed")) for group in groups for run in group.runs)
    if disturbed:
        said.append(f"The machine itself disturbed {disturbed} of {sum(len(group.runs) for group in groups)} runs.")
    if unreadable:
        said.append(f"Not in it: {psctl_runs.listed(unreadable, 3, '; ')}.")
    return " ".join(said)


def write(pictures, path, options, extra):
    """One file. Pictures of half the width stand side by side where they follow one another."""
    import psctl_pictures
    from matplotlib.figure import Figure
    full = pictures[0].width if len(pictures) == 1 else psctl_pictures.FULL
    rows = []
    for picture in pictures:
        if rows and sum(p.width for p in rows[-1]) + picture.width <= full + 0.01:
            rows[-1].append(picture)
        else:
            rows.append([picture])
    heights = [max(picture.height for picture in row) for row in rows]
    figure = Figure(figsize=(full, sum(heights)), layout="constrained")
    bands = figure.subfigures(len(rows), 1, height_ratios=heights, squeeze=False)[:, 0]
    for band, row in zip(bands, rows):
        for area, picture in zip(band.subfigures(1, len(row), squeeze=False)[0], row):
            picture.compose(area, full / len(row))
    psctl_pictures.print_below(figure, extra, full)
    kind = path.suffix[1:].lower()
    # Nothing that differs from one time to the next: not when it was made, nor by which release of matplotlib.
    metadata = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None},
                "pdf": {"CreationDate": None, "Producer": None, "Creator": None}}[kind]
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # a letter that the font has not is a box
        figure.savefig(buffer, format=kind, dpi=options.dpi, metadata=metadata)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_bytes(buffer.getvalue())
        os.replace(part, path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    if not options.quiet:
        print(f"{path}: {', '.join(picture.name for picture in pictures)}")


def main(words):
    options = parse(words)
    try:
        import matplotlib
        import psctl_runs
    except ImportError as error:
        say("error", f"{error.name} is missing; pictures need Debian's packages python3-matplotlib and python3-pandas "
            "(apt-get install python3-matplotlib python3-pandas)", 31)
        return 1
    matplotlib.rcdefaults()  # not what somebody has in a file of their own
    matplotlib.rcParams.update({"font.size": 9, "axes.titlesize": 10, "axes.spines.top": False,
                                "axes.spines.right": False, "hatch.linewidth": 0.7, "pdf.fonttype": 42,
                                "svg.hashsalt": "psctl", "text.parse_math": False})  # a $ in a path is one
    try:
        runs, unreadable = psctl_runs.find_runs(options.runs)
        notes = [f"left out: {what}" for what in unreadable]
        if not runs:
            raise Refused("; ".join(unreadable) or f"there is no run in {', '.join(options.runs)}: no folder there "
                          "holds summary.json or config.yaml")
        runs, stage = psctl_runs.of_stage(runs, options.stage)
        for condition in options.where:
            runs = psctl_runs.matching(runs, condition)
        psctl_runs.tell_parameters(runs)
        notes += [f"{run.path} is {run.status}" + (f": {run.summary['error']}" if run.summary.get("error") else "")
                  for run in runs if run.status != "done"]
        by = options.by.split(",") if options.by else None
        for key in by or []:
            psctl_runs.check_key(runs, key, f"--by {options.by}")
        groups, copies = psctl_runs.group(runs, by)
        notes += [f"{run.path} is left out: it says what another run of its seed says" for run in copies]
        pictures = draw(groups, options, notes)
        extra = below(groups, unreadable, stage)
        if options.in_folder:
            folder = pathlib.Path(options.output)
            folder.mkdir(parents=True, exist_ok=True)
            for picture in pictures:
                for suffix in options.formats:
                    write([picture], folder / f"{picture.name}.{suffix}", options, extra)
        else:
            write(pictures, pathlib.Path(options.output), options, extra)
    except psctl_runs.RunError as error:
        raise Refused(str(error)) from error
    if not options.quiet:
        for note in notes:
            say("note", note, 33)
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main(sys.argv[1:]))
    except Refused as error:
        say("error", str(error), 31)
        sys.exit(2)
    except OSError as error:
        say("error", f"{error.filename}: {error.strerror}" if error.filename else str(error), 31)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
