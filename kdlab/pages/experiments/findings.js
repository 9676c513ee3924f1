// Claims with their verdicts, and what was measured beside what others report.
import { element, view } from "../../widgets/shared/view.js";

// A symbol for each verdict, as colour alone tells nothing to some.
const MARKS = {
  holds: ["✓", "holds"],
  "does not hold": ["✗", "refuted"],
  "inside the noise": ["≈", "noise"],
  "no gain to keep": ["≈", "noise"],
};

function claim({ text, measured, verdict, interval }) {
  const [symbol, kind] = MARKS[verdict];
  const mark = element("span", { class: "kd-symbol", "aria-hidden": "true" }, symbol);
  const badge = element("span", { class: `kd-badge kd-${kind}`, title: interval }, mark, verdict);
  const words = element("span", {}, text, element("span", { class: "kd-note" }, ` ${measured}`));
  return element("li", {}, badge, words);
}

function cell(texts, kind = "kd-reference") {
  return texts.map(([value, label]) => element("span", { class: kind }, value, element("small", {}, ` ${label}`)));
}

function row({ label, measured, unit, seeds, references }) {
  const found = element("td", { title: seeds }, ...cell([[measured, unit]], "kd-measured"));
  if (seeds) found.append(element("small", { class: "kd-seeds" }, seeds));
  return element("tr", {}, element("th", { scope: "row" }, label), found, element("td", {}, ...cell(references)));
}

function table(rows) {
  const heads = ["", "measured here", "others report"].map((text) => element("th", { scope: "col" }, text));
  return element(
    "table",
    { class: "kd-compared" },
    element("thead", {}, element("tr", {}, ...heads)),
    element("tbody", {}, ...rows.map(row)),
  );
}

function build({ origin = "", empty = "", claims = [], rows = [], details = [], sources = [], notes = [] }) {
  if (empty) return [element("p", { class: "kd-empty" }, empty)];
  const made = [element("h2", {}, "What came out"), element("p", { class: "kd-note kd-origin" }, origin)];
  if (claims.length) made.push(element("ul", { class: "kd-claims" }, ...claims.map(claim)));
  if (rows.length) made.push(table(rows));
  if (details.length) {
    const all = element("summary", {}, `${details.length} numbers more`);
    made.push(element("details", {}, all, table(details)));
  }
  for (const [name, citation] of sources) made.push(element("p", { class: "kd-note" }, `${name}: ${citation}`));
  for (const note of notes) made.push(element("p", { class: "kd-note" }, note));
  return made;
}

export const render = view("kd-findings", build);
