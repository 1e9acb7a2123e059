// Where the workers' time went, and how stale pushes were and how far workers ran ahead.

// Parts of a worker's time in the order within a step. Told apart in grey by hatching.
const kParts = [["data", "data"], ["compute", "compute"], ["delay", "injected delay"], ["push", "push"], ["wait", "held by the strategy"], ["pull", "pull"], ["other", "other"]];
const part_fill = (part) => `url(#part-${part})`;
// Once in the page: what the parts are filled with.
function part_patterns() {
  const tile = (part, ...shapes) => svg("pattern", {id: `part-${part}`, width: 6, height: 6, patternUnits: "userSpaceOnUse"},
                                        svg("rect", {width: 6, height: 6, class: `part-${part}`}), ...shapes);
  const line = (d) => svg("path", {d, class: "hatch"});
  return svg("svg", {width: 0, height: 0, class: "patterns", "aria-hidden": "true"}, svg("defs", {},
    tile("data", line("M0,3H6M3,0V6")), tile("compute"), tile("delay", line("M-1,1L1,-1M-1,7L7,-1M5,7L7,5")), tile("push", line("M1.5,0V6M4.5,0V6")),
    tile("wait"), tile("pull", line("M-1,-1L7,7M5,-1L7,1M-1,5L1,7")), tile("other", svg("circle", {cx: 3, cy: 3, r: 0.9, class: "dot"}))));
}
const part_legend = (used) => html("div", {class: "parts"}, kParts.filter(([part]) => used.has(part)).map(([part, name]) =>
  html("span", {}, svg("svg", {width: 16, height: 12, "aria-hidden": "true"}, svg("rect", {width: 16, height: 12, fill: part_fill(part)})), name)));

// One bar a row: [name, {part: share}, lines of its own].
function share_bars(rows, width, name) {
  const height = rows.length > 40 ? 12 : 22;
  const chart = new Chart(width, rows.length * height + 54, {left: label_room(rows.map(([name]) => name), width), right: 24, top: 6, bottom: 46}, name);
  const x = linear(0, 1, chart.left, chart.right);
  const used = new Set();
  chart.x_axis(x, "share of the time", percent);
  rows.forEach(([label, shares, lines], i) => {
    const y = chart.top + i * height;
    if (height > 12 || i % 2 === 0) chart.row_label(label, y + height / 2);
    let from = 0;
    for (const [part, part_name] of kParts) {
      const share = Math.max(0, shares[part] || 0);
      if (share <= 0) continue;
      if (share >= 0.0005) used.add(part);
      const [begin, end] = [x(Math.min(1, from)), x(Math.min(1, from + share))];
      chart.draw("rect", {class: "bar", x: begin, y: y + 2, width: Math.max(0, end - begin), height: height - 4, fill: part_fill(part)});
      if (end - begin > 1) chart.target(begin, y + 2, end - begin, height - 4, [label, `${part_name}: ${percent(share)}`, ...(lines ? lines(part) : [])]);
      from += share;
    }
  });
  return [part_legend(used), chart.node];
}

function shares_of(run) {
  const workers = run.workers, shares = {};
  if (!workers || !workers.worker.length) return null;
  const wall = workers.wall_s.reduce((sum, value) => sum + (value || 0), 0);
  for (const [part] of kParts) shares[part] = wall > 0 ? (workers[part + "_s"] || []).reduce((sum, value) => sum + (value || 0), 0) / wall : 0;
  return shares;
}
function draw_group_time(width) {
  const rows = shown_groups().map((group) => {
    const shares = runs_of(group).map(shares_of).filter(Boolean);
    if (!shares.length) return null;
    return [name_of(group), Object.fromEntries(kParts.map(([part]) => [part, mean(shares.map((share) => share[part]))])),
            () => [`all workers, ${counted(shares.length, "run")}`]];
  }).filter(Boolean);
  return rows.length ? share_bars(rows, width, "where the workers' time went, a bar a configuration") : "There is no account of workers in the runs that are shown.";
}
panels.push(new Panel("time", "Where the time went", "All workers together, mean of the runs.", draw_group_time));

