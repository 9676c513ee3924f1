// Creates elements, and formats numbers and networks for all views.

const SVG = "http://www.w3.org/2000/svg";

function fillNode(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name in node && typeof value !== "string") node[name] = value;
    else if (name === "textContent") node.textContent = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

export function element(tag, attributes = {}, ...children) {
  return fillNode(document.createElement(tag), attributes, children);
}

export function svgElement(tag, attributes = {}, ...children) {
  return fillNode(document.createElementNS(SVG, tag), attributes, children);
}

// A label with its control; ids must be unique on the page only.
let controlCount = 0;
export function labelled(text, control, attributes = {}) {
  control.id ||= `kd-control-${(controlCount += 1)}-${Math.random().toString(36).slice(2, 8)}`;
  return element("span", { class: "kd-labelled", ...attributes }, element("label", { for: control.id }, text), control);
}

export function button(text, title, onClick, attributes = {}) {
  const node = element("button", { type: "button", title, ...attributes }, text);
  node.addEventListener("click", onClick);
  return node;
}

// A text that a browser's translator leaves alone: a number, or a name.
export function keepUntranslated(node) {
  node.setAttribute("translate", "no");
  node.classList.add("notranslate");
  return node;
}

// For texts and attributes that change with the slider: both functions skip unchanged values, and the text node is
// reused. (A new text node makes the browser lay out and paint its surroundings.) A translator may have put other nodes
// in its place, and they are replaced once the text changes.
const texts = new WeakMap(); // as last set
export function setText(target, text) {
  if (texts.get(target) === text) return;
  texts.set(target, text);
  const node = target.firstChild;
  if (node?.nodeType === Node.TEXT_NODE && node === target.lastChild) node.data = text;
  else target.textContent = text;
}

export function setAttr(target, name, value) {
  if (target.getAttribute(name) !== value) target.setAttribute(name, value);
}

// Label, colour and dash of each network, as in kdlab.figures.theme; the colours are in theme.css.
export const ROLES = {
  teacher: { label: "Teacher", colour: "var(--kd-teacher)", dash: "2 3" },
  baseline: { label: "Baseline", colour: "var(--kd-baseline)", dash: "7 4" },
  student: { label: "Student", colour: "var(--kd-student)", dash: "none" },
};

export function roleNames(logits) {
  return Object.keys(ROLES).filter((role) => logits[role]);
}

// Pixels of the widest text, in bold as in tables of classes.
const widthCache = new WeakMap(); // views request the same texts with every move of the slider
let ruler;
export function textWidth(texts, size = 12) {
  if (!widthCache.has(texts)) {
    ruler ??= document.createElement("canvas").getContext("2d");
    ruler.font = `700 100px Inter, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif`;
    widthCache.set(texts, Math.max(...texts.map((text) => ruler.measureText(text).width)) / 100);
  }
  return Math.ceil(size * widthCache.get(texts));
}

// Width of a column of class names, with the mark of the true class.
export const nameWidth = (short) => `${Math.max(40, textWidth(short) + 24)}px`;

export function formatTemperature(temperature) {
  return temperature.toFixed(temperature < 1 ? 3 : temperature < 10 ? 2 : 1);
}

export function formatShare(share) {
  if (Number.isNaN(share)) return "–";
  if (share === 0) return "<10⁻³⁰⁰"; // no softened prediction is 0
  if (share >= 0.9995 && share < 1) return ">99.9 %";
  if (share >= 0.995 && share < 0.9995) return `${(100 * share).toFixed(1)} %`;
  if (share >= 0.0995) return `${(100 * share).toFixed(0)} %`;
  if (share >= 0.00095) return `${(100 * share).toFixed(1)} %`;
  if (share >= 0.000095) return `${(100 * share).toFixed(2)} %`;
  return `${formatPower(100 * share)} %`;
}

// With four significant digits, for quoting.
export function formatExactly(share) {
  return `${Number((100 * share).toPrecision(4))} %`;
}

// Scientific notation: 3×10⁻⁷, and 10⁻⁷.
export function formatPower(value, decimals = 0) {
  const [digits, exponent] = value.toExponential(decimals).split("e");
  const superscript = [...exponent.replace("+", "")].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit] ?? "⁻").join("");
  return `${digits === "1" ? "" : `${digits}×`}10${superscript}`;
}

export function formatNumber(value) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size === 0) return "0";
  const sign = value < 0 ? "−" : "";
  return sign + (size >= 1000 || size < 0.01 ? formatPower(size, 1) : size.toPrecision(3));
}
