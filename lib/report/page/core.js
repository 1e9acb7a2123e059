// Elements, numbers as text, scales and the box that tells what is under the pointer. Text only ever becomes a text
// node or an attribute, so nothing that a run says can turn into markup.

const kSvg = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined).map((child) =>
    child instanceof Node ? child : document.createTextNode(String(child))));
  return node;
}
const html = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) => fill(document.createElementNS(kSvg, tag), attributes, children);

// ---- numbers as text

const kMinus = "\u2212";
function told(value, digits = 4) {
  if (value === null || value === undefined || Number.isNaN(value)) return "\u2013";
  if (typeof value !== "number") return String(value);
  if (!Number.isFinite(value)) return value > 0 ? "\u221e" : kMinus + "\u221e";
  const size = Math.abs(value);
  let text;
  if (size !== 0 && (size < 1e-4 || size >= 1e9)) text = value.toExponential(Math.max(0, digits - 2));
  else if (Number.isInteger(value)) text = size >= 10000 ? value.toLocaleString("en") : String(value);
  else text = size >= 10 ** digits ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(digits)));
  return text.replace("-", kMinus);
}
function seconds(value, digits = 4) {
  if (value === null || value === undefined || Number.isNaN(value)) return "\u2013";
  const size = Math.abs(value);
  if (size === 0 || size >= 1) return told(value, digits) + " s";
  if (size >= 1e-3) return told(value * 1e3, digits) + " ms";
  return told(value * 1e6, digits) + " \u00b5s";
}
const percent = (share) => (share === null || share === undefined || Number.isNaN(share) ? "\u2013" : told(share * 100, 3) + " %");
const counted = (count, what, plural = what + "s") => told(count) + " " + (count === 1 ? what : plural);
function plain(value) {
  if (value === null || value === undefined) return "\u2013";
  if (typeof value === "number") return told(value, 6);
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

// ---- scales

// Maps [low, high] to [from, to]; ticks at round numbers.
function linear(low, high, from, to) {
  if (!(high > low)) [low, high] = low ? [low - Math.abs(low) / 2, low + Math.abs(low) / 2] : [0, 1];
  const scale = (value) => from + (value - low) / (high - low) * (to - from);
  scale.invert = (place) => low + (place - from) / (to - from) * (high - low);
  scale.domain = [low, high];
  scale.range = [from, to];
  scale.ticks = (count) => {
    const rough = (high - low) / Math.max(1, count);
    const decade = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((factor) => factor * decade).find((candidate) => candidate >= rough * 0.999);
    const ticks = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; ++i) ticks.push(Number((i * step).toPrecision(12)));
    return ticks;
  };
  return scale;
}

const extent = (values) => values.reduce(([low, high], value) =>
  Number.isFinite(value) ? [Math.min(low, value), Math.max(high, value)] : [low, high], [Infinity, -Infinity]);
const mean = (values) => (values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : NaN);
// The index of the first element that is not below `value`.
function first_at_least(sorted, value) {
  let low = 0, high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

// ---- what is under the pointer

const tip = html("div", {id: "tip", role: "status", "aria-live": "polite"});
function show_tip(lines, x, y) {
  tip.replaceChildren(...lines.map((line, i) => html(i ? "div" : "strong", {}, line)));
  tip.classList.add("shown");
  const box = tip.getBoundingClientRect();
  const left = x + 14 + box.width > window.innerWidth ? x - 14 - box.width : x + 14;
  const top = y + 14 + box.height > window.innerHeight ? y - 14 - box.height : y + 14;
  tip.style.left = Math.max(4, left) + "px";
  tip.style.top = Math.max(4, top) + "px";
}
const hide_tip = () => tip.classList.remove("shown");

// ---- controls

// `choices`: [value, text] each.
function select(label, choices, value, change) {
  const box = html("select", {}, choices.map(([choice, text]) => html("option", {value: choice, selected: choice === value}, text)));
  box.value = value;
  box.addEventListener("change", () => change(box.value));
  return html("label", {class: "control"}, html("span", {}, label), box);
}
const button = (text, press, attributes = {}) => html("button", {type: "button", onclick: press, ...attributes}, text);
