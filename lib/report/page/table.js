// Tables: configurations side by side, and every run, sorted by any column and filtered by any word.

const numeric = (tell = told) => ({tell: (value) => tell(value), right: true});
const words = {tell: (value) => plain(value), right: false};

// `columns`: [title, value of an item, how it is told]. `sort`: {column, down}, kept by the caller. Missing values come last.
// Of many items the first `most` in that order are shown.
function sortable(columns, items, sort, changed, row, most = Infinity) {
  const value = columns[sort.column][1];
  const order = items.map((item, i) => [value(item), i, item]).sort(([a, i], [b, j]) => {
    const missing = (x) => x === null || x === undefined || x === "" || Number.isNaN(x);
    if (missing(a) || missing(b)) return missing(a) - missing(b) || i - j;
    const way = typeof a === "number" && typeof b === "number" ? a - b : String(plain(a)).localeCompare(String(plain(b)), "en", {numeric: true});
    return (sort.down ? -way : way) || i - j;
  }).slice(0, most);
  return html("div", {class: "scroll", tabindex: 0}, html("table", {},
    html("thead", {}, html("tr", {}, columns.map(([title, , kind], i) => html("th", {scope: "col", class: kind.right ? "right" : "", "aria-sort": i === sort.column ? (sort.down ? "descending" : "ascending") : "none"},
      button(title, () => { Object.assign(sort, {down: i === sort.column && !sort.down, column: i}); changed(); }))))),
    html("tbody", {}, order.map(([, , item]) => fill(html("tr", {}), row(item), columns.map(([, get, kind]) => {
      const told_value = kind.tell(get(item), item);
      return html("td", {class: kind.right ? "right" : ""}, told_value);
    }))))));
}

const axis_columns = (point) => page.axes.map((axis) => [short_key(axis.key), (item) => point(item)[axis.key], words]);

// ---- configurations

const group_sort = {column: 0, down: false};
const with_interval = (key, tell = told) => ({right: true, tell: (value, group) => {
  const interval = group.measures[key];
  if (!interval || interval.low === null || interval.low === interval.high) return tell(value);
  return html("span", {}, tell(value), html("small", {}, ` ${tell(interval.low)} to ${tell(interval.high)}`));
}});
const part_of = (some, all) => (some < all ? `${some} of ${all}` : told(all));
const of_group = (key) => (group) => figure_of(group, key);
function draw_groups() {
  const groups = shown_groups();
  if (!groups.length) return why_nothing();
  const known = (...keys) => keys.some((key) => groups.some((group) => group.measures[key]));
  const columns = [
    ["strategy", (group) => group.label, words], ...axis_columns((group) => group.point), ["seeds", (group) => group.runs.length, {right: true, tell: (count, group) => part_of(runs_of(group).filter(ended).length, count)}],
    ["final accuracy", of_group("final_accuracy"), {right: true, tell: (value, group) => (group.measures.final_accuracy?.diverged === group.measures.final_accuracy?.n && group.measures.final_accuracy ? "diverged" : with_interval("final_accuracy").tell(value, group))}],
    ...(known("time_to_target_s") ? [["time to target, s", of_group("time_to_target_s"), {right: true, tell: (value, group) => (has_target(group) ? told_median(group, told) : told(NaN))}]] : []),
    ...(known("worker_s_to_target") ? [["worker-seconds to target", of_group("worker_s_to_target"), numeric()]] : []),
    ["time, s", of_group("time_s"), with_interval("time_s")], ["updates", of_group("updates"), numeric()], ["used samples/s", of_group("samples_per_s"), numeric()],
    ...[["samples used", "samples_used"], ["discarded", "samples_discarded"], ["pending", "samples_pending"], ["lost", "samples_lost"]].filter(([, key]) => known(key)).map(([title, key]) => [title, of_group(key), numeric()]),
    ["waiting", of_group("wait_share"), numeric(percent)], ["computing", of_group("compute_share"), numeric(percent)], ["staleness", of_group("staleness_mean"), numeric()],
    ["notices", (group) => [...new Set(runs_of(group).flatMap((run) => run.notices.map(([kind]) => kind)))].join(", "), {right: false, tell: (value) => value}],
  ];
  return sortable(columns, groups, group_sort, () => panel_groups.refresh(), () => ({}));
}
const panel_groups = new Panel("groups", "Side by side", "Means over the seeds, with the interval that holds the true mean with 95 %; the time to target is their median. Of runs that came to their end. What diverged reached no target, and its accuracy is that of guessing, or the lowest of the others if that is lower.", draw_groups);
panels.push(panel_groups);

