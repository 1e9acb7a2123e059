// The runs, what is chosen of them, and what follows from that: which configurations are shown and how they look.

const page = JSON.parse(document.getElementById("data").textContent);

// What was told by difference to the first run, in full again.
function restored(common, differences) {
  const whole = {...common, ...differences};
  for (const [key, value] of Object.entries(differences)) if (value === null) delete whole[key];
  return whole;
}
page.runs.forEach((run, i) => {
  run.index = i;
  run.config = restored(page.config, run.config);
  run.made = restored(page.made, run.made);
  const s = run.summary;
  run.notices = [];
  if (s.status !== "done") run.notices.push([s.status === "failed" ? "failed" : String(s.status || "no status"), s.error || "the run did not come to its end"]);
  if (s.diverged) run.notices.push(["diverged", "a loss was no number any more: the model is worth nothing"]);
  if (s.disturbed) run.notices.push(["disturbed", s.disturbance || "the machine itself held the workers up: times are not to be trusted"]);
  if (s.evaluations_missed > 0) run.notices.push(["evaluations missed", counted(s.evaluations_missed, "evaluation") + " could not be made in time"]);
});
page.groups.forEach((group, i) => {
  group.index = i;
  group.runs.forEach((run) => (page.runs[run].group = group));
});

const labels = [...new Set(page.groups.map((group) => group.label))];
const kColours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f6bb8", "#8c564b"];
const kDashes = ["", "7 3", "2 3", "9 3 2 3", "14 4", "5 2 1 2 1 2"];
const kMarks = ["circle", "square", "triangle", "diamond", "cross"];
// Colour, dashes and mark of a strategy: told apart in grey, too.
const style_of = (label) => {
  const i = labels.indexOf(label);
  return {colour: kColours[i % kColours.length], dash: kDashes[(i + Math.floor(i / kColours.length)) % kDashes.length], mark: kMarks[i % kMarks.length]};
};
function mark(kind, x, y, size, attributes) {
  const r = size;
  const path = {
    circle: `M${x - r},${y}a${r},${r} 0 1,0 ${2 * r},0a${r},${r} 0 1,0 ${-2 * r},0Z`,
    square: `M${x - r},${y - r}h${2 * r}v${2 * r}h${-2 * r}Z`,
    triangle: `M${x},${y - r * 1.2}L${x + r * 1.15},${y + r * 0.9}L${x - r * 1.15},${y + r * 0.9}Z`,
    diamond: `M${x},${y - r * 1.3}L${x + r * 1.3},${y}L${x},${y + r * 1.3}L${x - r * 1.3},${y}Z`,
    cross: `M${x - r},${y - r}L${x + r},${y + r}M${x + r},${y - r}L${x - r},${y + r}`,
  }[kind];
  return svg("path", {d: path, ...attributes});
}

const kAll = "all";
const state = {
  hidden: new Set(),
  point: {},       // what is chosen of each axis: the place of a value, or all
  run: 0,
  x: "time_s",
  y: "test_accuracy",
  span: null,      // of what the curves are drawn over; all of it without
};

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
// Of many configurations one point is shown to begin with, that of the first; of few all.
for (const axis of page.axes)
  state.point[axis.key] = page.groups.length > 8 ? String(axis.values.findIndex((value) => same(value, page.groups[0].point[axis.key]))) : kAll;

const at_point = (group, but) => page.axes.every((axis) => axis.key === but || state.point[axis.key] === kAll ||
  same(group.point[axis.key], axis.values[Number(state.point[axis.key])]));
const shown_groups = () => page.groups.filter((group) => !state.hidden.has(group.label) && at_point(group));
const why_nothing = () => (labels.every((label) => state.hidden.has(label)) ? "Every strategy is switched off in the legend." :
  "No run of a strategy that is switched on is at the point that is chosen above.");
// The strategy, and what of the axes is not chosen.
function name_of(group) {
  const open = page.axes.filter((axis) => state.point[axis.key] === kAll).map((axis) => `${short_key(axis.key)} ${plain(group.point[axis.key])}`);
  return [group.label, ...open].join(", ");
}
const short_key = (key) => key.split(".").slice(-1)[0];
const runs_of = (group) => group.runs.map((run) => page.runs[run]);
// Runs of a strategy at other points of the axes are drawn with other dashes.
const dash_of = (group, groups) => {
  const own = groups.filter((other) => other.label === group.label);
  return own.length > 1 ? kDashes[own.indexOf(group) % kDashes.length] : style_of(group.label).dash;
};
// Means are of runs that came to their end; curves of those that did not, or diverged, are drawn by themselves.
const ended = (run) => run.summary.status === "done";
const whole = (run) => ended(run) && !run.summary.diverged;
// Whether a model was looked at, and on which samples.
const evaluated = (run) => Boolean(run.evals?.test_accuracy.some((accuracy) => accuracy !== null));
const looked_at = [...new Set(page.runs.filter(evaluated).map((run) => run.config["evaluate.on"] || "test"))].join(" or ") || "test";
// What psctl worked out of a group under a measure: its mean or median; NaN where it is not known.
const figure_of = (group, key) => group.measures[key]?.median ?? group.measures[key]?.mean ?? NaN;
// And of a run: {value, censored, diverged}; nothing of one that did not come to its end.
const to_target = (run) => run.outcomes.time_to_target_s;
const run_name = (run) => `${run.group.label}, ${[...page.axes.map((axis) => `${short_key(axis.key)} ${plain(run.group.point[axis.key])}`), `seed ${plain(run.summary.seed)}`].join(", ")}`;

const panels = [];
const refresh = () => panels.forEach((panel) => panel.refresh());

const legend_mark = (label) => {
  const {colour, dash, mark: kind} = style_of(label);
  return svg("svg", {class: "key", width: 34, height: 12, "aria-hidden": "true"},
             svg("line", {x1: 1, x2: 33, y1: 6, y2: 6, stroke: colour, "stroke-width": 2.5, "stroke-dasharray": dash}),
             mark(kind, 17, 6, 4, {fill: colour, stroke: colour, "stroke-width": 1.5}));
};
