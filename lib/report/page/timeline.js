// What each worker did when, with a window of time that can be moved and changed.

Object.assign(state, {window: null, worker: kAll});

// Rows by worker, in seconds, with ends ascending; made when a run is first looked at.
function steps_of(run) {
  if (run.steps || !run.timeline) return run.steps;
  const {rows, quantum_s: quantum} = run.timeline;
  const steps = new Map();
  let at = 0;
  rows.worker.forEach((worker, i) => {
    at += rows.at[i];
    const parts = kParts.slice(0, 6).map(([part]) => rows[part][i] * quantum);
    const begin = at * quantum - parts[0] - parts[1] - parts[2] - parts[3];
    if (!steps.has(worker)) steps.set(worker, []);
    steps.get(worker).push({step: rows.step[i], begin, end: at * quantum + parts[4] + parts[5], parts});
  });
  for (const list of steps.values()) {
    list.sort((a, b) => a.begin - b.begin);
    list.ends = list.map((step) => step.end);
  }
  run.steps = steps;
  return steps;
}
// Of stretches of a window that are too short for their steps to be drawn one by one: the share of each part.
function shares_in(list, from, to, count) {
  const cells = Array.from({length: count}, () => new Array(6).fill(0));
  const length = (to - from) / count;
  for (let i = first_at_least(list.ends, from); i < list.length && list[i].begin < to; ++i) {
    let begin = list[i].begin;
    for (let part = 0; part < 6; ++part) {
      const end = begin + list[i].parts[part];
      const first = Math.max(0, Math.floor((begin - from) / length)), last = Math.min(count - 1, Math.floor((end - from) / length));
      for (let cell = first; cell <= last; ++cell)
        cells[cell][part] += Math.max(0, Math.min(end, from + (cell + 1) * length) - Math.max(begin, from + cell * length)) / length;
      begin = end;
    }
  }
  return cells;
}

