// Making elements, and how numbers and networks are written and drawn in all views.

const SVG = "http://www.w3.org/2000/svg";

function fill(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name in made && typeof value !== "string") made[name] = value;
    else if (name === "textContent") made.textContent = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

export function element(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function drawing(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

// A label with its control; ids only have to be unique on the page.
let made = 0;
export function labelled(text, control, attributes = {}) {
  control.id ||= `kd-control-${(made += 1)}-${Math.random().toString(36).slice(2, 8)}`;
  return element("span", { class: "kd-labelled", ...attributes }, element("label", { for: control.id }, text), control);
}

export function button(text, title, act, attributes = {}) {
  const made = element("button", { type: "button", title, ...attributes }, text);
  made.addEventListener("click", act);
  return made;
}

// Texts and attributes that move with the slider: the text node is kept, and what stays as it is costs nothing. (A new text
// node is laid out and painted again with all that is around it.)
export function write(target, text) {
  const node = target.firstChild;
  if (!node) target.textContent = text;
  else if (node.data !== text) node.data = text;
}

export function put(target, name, value) {
  if (target.getAttribute(name) !== value) target.setAttribute(name, value);
}

// Colour, dash and name of each network, as in kdlab.figures.theme.
export const ROLES = {
  teacher: { label: "Teacher", colour: "#0072b2", dash: "2 3" },
  baseline: { label: "Baseline", colour: "#009e73", dash: "7 4" },
  student: { label: "Student", colour: "#d55e00", dash: "none" },
};

export function roleNames(logits) {
  return Object.keys(ROLES).filter((role) => logits[role]);
}

// A number as people type it, with a decimal point or comma; NaN when it is none.
export function parse(text) {
  return text.trim() === "" ? NaN : Number(text.trim().replace(",", "."));
}

// How many pixels the widest of some texts takes in tables of classes, in bold.
const widths = new WeakMap(); // views ask for the same ones with every move of the slider
let ruler;
export function textWidth(texts, size = 12) {
  if (!widths.has(texts)) {
    ruler ??= document.createElement("canvas").getContext("2d");
    ruler.font = `700 100px Inter, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif`;
    widths.set(texts, Math.max(...texts.map((text) => ruler.measureText(text).width)) / 100);
  }
  return Math.ceil(size * widths.get(texts));
}

// How wide a column of these class names is to be, with the mark of the true class.
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
  return `${power(100 * share)} %`;
}

// To be quoted.
export function formatExactly(share) {
  return `${Number((100 * share).toPrecision(4))} %`;
}

// Scientific notation: 3×10⁻⁷, and 10⁻⁷.
export function power(value, decimals = 0) {
  const [digits, exponent] = value.toExponential(decimals).split("e");
  const raised = [...exponent.replace("+", "")].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit] ?? "⁻").join("");
  return `${digits === "1" ? "" : `${digits}×`}10${raised}`;
}

export function formatNumber(value) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size === 0) return "0";
  const sign = value < 0 ? "−" : "";
  return sign + (size >= 1000 || size < 0.01 ? power(size, 1) : size.toPrecision(3));
}
