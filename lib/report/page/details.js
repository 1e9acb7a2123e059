// One run in full: what came out, its configuration and by what it was made. And what a reader must be told first.

// A key may be broken behind its dots and underscores.
const breakable = (key) => key.split(/(?<=[._])/).map((part, i) => (i ? [html("wbr"), part] : part));
function pairs(object) {
  const rows = Object.entries(object).flatMap(([key, value]) =>
    value !== null && typeof value === "object" && !Array.isArray(value) ? Object.entries(value).map(([inner, of]) => [`${key}.${inner}`, of]) : [[key, value]]);
  return html("div", {class: "scroll pairs"}, html("table", {}, html("tbody", {}, rows.map(([key, value]) => html("tr", {}, html("th", {scope: "row"}, breakable(key)), html("td", {}, Array.isArray(value) && value.length ? value.map((element) => html("div", {}, plain(element))) : plain(value)))))));
}
function draw_details() {
  const run = run_at_hand();
  const part = (title, object) => html("div", {}, html("h3", {}, title), Object.keys(object).length ? pairs(object) : html("p", {class: "nothing"}, "This run has none."));
  return [run.notices.length ? html("ul", {class: "notices"}, run.notices.map(([kind, text]) => html("li", {}, html("strong", {}, kind), ": ", text))) : null,
          html("div", {class: "columns"}, part("What came out (summary.json)", run.summary), part("Configuration (config.yaml)", run.config), part("By what it was made (made.json)", run.made))];
}
panels.push(new Panel("details", "The chosen run", "", (width) => [html("p", {class: "path"}, run_at_hand().path), ...draw_details(width)]));

// What is not as it should be, or not in the page: by kind, runs named.
function notices() {
  const kinds = new Map();
  for (const run of page.runs) for (const [kind, text] of run.notices) {
    if (!kinds.has(kind)) kinds.set(kind, []);
    kinds.get(kind).push([run, text]);
  }
  const items = [
    ...(page.note ? [html("li", {}, html("strong", {}, "shown"), `: ${page.note}`)] : []),
    ...page.problems.map(({path, text}) => html("li", {}, html("strong", {}, "not read"), ` ${path}: ${text}`)),
    ...[...kinds].map(([kind, runs]) => html("li", {}, html("strong", {}, kind), `: ${counted(runs.length, "run")}, `, runs.slice(0, 6).map(([run], i) =>
      [i ? ", " : "", html("a", {href: "#details", title: run.path, onclick: (event) => { event.preventDefault(); choose_run(run.index); show_tab("run"); }}, run_name(run))]),
      runs.length > 6 ? ` and ${runs.length - 6} more` : "", `. ${runs[0][1]}`)),
  ];
  const thinned = page.thinned.length ? html("details", {}, html("summary", {}, "Some data are thinned to keep the page small"), html("ul", {}, page.thinned.map((text) => html("li", {}, text)))) : null;
  return items.length || thinned ? html("div", {class: "notices", role: "note"}, items.length ? html("ul", {}, items) : null, thinned) : null;
}
