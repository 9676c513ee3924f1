// The same logits at several temperatures side by side.

import { element, formatShare, formatTemperature, write } from "../../../widgets/shared/dom.js";
import { LETTERS, firstOf, foremost, length } from "../../../widgets/shared/bars.js";
import { abbreviate } from "../../../widgets/shared/names.js";
import { soften } from "../../../widgets/shared/softening.js";

const STEPS = [0.5, 1, 2, 5, 10, 20, 100];
const MOST = 12;

export function makeLadder() {
  const columns = [...STEPS, null].map((temperature) => {
    const title = element(
      "th",
      { scope: "col", class: temperature ? "" : "kd-now-column" },
      temperature ? `T = ${temperature}` : "",
    );
    return { temperature, title };
  });
  const body = element("tbody");
  const table = element(
    "table",
    { class: "kd-ladder" },
    element("thead", {}, element("tr", {}, element("td"), ...columns.map(({ title }) => title))),
    body,
  );
  const title = element("h3");
  const root = element("section", { class: "kd-card" }, title, table);
  let [shown, rows, drawn] = [null, [], ""];

  return {
    element: root,
    draw(example, temperature, scale) {
      const logits = example.logits.teacher;
      if (example !== shown || scale !== drawn) {
        [shown, drawn] = [example, scale];
        title.textContent = `The teacher's logits at several temperatures${firstOf(example.classes, MOST)}`;
        const kept = foremost(logits, MOST);
        const short = abbreviate(example.classes, LETTERS);
        const softened = columns.map((column) => column.temperature && soften(logits, column.temperature));
        body.replaceChildren();
        rows = kept.map((at) => {
          const cells = columns.map((_, column) => {
            const [bar, value] = [element("div", { class: "kd-bar" }), element("span", {})];
            if (softened[column]) fill({ bar, value }, softened[column][at], scale);
            return { bar, value, cell: element("td", { class: softened[column] ? "" : "kd-now-column" }, bar, value) };
          });
          body.append(
            element(
              "tr",
              {},
              element("th", { scope: "row", title: example.classes[at] }, short[at]),
              ...cells.map(({ cell }) => cell),
            ),
          );
          return { at, last: cells.at(-1) };
        });
      }
      write(columns.at(-1).title, `now: ${formatTemperature(temperature)}`);
      const now = soften(logits, temperature);
      for (const { at, last } of rows) fill(last, now[at], scale);
    },
  };
}

function fill({ bar, value }, share, scale) {
  bar.style.transform = `scaleX(${length(share, scale)})`;
  write(value, formatShare(share));
}
