// What the model learned over time, with the range of the seeds; and the time to the target.

const kXs = {time_s: ["time, s", seconds], epoch: ["epochs", told], samples: ["samples", told], version: ["updates", told]};
const kYs = {test_accuracy: [`${looked_at} accuracy`, (value) => told(value, 4)], test_loss: [`${looked_at} loss`, told], train_loss: ["training loss", told]};

// Mean, least and greatest of runs at places that all of them reached; between two looks at a model the line is straight.
function band(runs, x_key, y_key) {
  const curves = runs.filter((run) => run.evals).map((run) => {
    const points = run.evals[x_key].map((x, i) => [x, run.evals[y_key][i]]).filter(([x, y]) => x !== null && y !== null);
    return {xs: points.map(([x]) => x), ys: points.map(([, y]) => y)};
  }).filter((curve) => curve.xs.length);
  if (!curves.length) return [];
  const end = Math.min(...curves.map((curve) => curve.xs[curve.xs.length - 1]));
  const begin = Math.max(...curves.map((curve) => curve.xs[0]));
  const xs = [...new Set(curves.flatMap((curve) => curve.xs))].filter((x) => x >= begin && x <= end).sort((a, b) => a - b);
  const at = ({xs, ys}, x) => {
    const i = first_at_least(xs, x);
    if (xs[i] === x || i === 0) return ys[i];
    const share = (x - xs[i - 1]) / (xs[i] - xs[i - 1]);
    return ys[i - 1] + share * (ys[i] - ys[i - 1]);
  };
  return xs.map((x) => {
    const ys = curves.map((curve) => at(curve, x));
    return {x, mean: mean(ys), low: Math.min(...ys), high: Math.max(...ys), count: ys.length};
  });
}

function draw_curves(width) {
  const groups = shown_groups();
  const lines = groups.flatMap((group) => {
    const [seeds, alone] = [true, false].map((is) => runs_of(group).filter((run) => whole(run) === is));
    return [{group, runs: seeds}, ...alone.map((run) => ({group, runs: [run], why: run.notices[0][0]}))];
  }).map((line) => ({...line, points: band(line.runs, state.x, state.y)})).filter((line) => line.points.length);
  if (!groups.length) return why_nothing();
  if (!lines.length) return "These runs have no evaluations: timing only, or the model was never looked at.";
  const all = lines.flatMap((line) => line.points);
  const reach = extent(all.map((point) => point.x));
  reach[0] = Math.min(0, reach[0]);
  const [x_low, x_high] = state.span || reach;
  const within = all.filter((point) => point.x >= x_low && point.x <= x_high);
  const points = within.length > 1 ? within : all;
  const chart = new Chart(width, Math.max(300, Math.min(460, width * 0.45)), {left: 62, right: 16, top: 22, bottom: 42}, `${kYs[state.y][0]} over ${kXs[state.x][0]}`);
  const [y_low, y_high] = extent(points.flatMap((point) => [point.low, point.high]));
  const room = (y_high - y_low) * 0.04;
  const x = linear(x_low, x_high, chart.left, chart.right);
  const y = linear(y_low - room, y_high + room, chart.bottom, chart.top);
  chart.x_axis(x, kXs[state.x][0]);
  chart.y_axis(y, kYs[state.y][0]);
  const target = Math.max(...groups.flatMap((group) => runs_of(group).map((run) => run.summary.target_accuracy || 0)));
  if (state.y === "test_accuracy" && target > 0 && target <= y.domain[1] && target >= y.domain[0]) {
    chart.draw("line", {class: "rule", x1: chart.left, x2: chart.right, y1: y(target), y2: y(target)});
    chart.draw("text", {class: "note", x: chart.left + 4, y: y(target) - 4}, `target ${told(target)}`);
  }
  const inner = chart.clipped();
  const draw = (...what) => inner.append(svg(...what));
  for (const {group, runs, why, points} of lines) {
    const {colour, mark: kind} = style_of(group.label);
    const path = (key, list = points) => list.map((point, i) => `${i ? "L" : "M"}${x(point.x).toFixed(1)},${y(point[key]).toFixed(1)}`).join("");
    if (points.some((point) => point.high > point.low))
      draw("path", {class: "band", d: path("high") + path("low", [...points].reverse()).replace("M", "L") + "Z", fill: colour});
    draw("path", {class: why ? "line alone" : "line", d: path("mean"), stroke: colour, "stroke-dasharray": dash_of(group, groups)});
    const last = points[points.length - 1];
    if (why) inner.append(mark("cross", x(last.x), y(last.mean), 6, {class: "cut", stroke: colour}));
    const every = Math.max(1, Math.ceil(points.length / 9));
    points.forEach((point, i) => {
      const [cx, cy] = [x(point.x), y(point.mean)];
      if (i % every === 0 || i === points.length - 1) inner.append(mark(kind, cx, cy, 3.2, {class: "dot", fill: colour, stroke: colour}));
      if (point.x < x_low || point.x > x_high) return;
      const range = point.count > 1 ? `${told(point.low)} to ${told(point.high)} over ${counted(point.count, "seed")}` : `seed ${plain(runs[0].summary.seed)}${why ? `: ${why}` : ""}`;
      chart.target(cx - 3, cy - 3, 6, 6, [name_of(group), `${kYs[state.y][0]} ${told(point.mean)}`, range, `${kXs[state.x][0].replace(", s", "")} ${kXs[state.x][1](point.x)}`]);
    });
  }
  // The pointer drags a stretch to look at; plus and minus do the same around the middle.
  const set = (low, high) => {
    low = Math.max(reach[0], low);
    high = Math.min(reach[1], high);
    if (high - low < (reach[1] - reach[0]) * 1e-3) return;
    state.span = low <= reach[0] && high >= reach[1] ? null : [low, high];
    panel_accuracy.refresh();
    panel_accuracy.body.querySelector("svg").focus({preventScroll: true});
  };
  panel_accuracy.zoom = (factor) => {
    const middle = (x_low + x_high) / 2, half = (x_high - x_low) / 2 * factor;
    set(middle - half, middle + half);
  };
  panel_accuracy.all = () => set(...reach);
  chart.act = {"+": () => panel_accuracy.zoom(0.5), "=": () => panel_accuracy.zoom(0.5), "-": () => panel_accuracy.zoom(2), 0: () => set(...reach)};
  chart.node.addEventListener("dblclick", () => set(...reach));
  chart.node.addEventListener("pointerdown", (event) => {
    const place = (at) => Math.max(chart.left, Math.min(chart.right, at.clientX - chart.node.getBoundingClientRect().left));
    const start = place(event), area = chart.add("rect", {class: "chosen", y: chart.top, height: chart.bottom - chart.top, x: start, width: 0});
    chart.node.setPointerCapture(event.pointerId);
    const drag = (moved) => {
      area.setAttribute("x", Math.min(start, place(moved)));
      area.setAttribute("width", Math.abs(place(moved) - start));
    };
    chart.node.addEventListener("pointermove", drag);
    chart.node.addEventListener("pointerup", (up) => {
      chart.node.removeEventListener("pointermove", drag);
      area.remove();
      const [low, high] = [start, place(up)].sort((a, b) => a - b);
      if (high - low > 5) set(x.invert(low), x.invert(high));
    }, {once: true});
  });
  return chart.node;
}
const panel_accuracy = new Panel("accuracy", "Learning", "Line: mean of the seeds. Band: from the worst seed to the best. A line ends where its first seed ends. A cross ends a run that did not come to its end, or diverged; it is in no mean. Drag over a stretch to see it larger, double-click for all.", draw_curves, () => [
  select("over", Object.entries(kXs).map(([key, [text]]) => [key, text]), state.x, (value) => { Object.assign(state, {x: value, span: null}); panel_accuracy.refresh(); }),
  select("of", Object.entries(kYs).map(([key, [text]]) => [key, text]), state.y, (value) => { state.y = value; panel_accuracy.refresh(); }),
  button("+", () => panel_accuracy.zoom?.(0.5), {"aria-label": "enlarge", title: "enlarge"}), button("\u2212", () => panel_accuracy.zoom?.(2), {"aria-label": "make smaller", title: "make smaller"}),
  button("all", () => panel_accuracy.all?.(), {title: "all of it"}),
]);
panels.push(panel_accuracy);

