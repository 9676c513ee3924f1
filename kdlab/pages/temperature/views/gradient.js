// The soft gradient of the shown example, class by class: exact beside its high-temperature limit.

import { LETTERS, firstOf, foremost } from "../../../widgets/shared/bars.js";
import { element, formatNumber, write } from "../../../widgets/shared/dom.js";
import { abbreviate } from "../../../widgets/shared/names.js";
import { angle, hardGradient, matchingGradient, relativeError, size, softGradient } from "../../../widgets/shared/softening.js";

const MOST = 16;
const SIGNS = { exact: "(q − p)/T, exact", limit: "(z − v)/(N T²), the limit, with zero-mean logits" };

export function makeGradient() {
  const body = element("tbody");
  const words = element("p", { class: "kd-gradient-words" });
  const head = element(
    "thead",
    {},
    element(
      "tr",
      {},
      element("td"),
      element(
        "td",
        {},
        element("span", { class: "kd-key kd-exact" }),
        SIGNS.exact,
        " ",
        element("span", { class: "kd-key kd-limit" }),
        SIGNS.limit,
      ),
      element("th", { scope: "col" }, "exact"),
      element("th", { scope: "col" }, "limit"),
    ),
  );
  const title = element("caption");
  const table = element("table", { class: "kd-gradient" }, title, head, body);
  const root = element("section", { class: "kd-card" }, table, words);
  let [shown, rows] = [null, []];

  function build() {
    const { classes, truth, logits } = shown;
    title.textContent = `Soft gradient in the student's logits, this example${firstOf(classes, MOST)}`;
    const short = abbreviate(classes, LETTERS);
    rows = foremost(logits.teacher, MOST).map((at) => {
      const bars = {
        exact: element("div", { class: "kd-signed kd-exact" }),
        limit: element("div", { class: "kd-signed kd-limit" }),
      };
      const numbers = { exact: element("td", { class: "kd-value" }), limit: element("td", { class: "kd-value" }) };
      const name = element(
        "th",
        { scope: "row", title: classes[at] },
        short[at] + (at === truth ? " ●" : ""),
      );
      return {
        at,
        bars,
        numbers,
        row: element(
          "tr",
          {},
          name,
          element("td", { class: "kd-track kd-zero" }, bars.exact, bars.limit),
          numbers.exact,
          numbers.limit,
        ),
      };
    });
    body.replaceChildren(...rows.map(({ row }) => row));
  }

  return {
    element: root,
    draw(example, temperature) {
      if (example.classes !== shown?.classes || example.truth !== shown?.truth || example.classes.length > MOST) {
        shown = example;
        build();
      }
      shown = example;
      const { teacher, student } = example.logits;
      const gradients = {
        exact: softGradient(student, teacher, temperature),
        limit: matchingGradient(student, teacher, temperature),
      };
      const most = Math.max(...gradients.exact.map(Math.abs), ...gradients.limit.map(Math.abs)) || 1;
      for (const { at, bars, numbers } of rows)
        for (const way of ["exact", "limit"]) {
          bars[way].style.transform = `scaleX(${gradients[way][at] / most})`;
          write(numbers[way], formatNumber(gradients[way][at]));
        }
      const soft = size(gradients.exact);
      const hard =
        example.truth >= 0
          ? ` The hard gradient's is ${formatNumber(size(hardGradient(student, example.truth)))}.`
          : "";
      write(
        words,

        `Between the two: ${formatNumber(angle(gradients.exact, gradients.limit))}°, relative error ` +
          `${formatNumber(relativeError(gradients.exact, gradients.limit))}. The soft gradient's size is ` +
          `${formatNumber(soft)}, with the factor T² ${formatNumber(soft * temperature ** 2)}.${hard}`,
      );
    },
  };
}
