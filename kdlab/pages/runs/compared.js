// A comparison of runs: the settings in which they differ, and their results.

import { keepUntranslated } from "../../widgets/shared/dom.js";
import { contentView, element } from "../../widgets/shared/view.js";
import { formatDate } from "./when.js";

function section(title, rows, columns) {
  if (!rows.length) return [];
  return [
    element("tr", { class: "kd-section" }, element("th", { colspan: columns + 1, scope: "rowgroup" }, title)),
    ...rows.map(({ label, values }) =>
      element("tr", {}, element("th", { scope: "row" }, label), ...values.map((value) => keepUntranslated(element("td", {}, value)))),
    ),
  ];
}

function head({ label, created, state }, index) {
  const date = formatDate(created);
  return element(
    "th",
    { scope: "col" },
    element("span", { class: "kd-number" }, `${index + 1}`),
    keepUntranslated(element("span", {}, label)),
    element("small", {}, state ? `${state}, ${date}` : date),
  );
}

function table({ columns, differing, results }) {
  const body = element("tbody");
  body.append(
    ...section("What differs", differing, columns.length),
    ...section("What came out", results, columns.length),
  );
  return element("table", {}, element("thead", {}, element("tr", {}, element("td"), ...columns.map(head))), body);
}

export const render = contentView("kd-side-by-side", (content) =>
  content.columns
    ? [
        element("h2", {}, "Side by side"),
        element(
          "div",
          { class: "kd-scroll", tabindex: "0", role: "region", "aria-label": "Side by side" },
          table(content),
        ),
        element("p", { class: "kd-note" }, [content.same, content.note].join(" ").trim()),
      ]
    : [],
);
