// Selects the source of the shown logits: an example, custom logits, or a drawn digit.

import { button, element, labelled, setText } from "../../../widgets/shared/dom.js";
import { makeCustomLogits } from "./custom_logits.js";
import { makePad } from "./pad.js";
import { makeNumberField } from "../../../widgets/shared/number_field.js";
import { paintPixels } from "../../../widgets/shared/picture.js";

const SOURCES = { example: "Example", own: "My own logits", drawn: "Draw a digit" };

function makeExample({ store, pictures }) {
  const canvas = element("canvas", { class: "kd-example-picture", role: "img" });
  const number = makeNumberField({
    range: { whole: true, minimum: 0, maximum: 0 },
    requirement: "",
    onValue: (example) => store.set({ example }),
  });
  const caption = element("p", {});
  const goTo = (example) => {
    const last = store.state.set.labels.length - 1;
    const next = Math.min(last, Math.max(0, example));
    store.set({ example: next });
    number.show(next);
  };
  const controls = element(
    "div",
    { class: "kd-example-steps" },
    button("‹", "The example before", () => goTo(store.state.example - 1), { "aria-label": "The example before" }),
    number.input,
    button("›", "The next example", () => goTo(store.state.example + 1), { "aria-label": "The next example" }),
    button("Random", "An example drawn at random", () =>
      goTo(Math.floor(Math.random() * store.state.set.labels.length)),
    ),
  );
  number.input.setAttribute("aria-label", "Number of the example");
  const root = element("div", { class: "kd-example" }, canvas, element("div", {}, caption, controls, number.error));
  store.watch(["set", "example"], async ({ set, example }) => {
    if (!set) return;
    const maximum = set.labels.length - 1;
    const limits = `An example here has a whole number from 0 to ${maximum.toLocaleString("en")}`;
    number.setRange({ whole: true, minimum: 0, maximum }, limits);
    number.show(example);
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
