// Examples to choose from: those behind a cell, or those the teacher is least sure of.

import { button, element } from "../../../widgets/shared/dom.js";
import { paint } from "../../../widgets/shared/picture.js";
import { entropy, soften } from "../../../widgets/shared/softening.js";

const SHOWN = 20;

const row = (values, at, width) => values.subarray(at * width, (at + 1) * width);

// The examples of a cell's true class, those first whose softened prediction puts most (or differs most) there.
function behind(set, cell, temperature) {
  const width = set.classes.length;
  const share = (role, at) => soften(row(set.logits[role], at, width), temperature)[cell.predicted];
  const found = [];
  for (let at = 0; at < set.labels.length; at++) {
    if (set.labels[at] !== cell.true) continue;
    found.push([
      at,
      cell.network === "difference" ? Math.abs(share("student", at) - share("teacher", at)) : share(cell.network, at),
    ]);
  }
  return found.sort((a, b) => b[1] - a[1]).map(([at]) => at);
}

function leastSure(set) {
  const width = set.classes.length;
  const bits = Float64Array.from(set.labels, (_, at) => entropy(row(set.logits.teacher, at, width), 1));
  return [...bits.keys()].sort((a, b) => bits[b] - bits[a]);
}

export function makeBehind({ store, pictures }) {
  const heading = element("h3", {});
  const list = element("div", { class: "kd-pictures" });
  const clear = button("Back to those the teacher is least sure of", "", () => store.set({ cell: null }), {
    class: "kd-link",
  });
  const note = element("p", { class: "kd-note" });
  const root = element(
    "section",
    { class: "kd-card kd-behind" },
    element("div", { class: "kd-behind-top" }, heading, clear),
    list,
    note,
  );
  let timer = 0;

  function mark() {
    const { source, example } = store.state;
    for (const item of list.children)
      item.setAttribute("aria-pressed", source === "example" && Number(item.dataset.example) === example);
  }

  async function build() {
    const { set, cell, temperature } = store.state;
    const found = cell ? behind(set, cell, temperature) : leastSure(set);
    const names = cell && [cell.true, cell.predicted].map((at) => set.classes[at]);
    const whose = { teacher: "the teacher's", student: "the student's", difference: "the difference in" };
    heading.textContent = cell
      ? `True ${names[0]} → ${names[1]}: examples with most of ${whose[cell.network]} share there first`
      : "Examples the teacher is least sure of (most entropy at T = 1)";
    clear.hidden = !cell;
    const chosen = found.slice(0, SHOWN);
    list.replaceChildren(
      ...chosen.map((example) => {
        const title = `Example ${example}, true class ${set.classes[set.labels[example]]}: show its soft targets`;
        const item = button(String(example), title, () => store.set({ source: "example", example }), {
          "data-example": String(example),
        });
        item.setAttribute("aria-label", title);
        return item;
      }),
    );
    note.textContent = set.pictures;
    mark();
    const images = await pictures(set, chosen);
    for (const item of list.children) {
      const pixels = images.get(Number(item.dataset.example));
      if (!pixels) continue;
      const canvas = element("canvas");
      paint(canvas, pixels, set.shape);
      item.replaceChildren(canvas);
    }
  }

  store.watch(["set", "cell"], ({ set }) => set && build());
  // The order depends on T a little; it is made anew when the slider rests.
  store.watch(["temperature"], ({ set, cell }) => {
    clearTimeout(timer);
    if (set && cell) timer = setTimeout(build, 300);
  });
  store.watch(["example", "source"], mark);
  return { element: root };
}
