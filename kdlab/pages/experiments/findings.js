// Claims with their verdicts, and the measured numbers beside reported ones.
import { keepUntranslated } from "../../widgets/shared/dom.js";
import { contentView, element } from "../../widgets/shared/view.js";

// A symbol for each verdict: colour alone is not accessible.
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
  const statement = element("span", {}, text, element("span", { class: "kd-note" }, ` ${measured}`));
  return element("li", {}, badge, statement);
}

function cell(texts, kind = "kd-reference") {
  return texts.map(([value, label]) =>
    element("span", { class: kind }, keepUntranslated(element("span", {}, value)), element("small", {}, ` ${label}`)),
  );
}

function row({ label, measured, unit, seeds, references }) {
  const measuredCell = element("td", { title: seeds }, ...cell([[measured, unit]], "kd-measured"));
  if (seeds) measuredCell.append(element("small", { class: "kd-seeds" }, seeds));
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, label),
    measuredCell,
    element("td", {}, ...cell(references)),
  );
}

function table(rows) {
  const headings = ["measured here", "others report"].map((text) => element("th", { scope: "col" }, text));
  return element(
    "table",
    { class: "kd-compared" },
    element("thead", {}, element("tr", {}, element("td"), ...headings)),
    element("tbody", {}, ...rows.map(row)),
  );
}

function build({ origin = "", empty = "", claims = [], rows = [], details = [], sources = [], notes = [] }) {
  if (empty) return [element("p", { class: "kd-empty" }, empty)];
  const nodes = [element("h2", {}, "What came out"), element("p", { class: "kd-note kd-origin" }, origin)];
  if (claims.length) nodes.push(element("ul", { class: "kd-claims" }, ...claims.map(claim)));
  if (rows.length) nodes.push(table(rows));
  if (details.length) {
    const summary = element("summary", {}, `${details.length} numbers more`);
    nodes.push(element("details", {}, summary, table(details)));
  }
  for (const [name, citation] of sources) nodes.push(element("p", { class: "kd-note" }, `${name}: ${citation}`));
  for (const note of notes) nodes.push(element("p", { class: "kd-note" }, note));
  return nodes;
}

export const render = contentView("kd-findings", build);