const run_at_hand = () => page.runs[state.run];
function draw_worker_time(width) {
  const run = run_at_hand(), workers = run.workers;
  if (!workers || !workers.worker.length) return "There is no account of workers in this run.";
  const rows = workers.worker.map((worker, i) => {
    const wall = workers.wall_s[i] || 0;
    const shares = Object.fromEntries(kParts.map(([part]) => [part, wall > 0 ? (workers[part + "_s"]?.[i] || 0) / wall : 0]));
    return [`worker ${worker}`, shares, (part) => [`${seconds(workers[part + "_s"][i])} of ${seconds(wall)}`, `${counted(workers.steps[i], "step")}`]];
  });
  return share_bars(rows, width, "where each worker's time went");
}
panels.push(new Panel("workers", "Each worker of the chosen run", "", draw_worker_time));

// ---- distributions

// Counts of all runs of a group, by value; widths of runs may differ, so each stretch counts at its beginning.
function pooled(group, key) {
  const counts = new Map();
  let total = 0, width = 1, sum = 0;
  for (const run of runs_of(group)) {
    if (!run[key]) continue;
    width = Math.max(width, run[key].width);
    sum += run[key].sum;
    for (const [value, count] of run[key].counts) counts.set(value, (counts.get(value) || 0) + count), total += count;
  }
  const merged = new Map();
  for (const [value, count] of counts) {
    const at = Math.floor(value / width) * width;
    merged.set(at, (merged.get(at) || 0) + count);
  }
  return {group, total, width, mean: sum / total, counts: [...merged].sort(([a], [b]) => a - b)};
}
function draw_distribution(width, key, axis) {
  const rows = shown_groups().map((group) => pooled(group, key)).filter((row) => row.total);
  if (!rows.length) return "The runs that are shown have no rows of pushes (trace.steps).";
  const height = 58;
  const chart = new Chart(width, rows.length * height + 50, {left: label_room(rows.map(({group}) => name_of(group)), width), right: 132, top: 4, bottom: 44}, axis);
  const x = linear(0, Math.max(...rows.map((row) => row.counts[row.counts.length - 1][0] + row.width)), chart.left, chart.right);
  chart.x_axis(x, axis);
  rows.forEach(({group, total, width: bin, mean, counts}, i) => {
    const base = chart.top + (i + 1) * height - 6, {colour} = style_of(group.label);
    const highest = Math.max(...counts.map(([, count]) => count));
    chart.row_label(name_of(group), base - 18);
    chart.draw("line", {class: "base", x1: chart.left, x2: chart.right, y1: base, y2: base});
    let below = 0, p99 = null;
    for (const [value, count] of counts) {
      const tall = count / highest * (height - 16), from = x(value), to = x(value + bin);
      chart.draw("rect", {class: "count", x: from + 0.5, y: base - tall, width: Math.max(1, to - from - 1), height: tall, fill: colour});
      below += count;
      if (p99 === null && below >= 0.99 * total) p99 = value + bin - 1;
      const range = bin === 1 ? told(value) : `${told(value)} to ${told(value + bin - 1)}`;
      chart.target(from, base - Math.max(tall, 3), Math.max(1, to - from), Math.max(tall, 3), [name_of(group), `${axis.split(":")[0]} ${range}: ${percent(count / total)} of ${counted(total, "push", "pushes")}`, `up to it: ${percent(below / total)}`]);
    }
    chart.draw("text", {class: "note", x: chart.right + 10, y: base - 20}, `mean ${told(mean, 3)}`);
    chart.draw("text", {class: "note", x: chart.right + 10, y: base - 5}, `99 % up to ${told(p99, 3)}`);
  });
  return chart.node;
}
panels.push(new Panel("staleness", "Staleness", "Updates between the model that a gradient was computed on and the update that used it; all runs of a configuration, each row by its own highest bar. In updates, which are larger under strategies that merge pushes: across strategies compare with care.", (width) => draw_distribution(width, "staleness", "staleness, updates")));
panels.push(new Panel("gap", "Gap", "How many steps a worker was ahead of the slowest, after each push.", (width) => draw_distribution(width, "gap", "gap, steps")));
