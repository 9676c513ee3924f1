// A list of examples: those of a matrix cell, or those with the teacher's highest entropy.

import { button, element } from "../../../widgets/shared/dom.js";
import { paintPixels } from "../../../widgets/shared/picture.js";
import { entropy, soften } from "../../../widgets/shared/softening.js";

const MAX_EXAMPLES = 20;

const rowAt = (values, index, width) => values.subarray(index * width, (index + 1) * width);

// The examples of a cell's true class, in descending order of the softened probability (or its difference) in the cell.
function examplesOfCell(set, cell, temperature) {
  const width = set.classes.length;
  const share = (role, index) => soften(rowAt(set.logits[role], index, width), temperature)[cell.predicted];
  const ranked = [];
  for (let index = 0; index < set.labels.length; index++) {
    if (set.labels[index] !== cell.true) continue;
    ranked.push([
      index,
      cell.network === "difference"
        ? Math.abs(share("student", index) - share("teacher", index))
        : share(cell.network, index),
    ]);
  }
  return ranked.sort((a, b) => b[1] - a[1]).map(([index]) => index);
}

function leastSure(set) {
  const width = set.classes.length;
  const bits = Float64Array.from(set.labels, (_, index) => entropy(rowAt(set.logits.teacher, index, width), 1));
  return [...bits.keys()].sort((a, b) => bits[b] - bits[a]);
}

export function makeExamplesList({ store, pictures }) {
  const heading = element("h3", {});
  const list = element("div", { class: "kd-pictures" });
  const clear = button("Back to those the teacher is least sure of", "", () => store.set({ cell: null }), {
    class: "kd-link",
  });
  const note = element("p", { class: "kd-note" });
  const root = element(
    "section",
    { class: "kd-card kd-examples-list" },
    element("div", { class: "kd-examples-head" }, heading, clear),
    list,
    note,
  );
  let timer = 0;

  function mark() {
    const { source, example } = store.state;
    for (const thumbnail of list.children)
      thumbnail.setAttribute("aria-pressed", source === "example" && Number(thumbnail.dataset.example) === example);
  }

  async function build() {
    const { set, cell, temperature } = store.state;
    const ranked = cell ? examplesOfCell(set, cell, temperature) : leastSure(set);
    const names = cell && [cell.true, cell.predicted].map((label) => set.classes[label]);
    const possessive = { teacher: "the teacher's", student: "the student's", difference: "the difference in" };
    heading.textContent = cell
      ? `True ${names[0]} → ${names[1]}: examples with most of ${possessive[cell.network]} share there first`
      : "Examples the teacher is least sure of (most entropy at T = 1)";
    clear.hidden = !cell;
    const chosen = ranked.slice(0, MAX_EXAMPLES);
    list.replaceChildren(
      ...chosen.map((example) => {
        const title = `Example ${example}, true class ${set.classes[set.labels[example]]}: show its soft targets`;
        const thumbnail = button(String(example), title, () => store.set({ source: "example", example }), {
          "data-example": String(example),
        });
        thumbnail.setAttribute("aria-label", title);
        return thumbnail;
      }),
    );
    note.textContent = set.pictures;
    mark();
    const images = await pictures(set, chosen);
    for (const thumbnail of list.children) {
      const pixels = images.get(Number(thumbnail.dataset.example));
      if (!pixels) continue;
      const canvas = element("canvas");
      paintPixels(canvas, pixels, set.shape);
      thumbnail.replaceChildren(canvas);
    }
  }

  store.watch(["set", "cell"], ({ set }) => set && build());
  // The order depends on T a little: it is updated once the slider rests.
  store.watch(["temperature"], ({ set, cell }) => {
    clearTimeout(timer);
    if (set && cell) timer = setTimeout(build, 300);
  });
  store.watch(["example", "source"], mark);
  return { element: root };
}
