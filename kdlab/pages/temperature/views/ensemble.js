// Several teachers and their mean, from the geometric to the arithmetic one.

import { element, formatShare, labelled, write } from "../../../widgets/shared/dom.js";
import { LETTERS, firstOf, foremost, length } from "../../../widgets/shared/bars.js";
import { abbreviate } from "../../../widgets/shared/names.js";
import { entropy, logSoften, powerMean, soften } from "../../../widgets/shared/softening.js";
import { meanMistakes } from "../compute/set_stats.js";

const MOST = 12;

export function makeEnsemble(store) {
  const input = element("input", { type: "range", min: "0", max: "1", step: "0.01" });
  const output = element("output", {});
  const body = element("tbody");
  const head = element("thead");
  const table = element("table", { class: "kd-ensemble" }, head, body);
  const words = element("p", { class: "kd-note" });
  const score = element("p", {});
  const ends = element(
    "p",
    { class: "kd-ends" },
    element("span", {}, "0 geometric"),
    element("span", {}, "arithmetic 1"),
  );
  const title = element("h3", {}, "An ensemble of teachers, this example");
  const root = element(
    "section",
    { class: "kd-card" },
    title,
    element("div", { class: "kd-mean" }, labelled("Exponent of the power mean", input), output, ends),
    table,
    words,
    score,
  );
  input.addEventListener("input", () => store.set({ exponent: Number(input.value) }));
  let [shown, rows, timer] = [null, [], 0];

  // Of the whole set, once the sliders rest: it takes longer than a frame.
  function count() {
    clearTimeout(timer);
    score.textContent = "";
    const { set, temperature, exponent } = store.state;
    if (!set?.teachers?.length) return;
    timer = setTimeout(() => {
      const teachers = [set.logits.teacher, ...set.teachers];
      const mistakes = (some) =>
        meanMistakes(some, set.labels, set.classes.length, temperature, exponent).toLocaleString("en");
      const alone = teachers.map((one) => mistakes([one])).join(", ");
      score.textContent = `Of ${set.labels.length.toLocaleString("en")} examples the teachers have ${alone} wrong, this mean of them ${mistakes(teachers)}.`;
    }, 250);
  }
  store.watch(["set", "teachers", "temperature", "exponent"], count);

  function build(teachers) {
    const { classes, truth } = shown;
    title.textContent = `An ensemble of teachers, this example${firstOf(classes, MOST)}`;
    const kept = foremost(teachers[0], MOST);
    const short = abbreviate(classes, LETTERS);
    const titles = [...teachers.map((_, at) => `Teacher ${at + 1}`), "Mean"];
    head.replaceChildren(
      element("tr", {}, element("td"), ...titles.map((title) => element("th", { scope: "col" }, title))),
    );
    rows = kept.map((at) => {
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
          element("th", { scope: "row", title: classes[at] }, short[at] + (at === truth ? " ●" : "")),
          ...cells.map(({ cell }) => cell),
        ),
      );
      return { at, cells };
    });
  }

  return {
    element: root,
    draw(example, temperature, exponent, scale) {
      input.value = exponent;
      write(output, exponent.toFixed(2));
      input.setAttribute("aria-valuetext", `${exponent.toFixed(2)}, from 0, geometric, to 1, arithmetic`);
      const teachers = example.teachers;
      table.hidden = teachers.length < 2;
      if (table.hidden) {
        words.textContent =
          "There is one teacher here; choose an example of a data set that has several, or draw a digit.";
        return;
      }
      if (
        example.classes !== shown?.classes ||
        example.truth !== shown?.truth ||
        example.classes.length > MOST ||
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
      for (const { at, cells } of rows)
        cells.forEach(({ bar, value }, column) => {
          bar.style.transform = `scaleX(${length(columns[column][at], scale)})`;
          write(value, formatShare(columns[column][at]));
        });
      const bits = mean.reduce((sum, p) => sum - (p > 0 ? p * Math.log2(p) : 0), 0);
      const single = teachers.reduce((sum, logits) => sum + entropy(logits, temperature), 0) / teachers.length;
      words.textContent =
        `The mean has ${bits.toFixed(2)} bits, its teachers ${single.toFixed(2)} on average. The arithmetic mean keeps what any one ` +
        `teacher thinks possible; the geometric one only what none of them rules out. The geometric mean is the softmax of the mean ` +
        `logits, so the class that it prefers is the same at every T; with the other means it can change.`;
    },
  };
}
