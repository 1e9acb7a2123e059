// The frame of a chart: axes, grid, and targets that the pointer and the arrow keys can reach. Plain SVG: of a library of
// charts there would be scales and ticks to use, which are few lines, and none draws bands, matrices and timelines as
// they are wanted here; it would be larger than all of this page.

// The width of a text at the size of labels.
const ruler = document.createElement("canvas").getContext("2d");
ruler.font = '12px system-ui, "DejaVu Sans", sans-serif';
const text_width = (text) => ruler.measureText(text).width;
// Room for labels on the left: for the widest of them, but no more than 40 % of the chart.
const label_room = (labels, width) => Math.min(Math.max(40, ...labels.map((label) => text_width(label) + 16)), width * 0.4);
function shortened(text, room) {
  if (text_width(text) <= room) return text;
  let count = text.length;
  while (count > 1 && text_width(text.slice(0, count) + "\u2026") > room) --count;
  return text.slice(0, count) + "\u2026";
}

class Chart {
  // `name`: what the picture shows, for who cannot see it.
  constructor(width, height, margin, name) {
    Object.assign(this, {width, height, margin, targets: [], at: -1});
    this.left = margin.left;
    this.right = width - margin.right;
    this.top = margin.top;
    this.bottom = height - margin.bottom;
    this.node = svg("svg", {class: "chart", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", tabindex: 0, "aria-label": name});
    this.grid = this.add("g", {class: "grid"});
    this.body = this.add("g", {class: "body"});
    this.cursor = this.add("rect", {class: "cursor", width: 0, height: 0});
    this.node.addEventListener("mousemove", (event) => this.point(event));
    this.node.addEventListener("mouseleave", () => this.leave());
    this.node.addEventListener("blur", () => this.leave());
    this.node.addEventListener("keydown", (event) => this.step(event));
  }
  add(tag, attributes, ...children) {
    const child = svg(tag, attributes, ...children);
    this.node.append(child);
    return child;
  }
  draw(tag, attributes, ...children) {
    const child = svg(tag, attributes, ...children);
    this.body.append(child);
    return child;
  }

  x_axis(scale, label, tell = (value) => told(value)) {
    const room = this.right - this.left;
    let count = Math.max(2, Math.floor(room / 80));
    let ticks = scale.ticks(count);
    while (count > 1 && ticks.length > 1 && ticks.some((tick, i) => i > 0 &&
           scale(tick) - scale(ticks[i - 1]) < (text_width(tell(tick)) + text_width(tell(ticks[i - 1]))) / 2 + 10)) ticks = scale.ticks(--count);
    for (const tick of ticks) {
      const x = scale(tick);
      this.grid.append(svg("line", {x1: x, x2: x, y1: this.top, y2: this.bottom}),
                       svg("text", {x: Math.min(x, this.width - text_width(tell(tick)) / 2 - 1), y: this.bottom + 16, "text-anchor": "middle"}, tell(tick)));
    }
    this.grid.append(svg("text", {class: "title", x: (this.left + this.right) / 2, y: this.bottom + 33, "text-anchor": "middle"}, label));
  }
  y_axis(scale, label, tell = (value) => told(value)) {
    for (const tick of scale.ticks(Math.max(2, Math.floor((this.bottom - this.top) / 48)))) {
      const y = scale(tick);
      this.grid.append(svg("line", {x1: this.left, x2: this.right, y1: y, y2: y}),
                       svg("text", {x: this.left - 6, y: y + 4, "text-anchor": "end"}, tell(tick)));
    }
    if (label) this.grid.append(svg("text", {class: "title", x: 2, y: 11}, label));
  }
  // A part of the picture that is cut off at the axes, but for half a mark.
  clipped() {
    const id = `clip-${++Chart.clips}`;
    this.body.append(svg("clipPath", {id}, svg("rect", {x: this.left - 4, y: this.top - 4, width: this.right - this.left + 8, height: this.bottom - this.top + 8})));
    const inner = svg("g", {});
    this.body.append(svg("g", {"clip-path": `url(#${id})`}, inner));
    return inner;
  }
  row_label(text, y, attributes = {}) {
    const label = svg("text", {class: "row", x: this.left - 7, y: y + 4, "text-anchor": "end", ...attributes}, shortened(text, this.left - 12));
    label.append(svg("title", {}, text));
    this.body.append(label);
    return label;
  }

  // A place that tells something: the box around it, and lines of text. In the order of the arrow keys.
  target(x, y, width, height, lines) {
    this.targets.push({x, y, width, height, lines});
  }
  // The target under a place, or the nearest within reach.
  nearest(x, y) {
    let best = -1, least = 24 * 24;
    this.targets.forEach((target, i) => {
      const dx = Math.max(target.x - x, 0, x - target.x - target.width);
      const dy = Math.max(target.y - y, 0, y - target.y - target.height);
      const distance = dx * dx + dy * dy;
      if (distance < least) [best, least] = [i, distance];
    });
    return best;
  }
  show(i, x, y) {
    this.at = i;
    const target = this.targets[i];
    for (const key of ["x", "y", "width", "height"]) this.cursor.setAttribute(key, target[key]);
    const box = this.node.getBoundingClientRect();
    show_tip(typeof target.lines === "function" ? target.lines() : target.lines, x ?? box.left + target.x + target.width, y ?? box.top + target.y + target.height);
  }
  leave() {
    hide_tip();
    this.cursor.setAttribute("width", 0);
    this.cursor.setAttribute("height", 0);
  }
  point(event) {
    const box = this.node.getBoundingClientRect();
    const i = this.nearest(event.clientX - box.left, event.clientY - box.top);
    if (i < 0) this.leave();
    else this.show(i, event.clientX, event.clientY);
  }
  step(event) {
    const forward = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
    if (event.key === "Escape") return this.leave();
    if (this.act?.[event.key] && !event.ctrlKey && !event.altKey && !event.metaKey) {
      event.preventDefault();
      return this.act[event.key]();
    }
    if (!forward || !this.targets.length || event.ctrlKey || event.altKey) return;
    event.preventDefault();
    this.show((this.at + forward + this.targets.length) % this.targets.length);
  }
}

Chart.clips = 0;

// A titled part of the page, drawn anew whenever what is shown changes or its width does. `draw(width)` answers with
// what stands in it: nodes, or text that says why there is no picture.
class Panel {
  constructor(id, title, caption, draw, controls = () => []) {
    Object.assign(this, {draw, controls});
    this.caption = html("p", {class: "caption"}, caption);
    this.bar = html("div", {class: "controls"});
    this.body = html("div", {class: "picture"});
    this.node = html("section", {class: "panel", id}, html("h2", {}, title), this.caption, this.bar, this.body);
    this.width = 0;
  }
  refresh(force = true) {
    const width = Math.floor(this.body.clientWidth);
    if (!width || (!force && width === this.width)) return;
    this.width = width;
    hide_tip();
    const focus = this.node.contains(document.activeElement) ? [...this.bar.querySelectorAll("select,input,button")].indexOf(document.activeElement) : -1;
    this.bar.replaceChildren(...this.controls().flat().filter(Boolean));
    const drawn = [this.draw(width)].flat().filter(Boolean);
    this.body.replaceChildren(...drawn.map((child) => (child instanceof Node ? child : html("p", {class: "nothing"}, child))));
    if (focus >= 0) this.bar.querySelectorAll("select,input,button")[focus]?.focus();
  }
}
