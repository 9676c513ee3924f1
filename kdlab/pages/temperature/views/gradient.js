// The soft gradient of the shown example by class: exact beside its high-temperature limit.

import { NAME_LETTERS, topClasses, topClassesNote } from "../../../widgets/shared/bars.js";
import { element, formatNumber, keepUntranslated, setText } from "../../../widgets/shared/dom.js";
import { abbreviate } from "../../../widgets/shared/names.js";
import {
  angle,
  hardGradient,
  matchingGradient,
  norm,
  relativeError,
  softGradient,
} from "../../../widgets/shared/softening.js";

const MAX_CLASSES = 16;
const LABELS = { exact: "(q − p)/T, exact", limit: "(z − v)/(N T²), the limit, with zero-mean logits" };

export function makeGradient() {
  const body = keepUntranslated(element("tbody"));
  const summary = element("p", { class: "kd-gradient-summary" });
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
        element("span", { class: "kd-swatch kd-exact" }),
        LABELS.exact,
        " ",
        element("span", { class: "kd-swatch kd-limit" }),
        LABELS.limit,
      ),
      element("th", { scope: "col" }, "exact"),
      element("th", { scope: "col" }, "limit"),
    ),
  );
  const title = element("caption");
  const table = element("table", { class: "kd-gradient" }, title, head, body);
  const root = element("section", { class: "kd-card" }, table, summary);
  let [shown, rows] = [null, []];

  function build() {
    const { classes, truth, logits } = shown;
    title.textContent = `Soft gradient in the student's logits, this example${topClassesNote(classes, MAX_CLASSES)}`;
    const short = abbreviate(classes, NAME_LETTERS);
    rows = topClasses(logits.teacher, MAX_CLASSES).map((index) => {
      const bars = {
        exact: element("div", { class: "kd-signed kd-exact" }),
        limit: element("div", { class: "kd-signed kd-limit" }),
      };
      const numbers = { exact: element("td", { class: "kd-value" }), limit: element("td", { class: "kd-value" }) };
      const name = element("th", { scope: "row", title: classes[index] }, short[index] + (index === truth ? " ●" : ""));
      return {
        index,
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
      if (
        example.classes !== shown?.classes ||
        example.truth !== shown?.truth ||
        example.classes.length > MAX_CLASSES
      ) {
        shown = example;
        build();
      }
      shown = example;
      const { teacher, student } = example.logits;
      const gradients = {
        exact: softGradient(student, teacher, temperature),
        limit: matchingGradient(student, teacher, temperature),
      };
      const largest = Math.max(...gradients.exact.map(Math.abs), ...gradients.limit.map(Math.abs)) || 1;
      for (const { index, bars, numbers } of rows)
        for (const kind of ["exact", "limit"]) {
          bars[kind].style.transform = `scaleX(${gradients[kind][index] / largest})`;
          setText(numbers[kind], formatNumber(gradients[kind][index]));
        }
      const soft = norm(gradients.exact);
      const hard =
        example.truth >= 0
          ? ` The hard gradient's is ${formatNumber(norm(hardGradient(student, example.truth)))}.`
          : "";
      setText(
        summary,
        `Between the two: ${formatNumber(angle(gradients.exact, gradients.limit))}°, relative error ` +
          `${formatNumber(relativeError(gradients.exact, gradients.limit))}. The soft gradient's size is ` +
          `${formatNumber(soft)}, with the factor T² ${formatNumber(soft * temperature ** 2)}.${hard}`,
      );
    },
  };
}
