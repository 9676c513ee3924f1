// Selects the source of the shown logits: an example, custom logits, or a drawn digit.

import { button, element, labelled } from "../../../widgets/shared/dom.js";
import { makeCustomLogits } from "./custom_logits.js";
import { makePad } from "./pad.js";
import { paintPixels } from "../../../widgets/shared/picture.js";

const SOURCES = { example: "Example", own: "My own logits", drawn: "Draw a digit" };

function makeExample({ store, pictures }) {
  const canvas = element("canvas", { class: "kd-example-picture", role: "img" });
  const field = element("input", { type: "number", min: "0", step: "1" });
  const caption = element("p", {});
  const goTo = (example) => {
    const last = store.state.set.labels.length - 1;
    store.set({ example: Math.min(last, Math.max(0, example)) });
  };
  field.addEventListener("change", () => {
    goTo(Math.round(Number(field.value)) || 0);
    field.value = store.state.example;
  });
  const controls = element(
    "div",
    { class: "kd-example-steps" },
    button("‹", "The example before", () => goTo(store.state.example - 1), { "aria-label": "The example before" }),
    field,
    button("›", "The next example", () => goTo(store.state.example + 1), { "aria-label": "The next example" }),
    button("Random", "An example drawn at random", () =>
      goTo(Math.floor(Math.random() * store.state.set.labels.length)),
    ),
  );
  field.setAttribute("aria-label", "Number of the example");
  const root = element("div", { class: "kd-example" }, canvas, element("div", {}, caption, controls));
  store.watch(["set", "example"], async ({ set, example }) => {
    if (!set) return;
    if (document.activeElement !== field) field.value = example;
    field.max = set.labels.length - 1;
    const name = set.classes[set.labels[example]];
    caption.textContent = `Example ${example.toLocaleString("en")} of ${set.labels.length.toLocaleString("en")}, true class ${name}.`;
    if (example === set.telling && set.logits.baseline)
      caption.append(
        " Chosen because teacher and student get it right and the baseline wrong, and the teacher is least sure of it.",
      );
    const pixels = (await pictures(set, [example])).get(example);
    if (store.state.example !== example || store.state.set !== set) return; // another example was chosen meanwhile
    canvas.hidden = !pixels;
    canvas.setAttribute("aria-label", `Picture of example ${example}`);
    if (pixels) paintPixels(canvas, pixels, set.shape);
  });
  return root;
}

export function makeSource({ store, pictures, draw }) {
  const pad = makePad({ onDrawn: draw, label: "Pad to draw a digit" });
  const reader = "It is read by kdlab's own MNIST networks, whatever the data.";
  pad.element.append(element("p", { class: "kd-pad-note" }, reader));
  const panels = {
    example: makeExample({ store, pictures }),
    own: makeCustomLogits(store).element,
    drawn: pad.element,
  };
  const group = element("div", { class: "kd-tabs", role: "radiogroup", "aria-label": "What to look at" });
  const groupName = `kd-source-${Math.random().toString(36).slice(2)}`;
  const choices = Object.fromEntries(
    Object.entries(SOURCES).map(([source, label]) => {
      const input = element("input", { type: "radio", name: groupName, value: source });
      input.addEventListener("change", () => store.set({ source }));
      group.append(labelled(label, input));
      return [source, input];
    }),
  );
  const root = element(
    "section",
    { class: "kd-card kd-source", "aria-label": "What to look at" },
    group,
    ...Object.values(panels),
  );
  store.watch(["source"], ({ source }) => {
    choices[source].checked = true;
    for (const [key, panel] of Object.entries(panels)) panel.hidden = key !== source;
  });
  return { element: root, close: () => pad.close() };
}
