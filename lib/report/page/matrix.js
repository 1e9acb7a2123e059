// Matrices of coloured cells: waits by cause, and a measure over a sweep.

// From the page's colour to a strong one, also in grey; the text on a cell is the one that can be read on it.
const cell_fill = (share) => `color-mix(in oklab, var(--cell-high) ${Math.round(8 + 92 * share)}%, var(--cell-low))`;
const cell_ink = (share) => (share > 0.55 ? "var(--cell-ink-high)" : "var(--ink)");

function draw_holds(width) {
  const run = run_at_hand(), workers = run.workers;
  if (!workers || !workers.worker.length) return "There is no account of workers in this run.";
  const waits = workers.worker.map((worker, i) => ({worker, wait: workers.wait_s[i] || 0, held_by: workers.held_by[i]}));
  const held = waits.flatMap(({held_by}) => held_by.map(([cause]) => cause));
  if (!held.length) return "Nobody waited for anybody in this run.";
  // Of few workers all are columns, for a square to be read along its diagonal.
  const causes = [...new Set([...held, ...(workers.worker.length <= 24 ? workers.worker : [])])].sort((a, b) => (a < 0 ? 1e9 - a : a) - (b < 0 ? 1e9 - b : b));
  const cause_name = (cause) => (cause === -1 ? "deadline" : cause === -2 ? "others" : String(cause));
  const named = causes.some((cause) => cause < 0);
  const side = Math.max(9, Math.min(72, (width - 150) / causes.length));
  const height = Math.max(9, Math.min(26, side, 900 / waits.length));
  const chart = new Chart(width, waits.length * height + (named ? 88 : 62), {left: 84, right: Math.max(16, width - 84 - causes.length * side), top: 22, bottom: named ? 66 : 40}, "waits by cause");
  const greatest = Math.max(...waits.flatMap(({held_by}) => held_by.map(([, time]) => time)));
  const every = Math.ceil(Math.max(1, 34 / side)), every_row = Math.ceil(14 / height);
  waits.forEach(({worker, wait, held_by}, i) => {
    const y = chart.top + i * height;
    if (i % every_row === 0) chart.row_label(`worker ${worker}`, y + height / 2);
    const of = new Map(held_by);
    causes.forEach((cause, j) => {
      const time = of.get(cause) || 0, share = greatest > 0 ? time / greatest : 0;
      const x = chart.left + j * side;
      chart.draw("rect", {class: "cell", x, y, width: side - 1, height: height - 1, fill: time > 0 ? cell_fill(share) : "var(--cell-none)"});
      if (time > 0 && side >= 56) chart.draw("text", {class: "value", x: x + side / 2, y: y + height / 2 + 4, "text-anchor": "middle", fill: cell_ink(share)}, seconds(time, 3));
      chart.target(x, y, side - 1, height - 1, [`worker ${worker} waited for ${cause >= 0 ? "worker " : ""}${cause_name(cause)}`, seconds(time), `${percent(wait > 0 ? time / wait : 0)} of its waiting`]);
    });
  });
  causes.forEach((cause, j) => {
    if (j % every && cause >= 0) return;
    const x = chart.left + (j + 0.5) * side, y = chart.bottom + 14;
    const long = cause < 0 && side < 64;
    if (cause >= 0) chart.draw("text", {class: "row", x, y: chart.top - 7, "text-anchor": "middle"}, cause_name(cause));
    chart.draw("text", {class: "row", x, y, "text-anchor": long ? "end" : "middle", transform: long ? `rotate(-40 ${x} ${y})` : undefined}, cause_name(cause));
  });
  chart.draw("text", {class: "title", x: chart.left, y: chart.height - 6}, `waited for worker \u2026 (strongest: ${seconds(greatest)})`);
  return chart.node;
}
panels.push(new Panel("holds", "Waits by cause", "Of the chosen run: one row per worker that waited, one column per worker that it waited for.", draw_holds));

// ---- over a sweep

const kMeasures = {
  final_accuracy: ["final accuracy", told, "high"], time_to_target_s: ["time to target (median)", seconds, "low"], time_s: ["time of the run", seconds, "low"],
  wait_share: ["share of waiting", percent, "low"], compute_share: ["share of computing", percent, "high"], staleness_mean: ["mean staleness", told, "low"],
  worker_s_to_target: ["worker-seconds to target (median)", told, "low"], samples_per_s: ["samples used per second", told, "high"], samples_used: ["samples used", told, "high"], updates: ["updates", told, "high"], final_loss: ["final loss", told, "low"],
};
const kStrategy = "strategy";
// Those that some run has.
const measures = Object.entries(kMeasures).filter(([key]) => page.groups.some((group) => group.measures[key]));
Object.assign(state, {measure: measures[0]?.[0] ?? "time_s", rows: kStrategy, columns: page.axes[0]?.key ?? kStrategy});