function draw_timeline(width) {
  const run = run_at_hand(), timeline = run.timeline;
  if (!timeline) return "This run has no timeline in this page: its steps were not traced, or only the first run of each configuration has one. A report of this run alone has it.";
  const steps = steps_of(run);
  let workers = timeline.cells ? timeline.cells.workers : [...steps.keys()].sort((a, b) => a - b);
  if (state.worker !== kAll && workers.includes(Number(state.worker))) workers = [Number(state.worker)];
  if (!workers.length) return "No push was made in this run.";
  const whole = run.summary.time_s || timeline.until_s;
  const [from, to] = state.window || [0, whole];
  const row = workers.length > 32 ? 14 : workers.length > 1 ? 24 : 60;
  const chart = new Chart(width, workers.length * row + 60, {left: 84, right: 18, top: 8, bottom: 46}, "timeline of the workers; plus and minus zoom, arrow keys move, 0 shows all");
  const x = linear(from, to, chart.left, chart.right);
  chart.x_axis(x, "time, s", (value) => told(value, 7));
  const exact = !timeline.cells || to <= timeline.until_s * (1 + 1e-9);
  const paths = new Map(), used = new Set();
  const put = (part, x0, x1, y, height) => {
    if (x1 <= x0 || height <= 0) return;
    used.add(kParts[part][0]);
    paths.set(part, (paths.get(part) || "") + `M${x0.toFixed(2)},${y.toFixed(1)}H${x1.toFixed(2)}v${height.toFixed(1)}H${x0.toFixed(2)}Z`);
  };
  // Shares, one above the other within the row.
  const put_cells = (cells, x0, length, y, height) => cells.forEach((shares, i) => {
    let below = y;
    shares.forEach((share, part) => {
      const tall = Math.min(1, share) * height;
      put(part, Math.max(chart.left, x0 + i * length), Math.min(chart.right, x0 + (i + 1) * length), below, tall);
      below += tall;
    });
  });
  let mixed = false;
  workers.forEach((worker, i) => {
    const y = chart.top + i * row + 2, height = row - 4;
    chart.row_label(`worker ${worker}`, y + height / 2);
    const list = steps.get(worker) || Object.assign([], {ends: []});
    if (!exact) {
      mixed = true;
      const {seconds: length, workers: known, shares} = timeline.cells;
      const flat = shares[known.indexOf(worker)];
      const first = Math.max(0, Math.floor(from / length)), last = Math.min(flat.length / 6, Math.ceil(to / length));
      put_cells(Array.from({length: last - first}, (_, j) => flat.slice((first + j) * 6, (first + j + 1) * 6).map((share) => share / 100)), x(first * length), x(length) - x(0), y, height);
      return;
    }
    const begin = first_at_least(list.ends, from);
    let count = 0;
    while (begin + count < list.length && list[begin + count].begin < to) ++count;
    if (count > (chart.right - chart.left) / 5) {
      mixed = true;
      const cells = Math.floor((chart.right - chart.left) / 3);
      put_cells(shares_in(list, from, to, cells), chart.left, (chart.right - chart.left) / cells, y, height);
      return;
    }
    for (let j = begin; j < begin + count; ++j) {
      let at = list[j].begin;
      list[j].parts.forEach((length, part) => {
        put(part, Math.max(chart.left, x(at)), Math.min(chart.right, x(at + length)), y, height);
        at += length;
      });
    }
  });
  const inner = chart.clipped();
  for (const [part, d] of [...paths].sort(([a], [b]) => a - b)) inner.append(svg("path", {class: "part", d, fill: part_fill(kParts[part][0])}));

  // What is under the pointer is looked up, for there may be tens of thousands of parts.
  chart.point = (event) => {
    const box = chart.node.getBoundingClientRect();
    const px = event.clientX - box.left, i = Math.floor((event.clientY - box.top - chart.top) / row);
    if (px < chart.left || px > chart.right || i < 0 || i >= workers.length) return hide_tip();
    const time = x.invert(px), list = steps.get(workers[i]) || Object.assign([], {ends: []});
    const step = exact ? list[first_at_least(list.ends, time)] : undefined;
    const lines = [`worker ${workers[i]} at ${seconds(time, 6)}`];
    if (step && step.begin <= time) {
      lines.push(`step ${step.step}`);
      step.parts.forEach((length, part) => { if (length > 0) lines.push(`${kParts[part][1]} ${seconds(length)}`); });
    } else if (!exact) {
      const {seconds: length, workers: known, shares} = timeline.cells;
      const cell = Math.min(Math.floor(time / length), shares[0].length / 6 - 1);
      lines.push(`of ${seconds(length)} here`);
      shares[known.indexOf(workers[i])].slice(cell * 6, cell * 6 + 6).forEach((share, part) => { if (share > 0) lines.push(`${kParts[part][1]} ${share} %`); });
    } else lines.push("nothing, or the run was over");
    show_tip(lines, event.clientX, event.clientY);
  };
  const set = (begin, end) => {
    const length = Math.min(whole, Math.max(end - begin, whole * 2e-5));
    begin = Math.max(0, Math.min(begin, whole - length));
    state.window = length >= whole ? null : [begin, begin + length];
    panel_timeline.refresh();
    panel_timeline.body.querySelector("svg")?.focus({preventScroll: true});
  };
  const zoom = (factor, around = (from + to) / 2) => set(around - (around - from) * factor, around + (to - around) * factor);
  const move = (share) => set(from + (to - from) * share, to + (to - from) * share);
  panel_timeline.acts = {zoom, move, set, whole, from, to};
  chart.node.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.shiftKey && document.activeElement !== chart.node) return;
    event.preventDefault();
    zoom((event.deltaY || event.deltaX) > 0 ? 1.25 : 0.8, x.invert(event.clientX - chart.node.getBoundingClientRect().left));
  }, {passive: false});
  chart.node.addEventListener("dblclick", () => set(0, whole));
  chart.node.addEventListener("pointerdown", (event) => {
    const start = event.clientX;
    chart.node.setPointerCapture(event.pointerId);
    let shift = 0;
    const drag = (moved) => {
      shift = moved.clientX - start;
      inner.setAttribute("transform", `translate(${shift} 0)`);
      hide_tip();
    };
    chart.node.addEventListener("pointermove", drag);
    chart.node.addEventListener("pointerup", () => {
      chart.node.removeEventListener("pointermove", drag);
      if (Math.abs(shift) > 2) move(-shift / (chart.right - chart.left));
    }, {once: true});
  });
  chart.step = (event) => {
    const act = {"+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), ArrowLeft: () => move(-0.25), ArrowRight: () => move(0.25), 0: () => set(0, whole)}[event.key];
    if (!act || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    act();
  };
  const notes = [];
  if (mixed) notes.push(exact ? "Steps are too short to be drawn one by one here: each column is divided as its time was. Zoom in to see them." :
    `Thinned: of this run ${counted(timeline.rows.worker.length, "step")} of ${told(timeline.total_rows)} are in the page as they were, up to ${seconds(timeline.until_s)}. What is shown is the division of stretches of ${seconds(timeline.cells.seconds)} each.`);
  if (workers.length < run.workers.total && state.worker === kAll) notes.push(`${workers.length} of ${run.workers.total} workers.`);
  if (run.config["strategy.overlap"] === true) notes.push("These workers compute while a push is under way: how long each part of a step took is right, the order within a step is not.");
  return [part_legend(used), chart.node, ...notes.map((note) => html("p", {class: "note"}, note))];
}

const kZoom = 0.5;
const panel_timeline = new Panel("timeline", "Timeline", "Drag to move, double-click to see all; the wheel zooms once the picture is clicked or focused. Keys: + \u2212 \u2190 \u2192 0.", draw_timeline, () => {
  const run = run_at_hand();
  if (!run.timeline) return [];
  const workers = run.workers?.worker ?? [], whole = run.summary.time_s || run.timeline.until_s;
  const [from, to] = state.window || [0, whole];
  const act = (name, ...args) => () => panel_timeline.acts?.[name](...args);
  const bound = (label, value, change) => {
    const box = html("input", {type: "number", value: Number(value.toPrecision(6)), min: 0, max: whole, step: "any", size: 8});
    box.addEventListener("change", () => { if (Number.isFinite(box.valueAsNumber)) change(box.valueAsNumber); });
    return html("label", {class: "control"}, html("span", {}, label), box);
  };
  return [button("\u2212", act("zoom", 1 / kZoom), {"aria-label": "zoom out", title: "zoom out"}), button("+", act("zoom", kZoom), {"aria-label": "zoom in", title: "zoom in"}),
          button("\u2190", act("move", -0.5), {"aria-label": "earlier", title: "earlier"}), button("\u2192", act("move", 0.5), {"aria-label": "later", title: "later"}),
          button("all", act("set", 0, whole), {title: "the whole run"}),
          bound("from, s", from, (value) => panel_timeline.acts?.set(value, Math.max(to, value))), bound("to, s", to, (value) => panel_timeline.acts?.set(Math.min(from, value), value)),
          select("worker", [[kAll, "all"], ...workers.map((worker) => [String(worker), String(worker)])], state.worker, (value) => { state.worker = value; panel_timeline.refresh(); })];
});
panels.push(panel_timeline);