// Runs that have a time to a target, reached or censored.
const with_target = (runs) => runs.filter(to_target);
const has_target = (group) => group.measures.time_to_target_s !== undefined;
const told_median = (group, tell) => {
  const {n, censored, median} = group.measures.time_to_target_s;
  const part = censored ? ` (${n - censored} of ${n})` : "";
  return (median !== null ? tell(median) : censored < n ? "not known" : "not reached") + part;
};
// Several are drawn below each other in a row, so that equal ones do not hide each other.
const spread = (i, count, height) => (count > 1 ? (i / (count - 1) - 0.5) * height : 0);

function draw_to_target(width) {
  const groups = shown_groups().filter(has_target);
  if (!groups.length) return "No run that is shown has a target (evaluate.target_accuracy).";
  const row = 34;
  const chart = new Chart(width, groups.length * row + 62, {left: label_room(groups.map(name_of), width), right: 98, top: 8, bottom: 46}, "time to the target accuracy");
  const times = with_target(groups.flatMap(runs_of)).map((run) => to_target(run).value);
  const x = linear(0, extent(times)[1], chart.left, chart.right);
  chart.x_axis(x, "time to target, s");
  groups.forEach((group, i) => {
    const middle = chart.top + (i + 0.5) * row, runs = with_target(runs_of(group)), {colour, mark: kind} = style_of(group.label);
    if (i % 2 === 0) chart.draw("rect", {class: "stripe", x: chart.left, y: middle - row / 2, width: chart.right - chart.left, height: row});
    chart.row_label(name_of(group), middle);
    const {n, censored, median} = group.measures.time_to_target_s;
    if (median !== null) chart.draw("line", {class: "median", x1: x(median), x2: x(median), y1: middle - 13, y2: middle + 13});
    runs.forEach((run, j) => {
      const {value: time, censored: open, diverged} = to_target(run), reached = !open;
      const [cx, cy] = [x(time), middle + spread(j, runs.length, 20)];
      if (!reached) chart.draw("path", {class: "open", d: `M${cx},${cy}h12m-4,-3l4,3l-4,3`, stroke: colour});
      chart.body.append(mark(kind === "cross" ? "circle" : kind, cx, cy, 4, {class: reached ? "reached" : "censored", fill: reached ? colour : "var(--page)", stroke: colour, "stroke-width": 1.6}));
      chart.target(cx - 4, cy - 4, 8, 8, [name_of(group), `seed ${plain(run.summary.seed)}, target ${told(run.summary.target_accuracy)}`, reached ? `reached after ${seconds(time)}` : diverged ? `diverged after ${seconds(run.summary.time_s)}: not reached` : `not reached within ${seconds(time)}`]);
    });
    chart.draw("text", {class: "note", x: chart.right + 30, y: middle + 4}, `${n - censored} of ${n}`);
  });
  return chart.node;
}
panels.push(new Panel("target", "Time to target", "A mark a run that came to its end; open with an arrow: not reached, so the time is longer than that (a run that diverged is drawn where the longest ended). Bar: median of the seeds (Kaplan and Meier), where it is known. At the right: how many reached it.", draw_to_target));
