// Several teachers and their power mean, from geometric to arithmetic.

import { element, formatShare, keepUntranslated, labelled, setText } from "../../../widgets/shared/dom.js";
import { NAME_LETTERS, barLength, topClasses, topClassesNote } from "../../../widgets/shared/bars.js";
import { abbreviate } from "../../../widgets/shared/names.js";
import { entropy, logSoften, powerMean, soften } from "../../../widgets/shared/softening.js";
import { ensembleMistakes } from "../compute/set_stats.js";

const MAX_CLASSES = 12;

export function makeEnsemble(store) {
  const input = element("input", { type: "range", min: "0", max: "1", step: "0.01" });
  const [output, body] = [element("output", {}), element("tbody")].map(keepUntranslated);
  const head = element("thead");
  const table = element("table", { class: "kd-ensemble" }, head, body);
  const note = element("p", { class: "kd-note" });
  const score = element("p", {});
  const ends = element(
    "p",
    { class: "kd-range-ends" },
    element("span", {}, "0 geometric"),
    element("span", {}, "arithmetic 1"),
  );
  const title = element("h3", {}, "An ensemble of teachers, this example");
  const root = element(
    "section",
    { class: "kd-card" },
    title,
    element("div", { class: "kd-mean-slider" }, labelled("Exponent of the power mean", input), output, ends),
    table,
    note,
    score,
  );
  input.addEventListener("input", () => store.set({ exponent: Number(input.value) }));
  let [shown, rows, timer] = [null, [], 0];

  // Counts over the whole set once the sliders rest: it takes longer than a frame.
  function countMistakes() {
    clearTimeout(timer);
    score.textContent = "";
    const { set, temperature, exponent } = store.state;
    if (!set?.teachers?.length) return;
    timer = setTimeout(() => {
      const teachers = [set.logits.teacher, ...set.teachers];
      const mistakes = (members) =>
        ensembleMistakes(members, set.labels, set.classes.length, temperature, exponent).toLocaleString("en");
      const singles = teachers.map((teacher) => mistakes([teacher])).join(", ");
      score.textContent = `Of ${set.labels.length.toLocaleString("en")} ${set.examples} the teachers have ${singles} wrong, this mean of them ${mistakes(teachers)}.`;
    }, 250);
  }
  store.watch(["set", "teachers", "temperature", "exponent"], countMistakes);

  function build(teachers) {
    const { classes, truth } = shown;
    title.textContent = `An ensemble of teachers, this example${topClassesNote(classes, MAX_CLASSES)}`;
    const rowClasses = topClasses(teachers[0], MAX_CLASSES);
    const short = abbreviate(classes, NAME_LETTERS);
    const titles = [...teachers.map((_, i) => `Teacher ${i + 1}`), "Mean"];
    head.replaceChildren(
      element("tr", {}, element("td"), ...titles.map((title) => element("th", { scope: "col" }, title))),
    );
    rows = rowClasses.map((index) => {
      const cells = titles.map((_, column) => {
        const [bar, value] = [element("div", { class: "kd-bar" }), element("span", {})];
        return {
          bar,
          value,
          cell: element("td", { class: column < teachers.length ? "" : "kd-mean-column" }, bar, value),
        };
      });
      body.append(
        element(
          "tr",
          {},
          element("th", { scope: "row", title: classes[index] }, short[index] + (index === truth ? " ●" : "")),
          ...cells.map(({ cell }) => cell),
        ),
      );
      return { index, cells };
    });
  }

  return {
    element: root,
    draw(example, temperature, exponent, scale) {
      input.value = exponent;
      setText(output, exponent.toFixed(2));
      input.setAttribute("aria-valuetext", `${exponent.toFixed(2)}, from 0, geometric, to 1, arithmetic`);
      const teachers = example.teachers;
      table.hidden = teachers.length < 2;
      if (table.hidden) {
        setText(note, "There is one teacher here; choose an example of a data set that has several, or draw a digit.");
        return;
      }
      if (
        example.classes !== shown?.classes ||
        example.truth !== shown?.truth ||
        example.classes.length > MAX_CLASSES ||
        rows[0]?.cells.length !== teachers.length + 1
      ) {
        shown = example;
        body.replaceChildren();
        build(teachers);
      }
      shown = example;
      const mean = powerMean(
        teachers.map((logits) => logSoften(logits, temperature)),
        exponent,
      );
      const columns = [...teachers.map((logits) => soften(logits, temperature)), mean];
      for (const { index, cells } of rows)
        cells.forEach(({ bar, value }, column) => {
          bar.style.transform = `scaleX(${barLength(columns[column][index], scale)})`;
          setText(value, formatShare(columns[column][index]));
        });
      const bits = mean.reduce((sum, p) => sum - (p > 0 ? p * Math.log2(p) : 0), 0);
      const single = teachers.reduce((sum, logits) => sum + entropy(logits, temperature), 0) / teachers.length;
      setText(
        note,
        `The mean has ${bits.toFixed(2)} bits, its teachers ${single.toFixed(2)} on average. The arithmetic mean keeps what any one ` +
        `teacher thinks possible; the geometric one only what none of them rules out. The geometric mean is the softmax of the mean ` +
        `logits, so the class that it prefers is the same at every T; with the other means it can change.`,
      );
    },
  };
}