// ---- runs

const run_sort = {column: 0, down: false};
Object.assign(state, {filter: "", more: false});
const kRunsAtOnce = 200;
const run_columns = [
  ["strategy", (run) => run.label, words], ...axis_columns((run) => run.group.point), ["seed", (run) => run.summary.seed, numeric()], ["clock", (run) => run.summary.clock, words],
  ["status", (run) => run.summary.status, words], ["final accuracy", (run) => run.summary.final_accuracy, numeric()], ["best", (run) => run.summary.best_accuracy, numeric()],
  ["time to target, s", (run) => run.summary.time_to_target_s, {right: true, tell: (value, run) => (typeof value === "number" ? told(value) : run?.summary.target_accuracy ? "not reached" : "\u2013")}],
  ["time, s", (run) => run.summary.time_s, numeric()], ["updates", (run) => run.summary.updates, numeric()], ["used samples/s", (run) => run.summary.samples_per_s, numeric()],
  ["waiting", (run) => run.summary.wait_share, numeric(percent)], ["computing", (run) => run.summary.compute_share, numeric(percent)],
  ["staleness", (run) => run.summary.staleness_mean, numeric()], ["notices", (run) => run.notices.map(([kind]) => kind).join(", "), {right: false, tell: (value) => value}],
  ["folder", (run) => run.name, words],
];
function draw_runs() {
  const wanted = state.filter.toLowerCase().split(/\s+/).filter(Boolean);
  const found = page.runs.filter((run) => {
    if (!wanted.length) return true;
    const text = run_columns.map(([title, get]) => `${title}=${plain(get(run))}`).join(" ").toLowerCase() + " " + run.path.toLowerCase();
    return wanted.every((word) => text.includes(word));
  });
  const most = state.more ? Infinity : kRunsAtOnce, shown = Math.min(found.length, most);
  const table = sortable(run_columns, found, run_sort, () => panel_runs.refresh(), (run) => ({
    class: run.index === state.run ? "chosen" : "", tabindex: 0, "aria-selected": run.index === state.run ? "true" : "false", title: run.path,
    onclick: () => choose_run(run.index), onkeydown: (event) => { if (event.key === "Enter") choose_run(run.index); },
  }), most);
  const note = html("p", {class: "note"}, `${counted(found.length, "run")} of ${told(page.runs.length)}${shown < found.length ? `, of which the first ${shown} in this order are in the table` : ""}.`);
  return [table, note, shown < found.length ? button("show all", () => { state.more = true; panel_runs.refresh(); }) : null];
}
const panel_runs = new Panel("runs", "Runs", "Press a heading to sort by it, a row to choose the run. The filter takes words, all of which must be found: ssp seed=2 disturbed.", draw_runs, () => {
  const box = html("input", {type: "search", value: state.filter, placeholder: "words, or column=value", size: 28});
  box.addEventListener("input", () => {
    state.filter = box.value;
    const at = box.selectionStart;
    panel_runs.refresh();
    panel_runs.bar.querySelector("input").setSelectionRange(at, at);
  });
  return [html("label", {class: "control"}, html("span", {}, "filter"), box)];
});
panels.push(panel_runs);

function choose_run(i) {
  state.run = i;
  state.window = null;
  state.worker = kAll;
  refresh();
  document.dispatchEvent(new Event("chosen"));
}
