// The softened prediction of the same logits at several temperatures, side by side.

import { element, formatShare, formatTemperature, keepUntranslated, setText } from "../../../widgets/shared/dom.js";
import { NAME_LETTERS, barLength, topClasses, topClassesNote } from "../../../widgets/shared/bars.js";
import { abbreviate } from "../../../widgets/shared/names.js";
import { soften } from "../../../widgets/shared/softening.js";

const TEMPERATURES = [0.5, 1, 2, 5, 10, 20, 100];
const MAX_CLASSES = 12;

export function makeTemperatureStrip() {
  const columns = [...TEMPERATURES, null].map((temperature) => {
    const title = element(
      "th",
      { scope: "col", class: temperature ? "" : "kd-current-column" },
      temperature ? `T = ${temperature}` : "",
    );
    return { temperature, title };
  });
  const body = keepUntranslated(element("tbody"));
  const table = element(
    "table",
    { class: "kd-temperature-strip" },
    element("thead", {}, element("tr", {}, element("td"), ...columns.map(({ title }) => title))),
    body,
  );
  const title = element("h3");
  const root = element("section", { class: "kd-card" }, title, table);
  let [shown, rows, drawnScale] = [null, [], ""];

  return {
    element: root,
    draw(example, temperature, scale) {
      const logits = example.logits.teacher;
      if (example !== shown || scale !== drawnScale) {
        [shown, drawnScale] = [example, scale];
        title.textContent = `The teacher's logits at several temperatures${topClassesNote(example.classes, MAX_CLASSES)}`;
        const rowClasses = topClasses(logits, MAX_CLASSES);
        const short = abbreviate(example.classes, NAME_LETTERS);
        const softened = columns.map((column) => column.temperature && soften(logits, column.temperature));
        body.replaceChildren();
        rows = rowClasses.map((index) => {
          const cells = columns.map((_, column) => {
            const [bar, value] = [element("div", { class: "kd-bar" }), element("span", {})];
            if (softened[column]) fill({ bar, value }, softened[column][index], scale);
            return {
              bar,
              value,
              cell: element("td", { class: softened[column] ? "" : "kd-current-column" }, bar, value),
            };
          });
          body.append(
            element(
              "tr",
              {},
              element("th", { scope: "row", title: example.classes[index] }, short[index]),
              ...cells.map(({ cell }) => cell),
            ),
          );
          return { index, last: cells.at(-1) };
        });
      }
      setText(columns.at(-1).title, `now: ${formatTemperature(temperature)}`);
      const softenedNow = soften(logits, temperature);
      for (const { index, last } of rows) fill(last, softenedNow[index], scale);
    },
  };
}

function fill({ bar, value }, share, scale) {
  bar.style.transform = `scaleX(${barLength(share, scale)})`;
  setText(value, formatShare(share));
}
