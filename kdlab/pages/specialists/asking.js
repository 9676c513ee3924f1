// A gallery of pictures, and the predictions of generalist, specialists and all together for the chosen one.

import { makeAnswer } from "./answer.js";
import { element, keepUntranslated, setAttr, setText } from "../../widgets/shared/dom.js";
import { paintPixels } from "../../widgets/shared/picture.js";

// The outcome of a picture, with a symbol: colour alone is not accessible.
const OUTCOMES = {
  all: { label: "All", sign: "", title: "" },
  mended: { label: "Mended", sign: "↑", title: "the generalist is wrong, all together are right" },
  spoilt: { label: "Spoilt", sign: "↓", title: "the generalist is right, all together are wrong" },
  wrong: { label: "Both wrong", sign: "✗", title: "the generalist and all together are wrong" },
};
let groups = 0;

export function render({ model, el }) {
  el.classList.add("kd-picture-picker");
  const groupName = `kd-outcome-${(groups += 1)}-${Math.random().toString(36).slice(2, 8)}`;
  const filters = Object.entries(OUTCOMES).map(([key, { label, sign, title }]) => {
    const input = element("input", { type: "radio", name: groupName, value: key });
    input.addEventListener("change", () => applyFilter(key));
    const count = keepUntranslated(element("small", {}));
    const text = element("span", {}, sign && element("b", { "aria-hidden": "true" }, `${sign} `), `${label} `, count);
    return { key, input, count, label: element("label", { title }, input, text) };
  });
  const bar = element(
    "div",
    { role: "radiogroup", "aria-label": "Which pictures" },
    ...filters.map((option) => option.label),
  );
  const segments = element("div", { class: "kd-segments" }, bar);
  const pictures = element("div", { class: "kd-pictures" });
  const note = element("p", { class: "kd-note" });
  const emptyNote = element("p", { class: "kd-note" });
  const answerView = makeAnswer();
  el.append(element("h2", {}, "Ask them"), note, segments, pictures, emptyNote, answerView.element);

  // Otherwise JupyterLab handles the arrow keys and Enter in its notebook.
  el.addEventListener("focusin", ({ target }) => (target.dataset.lmSuppressShortcuts = "true"));
  el.addEventListener("keydown", (event) => event.stopPropagation());

  let filter = "all";
  let buttons = [];

  function build() {
    const { shape = [1, 1, 1], truths = [], examples = [] } = model.get("gallery");
    const view = model.get("pixels");
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    const area = shape[0] * shape[1] * shape[2];
    buttons = truths.map((truth, index) => {
      const canvas = element("canvas", {});
      paintPixels(canvas, bytes.subarray(index * area, (index + 1) * area), shape);
      const sign = element("span", { class: "kd-outcome-sign", "aria-hidden": "true" });
      const button = element("button", { type: "button", "data-picture": String(index) }, canvas, sign);
      button.addEventListener("click", () => choose(index));
      return { button, canvas, sign, truth, example: examples[index] };
    });
    pictures.replaceChildren(...buttons.map(({ button }) => button));
    setText(
      note,
      `Pick one of these ${model.get("split")} images, and see who was asked and what each said. n and the direction of the divergence change it at once.`,
    );
    filter = "all";
    markOutcomes();
    show();
  }

  function choose(index) {
    model.set("chosen", index);
    model.save_changes();
  }

  function applyFilter(key) {
    filter = key;
    markOutcomes();
    const outcomes = model.get("outcomes");
    const fits = (index) => key === "all" || outcomes[index] === key;
    const first = buttons.findIndex((_, index) => fits(index));
    if (first >= 0 && !fits(model.get("chosen"))) choose(first);
  }

  function markOutcomes() {
    const outcomes = model.get("outcomes");
    for (const { key, input, count } of filters) {
      const matching = key === "all" ? outcomes.length : outcomes.filter((outcome) => outcome === key).length;
      setText(count, String(matching));
      input.checked = key === filter;
    }
    let shown = 0;
    buttons.forEach(({ button, sign, truth, example }, index) => {
      const { sign: symbol = "", title = "both are right" } = OUTCOMES[outcomes[index]] ?? {};
      button.hidden = filter !== "all" && outcomes[index] !== filter;
      shown += !button.hidden;
      setText(sign, symbol);
      sign.hidden = !symbol;
      setAttr(button, "data-outcome", outcomes[index] ?? "");
      setAttr(button, "title", `Image ${example}, ${truth}: ${title}`);
      setAttr(button, "aria-label", `Image ${example}, ${truth}: ${title}`);
    });
    emptyNote.hidden = shown > 0 || !buttons.length;
    setText(
      emptyNote,
      `None of these pictures is here ${OUTCOMES[filter].label.toLowerCase()}: ${OUTCOMES[filter].title}.`,
    );
    markChosen();
  }

  function markChosen() {
    const chosen = model.get("chosen");
    buttons.forEach(({ button }, index) => setAttr(button, "aria-pressed", String(index === chosen)));
  }

  function show() {
    const answer = model.get("answer");
    const picture = buttons[model.get("chosen")];
    answerView.element.hidden = !answer.classes || !picture;
    if (!answerView.element.hidden) answerView.draw(answer, picture);
  }

  const handlers = {
    "change:gallery": build, // `pixels` is set earlier, in the same message
    "change:outcomes": markOutcomes,
    "change:chosen": markChosen,
    "change:answer": show,
  };
  for (const [name, handler] of Object.entries(handlers)) model.on(name, handler);
  build();
  return () => {
    for (const [name, handler] of Object.entries(handlers)) model.off(name, handler);
  };
}
