// Pictures to pick from, and what generalist, specialists and all together say of the one picked.

import { makeAnswer } from "./answer.js";
import { element, put, write } from "../../widgets/shared/dom.js";
import { paint } from "../../widgets/shared/picture.js";

// What became of a picture, with a sign for it, as colour alone tells nothing to some.
const OUTCOMES = {
  all: { label: "All", sign: "", title: "" },
  mended: { label: "Mended", sign: "↑", title: "the generalist is wrong, all together are right" },
  spoilt: { label: "Spoilt", sign: "↓", title: "the generalist is right, all together are wrong" },
  wrong: { label: "Both wrong", sign: "✗", title: "the generalist and all together are wrong" },
};
let groups = 0;

export function render({ model, el }) {
  el.classList.add("kd-asking");
  const group = `kd-outcome-${(groups += 1)}-${Math.random().toString(36).slice(2, 8)}`;
  const filters = Object.entries(OUTCOMES).map(([key, { label, sign, title }]) => {
    const input = element("input", { type: "radio", name: group, value: key });
    input.addEventListener("change", () => sift(key));
    const count = element("small", {});
    const text = element("span", {}, sign && element("b", { "aria-hidden": "true" }, `${sign} `), `${label} `, count);
    return { key, input, count, label: element("label", { title }, input, text) };
  });
  const bar = element(
    "div",
    { role: "radiogroup", "aria-label": "Which pictures" },
    ...filters.map((one) => one.label),
  );
  const segments = element("div", { class: "kd-segments" }, bar);
  const pictures = element("div", { class: "kd-pictures" });
  const note = element("p", { class: "kd-note" });
  const none = element("p", { class: "kd-note" });
  const answer = makeAnswer();
  el.append(
    element("h2", {}, "Ask them"),
    note,
    segments,
    pictures,
    none,
    answer.element,
  );

  // Or JupyterLab takes the arrow keys and Enter for its notebook.
  el.addEventListener("focusin", ({ target }) => (target.dataset.lmSuppressShortcuts = "true"));
  el.addEventListener("keydown", (event) => event.stopPropagation());

  let filter = "all";
  let buttons = [];

  function build() {
    const { shape = [1, 1, 1], truths = [], examples = [] } = model.get("gallery");
    const view = model.get("pixels");
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    const area = shape[0] * shape[1] * shape[2];
    buttons = truths.map((truth, at) => {
      const canvas = element("canvas", {});
      paint(canvas, bytes.subarray(at * area, (at + 1) * area), shape);
      const sign = element("span", { class: "kd-sign", "aria-hidden": "true" });
      const made = element("button", { type: "button", "data-picture": String(at) }, canvas, sign);
      made.addEventListener("click", () => choose(at));
      return { made, canvas, sign, truth, example: examples[at] };
    });
    pictures.replaceChildren(...buttons.map(({ made }) => made));
    write(
      note,
      `Pick one of these ${model.get("split")} images, and see who was asked and what each said. n and the direction of the divergence change it at once.`,
    );
    [filter] = ["all"];
    mark();
    show();
  }

  function choose(at) {
    model.set("chosen", at);
    model.save_changes();
  }

  function sift(key) {
    filter = key;
    mark();
    const outcomes = model.get("outcomes");
    const fits = (at) => key === "all" || outcomes[at] === key;
    const first = buttons.findIndex((_, at) => fits(at));
    if (first >= 0 && !fits(model.get("chosen"))) choose(first);
  }

  function mark() {
    const outcomes = model.get("outcomes");
    for (const { key, input, count } of filters) {
      const found = key === "all" ? outcomes.length : outcomes.filter((one) => one === key).length;
      write(count, String(found));
      input.checked = key === filter;
    }
    let shown = 0;
    buttons.forEach(({ made, sign, truth, example }, at) => {
      const { sign: symbol = "", title = "both are right" } = OUTCOMES[outcomes[at]] ?? {};
      made.hidden = filter !== "all" && outcomes[at] !== filter;
      shown += !made.hidden;
      write(sign, symbol);
      sign.hidden = !symbol;
      put(made, "data-outcome", outcomes[at] ?? "");
      put(made, "title", `Image ${example}, ${truth}: ${title}`);
      put(made, "aria-label", `Image ${example}, ${truth}: ${title}`);
    });
    none.hidden = shown > 0 || !buttons.length;
    write(none, `None of these pictures is here ${OUTCOMES[filter].label.toLowerCase()}: ${OUTCOMES[filter].title}.`);
    press();
  }

  function press() {
    const chosen = model.get("chosen");
    buttons.forEach(({ made }, at) => put(made, "aria-pressed", String(at === chosen)));
  }

  function show() {
    const said = model.get("answer");
    const own = buttons[model.get("chosen")];
    answer.element.hidden = !said.classes || !own;
    if (!answer.element.hidden) answer.draw(said, own);
  }

  const change = {
    "change:gallery": build, // the pixels come before it, in the same message
    "change:outcomes": mark,
    "change:chosen": press,
    "change:answer": show,
  };
  for (const [name, act] of Object.entries(change)) model.on(name, act);
  build();
  return () => {
    for (const [name, act] of Object.entries(change)) model.off(name, act);
  };
}
