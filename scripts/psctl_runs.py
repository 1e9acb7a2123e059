"""Run folders as Python sees them: found under paths, read with every fault told, grouped by configuration. What they
came to is asked of psctl runs. Needs Debian's python3-pandas."""

import difflib
import json
import math
import os
import pathlib
import re
import subprocess

import pandas


class RunError(Exception):
    """What is asked for cannot be had from these runs; the message tells what was seen and where."""


class Run:
    """The folder of one run. Its tables are read when they are asked for."""

    def __init__(self, folder):
        self.path = pathlib.Path(folder)
        self.summary = self._read_summary()
        self.config = self.summary.get("config") or {}
        self.status = self.summary.get("status") or "unfinished"
        self.config_text = self._read_config()
        self.label = self.summary.get("strategy_label") or self.summary.get("strategy") or \
            self._of_text("strategy:\n  name") or "unknown strategy"
        self.strategy = self.summary.get("strategy") or self.label
        self.stages = []  # of a sweep, in which it was made or asked for
        seed = self.summary.get("seed", self._of_text("seed"))
        self.seed = int(seed) if str(seed).isdigit() else None
        self.clock = self.summary.get("clock", self._of_text("clock"))

    def _read_summary(self):
        try:
            summary = json.loads((self.path / "summary.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}  # it was killed, or is under way
        except (OSError, ValueError) as error:
            raise RunError(f"{self.path / 'summary.json'}: {error}") from error
        if not isinstance(summary, dict):
            raise RunError(f"{self.path / 'summary.json'} is no object of JSON")
        for key, kind in (("status", str), ("error", str), ("strategy", str), ("strategy_label", str), ("clock", str),
                          ("seed", int), ("config", dict)):
            if summary.get(key) is not None and not isinstance(summary[key], kind):
                raise RunError(f"{self.path / 'summary.json'}: {key} is {json.dumps(summary[key])[:40]}")
        return summary

    def _read_config(self):
        try:
            return (self.path / "config.yaml").read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""
        except (OSError, ValueError) as error:
            raise RunError(f"{self.path / 'config.yaml'}: {error}") from error

    def _of_text(self, key):
        """A value of config.yaml, of a run that has no summary."""
        found = re.search(rf"^{key}: (\S+)", self.config_text, re.MULTILINE)
        return found and found[1]

    @property
    def unusual(self):
        """What sets it apart from a run that came to its end; empty for such a run."""
        return self.status if self.status != "done" else "diverged" if self.summary.get("diverged") else ""

    def number(self, key):
        """A figure of summary.json; None where it is null or missing."""
        value = self.summary.get(key)
        plain = isinstance(value, (int, float)) and not isinstance(value, bool)
        return value if plain and math.isfinite(value) else None

    def setting(self, key):
        """A figure of the summary or, where it has none of that name, a value of the configuration, as people write it;
        of lists JSON. None where there is neither. The key `label` is the strategy with its parameters."""
        if key in ("label", "strategy", "status", "seed"):
            return getattr(self, key)
        value = self.summary.get(key)
        if value is None or isinstance(value, (dict, list)):
            value = self.config.get(key)
        for number, part in enumerate(key.split(".")):  # an element of a list, as in stragglers.0.delay_ms
            if value is None and part.isdigit():
                value = self.config.get(".".join(key.split(".")[:number]))
                for step in key.split(".")[number:]:
                    if isinstance(value, list):
                        value = value[int(step)] if step.isdigit() and int(step) < len(value) else None
                    else:
                        value = value.get(step) if isinstance(value, dict) else None
        plain = isinstance(value, (int, float, str)) and not isinstance(value, bool)
        return value if plain or value is None else json.dumps(value)

    def identity(self):
        """Equal for runs that differ in nothing but seed and name."""
        if self.config:
            return json.dumps({k: v for k, v in self.config.items() if k not in ("seed", "name")}, sort_keys=True)
        return re.sub(r"^(name|seed): .*\n", "", self.config_text, flags=re.MULTILINE)

    def evals(self):
        return self._table("evals.csv", ["time_s", "epoch", "train_loss", "test_loss", "test_accuracy"])

    def workers(self):
        return self._table("workers.csv", ["worker", "data_s", "compute_s", "delay_s", "push_s", "wait_s", "pull_s",
                                           "other_s", "wall_s"], text=["host", "held_by"])

    def steps(self):
        """A row a push. Throws where the run kept none (trace.steps: false)."""
        return self._table("steps.csv", ["time_s", "worker", "staleness", "gap", "data_s", "compute_s", "delay_s",
                                         "push_s", "wait_s", "pull_s"])

    def timeline(self):
        """What each worker did from when to when, of timeline.json; None where the run made none.
        Columns worker, part, begin and length, in seconds."""
        path = self.path / "timeline.json"
        if not path.exists():
            return None
        try:
            text = path.read_text(encoding="utf-8").rstrip().rstrip(",")
            events = json.loads(text if text.endswith("]") else text + "]")  # a run that was killed leaves it open
            slices = [(int(event["tid"]) - 1, str(event["name"]), event["ts"] / 1e6, event["dur"] / 1e6)
                      for event in events if event.get("ph") == "X"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunError(f"{path} is no timeline: {error}") from error
        return pandas.DataFrame(slices, columns=["worker", "part", "begin", "length"])

    def _table(self, name, numbers, text=()):
        path = self.path / name
        try:
            table = pandas.read_csv(path, dtype={column: str for column in text},
                                    usecols=lambda column: column in numbers or column in text)
            # An empty column is read as one of no type.
            missing = [column for column in numbers if column not in table]
            if missing:
                raise RunError(f"{path} has no column {', '.join(missing)}")
            for column in numbers:
                table[column] = pandas.to_numeric(table[column])
            if "worker" in numbers and not table["worker"].between(0, 1_000_000).all():
                raise RunError(f"{path} has a worker without a number")
        except FileNotFoundError as error:
            raise RunError(f"{self.path} has no {name} (the run: {self.status})") from error
        except (OSError, ValueError) as error:  # what pandas throws of a damaged table is a ValueError
            raise RunError(f"{path}: {str(error).strip()}") from error
        return table


def find_runs(paths):
    """The runs in these folders and below them, each once: those of a sweep in the order of its plan, others by name;
    and for each folder that cannot be read, or is missing from a sweep, why. A folder is that of a run if it holds
    summary.json or config.yaml; nothing below a run is looked at, nor what has a name that begins with a dot."""
    found, faults, seen = [], [], set()

    def look(folder, runs):
        try:
            names = sorted(os.listdir(folder), key=_by_number)
        except OSError as error:
            faults.append(f"{folder}: {error.strerror}")
            return
        if "summary.json" in names or "config.yaml" in names:
            key = os.path.realpath(folder)
            if key not in seen:
                seen.add(key)
                try:
                    runs.append(Run(folder))
                except RunError as error:
                    faults.append(str(error))
            return
        within = []
        for name in names:
            below = os.path.join(folder, name)
            # A run that a sweep is making has a name with a dot.
            if os.path.isdir(below) and not os.path.islink(below) and \
                    (name[0] != "." or os.path.exists(os.path.join(below, "config.yaml"))):
                look(below, within)
        if "plan.json" in names:
            _follow_plan(folder, within, faults)
        runs.extend(within)

    for path in paths:
        look(str(path), found)
    return found, faults


def _by_number(name):
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _follow_plan(folder, runs, faults):
    """Puts the runs of a sweep in order, tells each its stages, and names those that are missing."""
    path = os.path.join(folder, "plan.json")
    places = {}
    try:
        with open(path, encoding="utf-8") as file:
            for planned in json.load(file)["runs"]:
                places.setdefault(os.path.realpath(os.path.join(folder, planned["folder"])), []).append(
                    planned.get("stage") or "")
    except (OSError, ValueError, KeyError, TypeError) as error:
        faults.append(f"{path} is no plan of a sweep: {error}")
        return
    order = {place: number for number, place in enumerate(places)}
    runs.sort(key=lambda run: order.get(os.path.realpath(run.path), len(order)))
    for run in runs:
        run.stages = places.get(os.path.realpath(run.path), [])
    missing = len(set(places) - {os.path.realpath(run.path) for run in runs} -
                  {os.path.realpath(os.path.dirname(fault.split(": ")[0])) for fault in faults})
    if missing:
        faults.append(f"{folder}: {missing} of {len(places)} planned runs are not made")


RELATIONS = {"!=": lambda a, b: a != b, "<=": lambda a, b: a <= b, ">=": lambda a, b: a >= b, "=": lambda a, b: a == b,
             "<": lambda a, b: a < b, ">": lambda a, b: a > b}


def matching(runs, condition):
    """The runs for which KEY=VALUE holds, or KEY!=VALUE, KEY<VALUE, ...: numbers compare as numbers, all else letter by
    letter. A run without the key differs from every value, and is neither less nor greater."""
    parts = re.fullmatch(r"([^=<>!]+)(!=|<=|>=|=|<|>)(.*)", condition)
    if not parts:
        raise RunError(f"--where {condition}: neither KEY=VALUE nor one with !=, <, <=, > or >=")
    key, sign, wanted = parts.groups()
    check_key(runs, key, f"--where {condition}")

    def holds(seen):
        if seen is None:
            return sign == "!="
        try:
            return RELATIONS[sign](float(seen), float(wanted))
        except ValueError:
            return RELATIONS[sign](str(seen), wanted)

    kept = [run for run in runs if holds(run.setting(key))]
    if not kept:
        seen = list(dict.fromkeys(brief(run.setting(key)) for run in runs))
        raise RunError(f"--where {condition}: no run has it; there are {listed(seen, 12)}")
    return kept


def check_key(runs, key, where):
    """Throws, with the likeliest slip, if no run has the key."""
    if all(run.setting(key) is None for run in runs):
        known = ["label", "strategy", *dict.fromkeys(known for run in runs for known in [*run.config, *run.summary])]
        near = difflib.get_close_matches(key, known, 1)
        raise RunError(f"{where}: no run has the key {key}" + (f" (did you mean {near[0]}?)" if near else ""))


def of_stage(runs, stage=None):
    """Of sweeps that have several stages the runs of one: the one asked for, else the last of the plan. Returns the
    stage's name, too; empty where nothing had to be chosen."""
    known = list(dict.fromkeys(name for run in runs for name in run.stages if name))
    if stage is None and len(known) < 2:
        return runs, ""
    if stage is not None and stage not in known:
        raise RunError(f"no run is of a stage {stage}" + (f"; there are {', '.join(known)}" if known else ""))
    chosen = stage or known[-1]
    return [run for run in runs if chosen in run.stages or (stage is None and not any(run.stages))], chosen


class Group:
    """Runs of one configuration that differ in their seeds, or of which the keys asked for agree."""

    def __init__(self, label, runs):
        self.label = label
        self.runs = runs


def group(runs, by=None):
    """Groups in the order of the runs. Without `by`: runs that differ in nothing but their seeds are a group, and its
    label is the strategy's, with as many other keys as it takes to tell the groups apart. With a list of keys: runs
    whose values of these keys agree. Also returns the runs that were left out because they say what another one of
    their group says already: virtual runs of the same seed."""
    keyed, copies = {}, []
    for run in runs:
        key = tuple(json.dumps(run.setting(k)) for k in by) if by else run.identity()
        members = keyed.setdefault(key, [])
        same = [m for m in members if m.clock == run.clock == "virtual" and m.seed == run.seed and run.seed is not None
                and m.status == run.status and m.identity() == run.identity()]
        (copies if same else members).append(run)
    groups = [Group("", sorted(members, key=lambda run: (run.seed is None, run.seed or 0)))
              for members in keyed.values()]
    if by:
        for one in groups:
            values = [(k, one.runs[0].setting(k)) for k in by]
            plain = ("label", "strategy", "strategy.name")
            one.label = ", ".join(str(v) if k in plain else f"{short(k, by)}={brief(v)}" for k, v in values)
    else:
        _tell_apart(groups)
    return groups, copies


def varying(runs):
    """The keys of the configurations in which these runs differ; all of the strategy's count as one, `label`. Of lists
    of sections each key counts, as in stragglers.0.delay_ms. What a run does not tell it does not differ in."""
    runs = [run for run in runs if run.config]
    found, seen = [], set()
    for key in dict.fromkeys(key for run in runs for key in keys_of(run)):
        name = "label" if key.startswith("strategy.") else key
        if name in seen or name == "name":
            continue
        seen.add(name)
        if len({json.dumps(run.setting(name)) for run in runs}) > 1:
            found.append(name)
    return found


def keys_of(run):
    def within(path, value):
        if isinstance(value, list) and any(isinstance(item, dict) for item in value):
            for number, item in enumerate(value):
                yield from within(f"{path}.{number}", item)
        elif isinstance(value, dict):
            for key, item in value.items():
                yield from within(f"{path}.{key}", item)
        else:
            yield path
    for key, value in run.config.items():
        yield from within(key, value)


def tell_parameters(runs):
    """Labels runs of one strategy by those of its parameters, too, that differ among them, defaults or not."""
    alike = {}
    for run in runs:
        if run.config:
            alike.setdefault(run.strategy, []).append(run)
    for name, members in alike.items():
        keys = dict.fromkeys(key for run in members for key in run.config
                             if key.startswith("strategy.") and key != "strategy.name")
        told = {key for key in keys if len({json.dumps(run.config.get(key)) for run in members}) > 1}
        for run in members if told else []:
            words = []
            for key in run.config:
                word = key[len("strategy."):] + "="
                if key in told or (key in keys and any(mark + word in run.label for mark in ("(", ", "))):
                    words.append(word + str(run.setting(key)))
            run.label = f"{name}({', '.join(words)})" if words else name


def _tell_apart(groups):
    labelled = {}
    for one in groups:
        one.label = one.runs[0].label
        labelled.setdefault(one.label, []).append(one)
    for label, alike in labelled.items():
        if len(alike) < 2:
            continue
        first = [one.runs[0] for one in alike]
        keys = [key for key in varying(first) if key not in ("seed", "label")]
        for one in alike:
            words = [f"{short(key, keys)}={brief(one.runs[0].setting(key))}" for key in keys]
            one.label = f"{label}, {listed(words)}" if words and one.runs[0].config else f"{label} ({one.runs[0].path.name})"


def short(key, keys):
    """As much of the end of a key as tells it from the others, and never only `kind`."""
    parts = key.split(".")
    for count in range(1, len(parts)):
        end = ".".join(parts[-count:])
        if end != "kind" and not any(other != key and ("." + other).endswith("." + end) for other in keys):
            return end
    return key


def listed(words, most=4, between=", "):
    """The first of them, and how many more."""
    more = f"{between.rstrip()} and {len(words) - most} more" if len(words) > most else ""
    return between.join(words[:most]) + more


def brief(value):
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 24 else text[:23] + "…"


def confounded(groups):
    """Keys in which groups differ though their labels do not tell; and those in which runs of a group differ."""
    between = [key for key in varying([one.runs[0] for one in groups]) if key not in ("seed", "label") and
               not any(f"{key.split('.')[-1]}=" in one.label for one in groups)]
    within = dict.fromkeys(key for one in groups for key in varying(one.runs) if key != "seed")
    return [key for key in between if key not in within], list(within)


def figures(groups, measures=(), target=None, curve=None):
    """What psctl says that groups of runs came to, in their order: for each {"runs": [{"run", "status", "outcomes":
    {measure: {"value", "censored", "diverged"}}}], "measures": {measure: {"n", "censored", "diverged", "mean" or
    "median", "low", "high"}}, "curve": {"x", "mean", "low", "high"}}. `target`: another accuracy than the runs' own.
    `curve`: two columns of evals.csv; the mean is of the runs that came to their end and did not diverge."""
    members = [[str(run.path) for run in one.runs] for one in groups]
    words = [os.environ.get("PSCTL", "psctl"), "runs", *dict.fromkeys(path for paths in members for path in paths),
             "--format", "json", "--quiet", "--groups", "-"]
    words += ["--columns", ",".join(measures)] if measures else []
    words += ["--target", repr(target)] if target is not None else []
    words += ["--curve", ",".join(curve)] if curve else []
    try:
        done = subprocess.run(words, input=json.dumps(members), capture_output=True, text=True, check=False)
    except OSError as error:
        raise RunError(f"{words[0]}: {error.strerror}; the variable PSCTL names the program") from error
    if done.returncode != 0:
        raise RunError(done.stderr.strip().removeprefix("psctl: error: "))
    return json.loads(done.stdout)
