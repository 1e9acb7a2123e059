// The page as a whole: title, what is chosen for all pictures, and tabs. Of what no run was made for there is no part.

const kTabs = [
  ["overview", "Overview", [page.runs.some(evaluated) && "accuracy", with_target(page.runs).length && "target", "groups"].filter(Boolean)],
  ["sweep-tab", "Sweep", ["sweep"]],
  ["time-tab", "Time", ["time", "workers", "holds"]],
  ["staleness-tab", "Staleness", ["staleness", "gap"]],
  ["timeline-tab", "Timeline", ["timeline"]],
  ["runs-tab", "Runs", ["runs"]],
  ["run", "Run", ["details"]],
].filter(([id]) => id !== "sweep-tab" || page.groups.length > 1);
const panel_of = (id) => panels.find((panel) => panel.node.id === id);

function show_tab(id) {
  for (const [other] of kTabs) {
    const chosen = other === id;
    document.getElementById(`tab-${other}`).setAttribute("aria-selected", String(chosen));
    document.getElementById(`tab-${other}`).tabIndex = chosen ? 0 : -1;
    document.getElementById(`of-${other}`).classList.toggle("shown", chosen);
  }
  document.body.dataset.tab = id;
  refresh();
}

function heading() {
  const clocks = [...new Set(page.runs.map((run) => run.summary.clock).filter(Boolean))];
  const seeds = [...new Set(page.groups.map((group) => group.runs.length))].sort((a, b) => a - b);
  const facts = [counted(page.runs.length, "run"), counted(page.groups.length, "configuration"),
                 seeds.length ? `${seeds.length > 1 ? `${seeds[0]} to ${seeds[seeds.length - 1]}` : seeds[0]} ${seeds.length === 1 && seeds[0] === 1 ? "seed" : "seeds"} each` : "",
                 clocks.length ? `${clocks.join(" and ")} clock` : ""].filter(Boolean).join(" \u00b7 ");
  const dark = button("light / dark", () => {
    const now = document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
  }, {id: "theme"});
  return html("header", {}, html("div", {}, html("h1", {}, page.title), html("p", {class: "facts"}, facts)), dark);
}

// The legend, what is chosen of each axis, and the run that pictures of one run show.
function choices() {
  const legend = html("div", {class: "legend", role: "group", "aria-label": "strategies that are shown"}, labels.map((label) => {
    const toggle = button("", () => {
      if (state.hidden.has(label)) state.hidden.delete(label);
      else state.hidden.add(label);
      toggle.setAttribute("aria-pressed", String(!state.hidden.has(label)));
      refresh();
    }, {"aria-pressed": "true"});
    toggle.append(legend_mark(label), html("span", {}, label));
    return toggle;
  }));
  const axes = page.axes.map((axis) => fill(select(`${axis.key}${axis.also ? ` (and ${axis.also.length} more)` : ""}`, [[kAll, "all"], ...axis.values.map((value, i) => [String(i), plain(value)])], state.point[axis.key], (value) => {
    state.point[axis.key] = value;
    refresh();
  }), {title: axis.also && `With it goes ${axis.also.join(", ")}`}, []));
  const run = select("run", page.runs.map((run) => [String(run.index), run_name(run)]), String(state.run), (value) => choose_run(Number(value)));
  run.classList.add("for-run");
  document.addEventListener("chosen", () => { run.querySelector("select").value = String(state.run); });
  return html("div", {class: "choices"}, legend, html("div", {class: "controls"}, axes, run));
}

function build() {
  document.body.append(part_patterns(), tip, heading());
  if (!page.runs.length) {
    document.body.append(notices() ?? "", html("p", {class: "nothing"}, "There is no run that could be read."));
    return;
  }
  const tabs = html("div", {role: "tablist", "aria-label": "parts of the report"}, kTabs.map(([id, title]) =>
    button(title, () => show_tab(id), {role: "tab", id: `tab-${id}`, "aria-controls": `of-${id}`})));
  tabs.addEventListener("keydown", (event) => {
    const move = {ArrowRight: 1, ArrowLeft: -1}[event.key];
    if (!move) return;
    const at = kTabs.findIndex(([id]) => id === document.body.dataset.tab);
    const [next] = kTabs[(at + move + kTabs.length) % kTabs.length];
    show_tab(next);
    document.getElementById(`tab-${next}`).focus();
  });
  const told_first = notices();
  document.body.append(...[told_first, html("nav", {}, tabs, choices())].filter(Boolean),
    html("main", {}, kTabs.map(([id, title, parts]) => html("div", {class: "tab", id: `of-${id}`, role: "tabpanel", "aria-labelledby": `tab-${id}`}, parts.map((part) => panel_of(part).node)))),
    html("footer", {}, `Made by psctl ${page.version}. This page is whole: it loads nothing from anywhere.`));
  show_tab(kTabs[0][0]);
  new ResizeObserver(() => panels.forEach((panel) => panel.refresh(false))).observe(document.body);
  // On paper all parts are shown, below each other.
  window.addEventListener("beforeprint", () => { document.body.classList.add("printing"); refresh(); });
  window.addEventListener("afterprint", () => { document.body.classList.remove("printing"); refresh(); });
}
build();