// Of several configurations in one cell the mean, where it is known of each.
const measured = (groups, key) => mean(groups.filter((group) => group.measures[key]).map((group) => figure_of(group, key)));
function draw_sweep(width) {
  const values_of = (key) => (key === kStrategy ? labels.filter((label) => !state.hidden.has(label)) : page.axes.find((axis) => axis.key === key).values);
  const value_of = (group, key) => (key === kStrategy ? group.label : group.point[key]);
  const names = (key) => values_of(key).map((value) => (key === kStrategy ? value : `${short_key(key)} ${plain(value)}`));
  const rows = values_of(state.rows), columns = state.columns === state.rows ? [null] : values_of(state.columns);
  if (!rows.length || !columns.length) return "Every strategy is switched off in the legend.";
  // Of the axes that are in the picture all values are shown, of the others the chosen one.
  const others = page.groups.filter((group) => !state.hidden.has(group.label) && page.axes.every((axis) =>
    axis.key === state.rows || axis.key === state.columns || state.point[axis.key] === kAll || same(group.point[axis.key], axis.values[Number(state.point[axis.key])])));
  const row_names = names(state.rows), column_names = columns[0] === null ? ["all"] : names(state.columns);
  const height = 34, left = label_room(row_names, width);
  const side = Math.max(46, Math.min(150, (width - left - 12) / columns.length));
  const chart = new Chart(Math.max(width, left + side * columns.length + 12), rows.length * height + 58, {left, right: 10, top: 26, bottom: 30}, "a measure over the sweep");
  const cells = rows.map((row) => columns.map((column) => {
    const groups = others.filter((group) => same(value_of(group, state.rows), row) && (column === null || same(value_of(group, state.columns), column)));
    return {groups, value: groups.length ? measured(groups, state.measure) : NaN};
  }));
  const [low, high] = extent(cells.flat().map((cell) => cell.value));
  const [text, tell, good] = kMeasures[state.measure];
  column_names.forEach((name, j) => {
    const label = chart.draw("text", {class: "row", x: chart.left + (j + 0.5) * side, y: 18, "text-anchor": "middle"}, shortened(name, side - 6));
    label.append(svg("title", {}, name));
  });
  cells.forEach((line, i) => {
    chart.row_label(row_names[i], chart.top + (i + 0.5) * height);
    line.forEach(({groups, value}, j) => {
      const x = chart.left + j * side, y = chart.top + i * height;
      const share = high > low ? (value - low) / (high - low) : 0.5;
      const best = Number.isFinite(value) && value === (good === "high" ? high : low);
      chart.draw("rect", {class: "cell", x, y, width: side - 2, height: height - 2, fill: Number.isFinite(value) ? cell_fill(share) : "var(--cell-none)"});
      chart.draw("text", {class: best ? "value best" : "value", x: x + side / 2, y: y + height / 2 + 4, "text-anchor": "middle", fill: Number.isFinite(value) ? cell_ink(share) : "var(--ink)"},
                 Number.isFinite(value) || !groups.some((group) => group.measures[state.measure]) ? tell(value, 3) : groups.every((group) => group.measures[state.measure]?.censored === group.measures[state.measure]?.n) ? "not reached" : "not known");
      const runs = groups.flatMap(runs_of);
      chart.target(x, y, side - 2, height - 2, [[row_names[i], columns[0] === null ? "" : column_names[j]].filter(Boolean).join(", "),
        groups.length ? `${text}: ${tell(value)}` : "no run is here", counted(runs.length, "run"), best ? "the best of those that are shown" : ""].filter(Boolean));
    });
  });
  chart.draw("text", {class: "title", x: chart.left, y: chart.height - 8}, `${text}: faintest ${tell(low, 3)}, strongest ${tell(high, 3)}; bold is best`);
  return chart.node;
}
panels.push(new Panel("sweep", "The sweep", "Means of the runs that came to their end, over the seeds and over what is set to \u201call\u201d above. An empty cell has none.", draw_sweep, () => {
  const keys = [[kStrategy, kStrategy], ...page.axes.map((axis) => [axis.key, axis.key])];
  return [select("measure", measures.map(([key, [text]]) => [key, text]), state.measure, (value) => { state.measure = value; refresh(); }),
          select("rows", keys, state.rows, (value) => { state.rows = value; refresh(); }),
          select("columns", keys, state.columns, (value) => { state.columns = value; refresh(); })];
}));
