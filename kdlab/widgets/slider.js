// One knob as a native range input (or a checkbox), so that arrow keys, Page keys and screen readers work.

import { keepUntranslated } from "./shared/dom.js";

export function render({ model, el }) {
  const { key, label, minimum, maximum, scale, kind, help } = model.get("knob");
  const log = scale === "log";
  const whole = kind === "int";
  const STEPS = whole && !log ? maximum - minimum : 400;
  const toPosition = (value) =>
    STEPS * (log ? Math.log(value / minimum) / Math.log(maximum / minimum) : (value - minimum) / (maximum - minimum));
  const toValue = (position) => {
    const share = position / STEPS;
    const value = log ? minimum * (maximum / minimum) ** share : minimum + (maximum - minimum) * share;
    return whole ? Math.round(value) : Number(value.toPrecision(3));
  };

  el.classList.add("kd-knob", `kd-knob-${key}`);
  const id = `kd-${key}-${Math.random().toString(36).slice(2)}`;
  const input = Object.assign(document.createElement("input"), { id, title: help });
  input.dataset.lmSuppressShortcuts = "true"; // otherwise JupyterLab handles the arrow keys in its notebook
  const caption = Object.assign(document.createElement("label"), { htmlFor: id, textContent: label, title: help });
  const output = keepUntranslated(Object.assign(document.createElement("output"), { htmlFor: id }));
  const checkbox = kind === "bool";
  if (checkbox) {
    input.type = "checkbox";
    el.classList.add("kd-knob-switch");
    el.append(input, caption);
  } else {
    Object.assign(input, { type: "range", min: 0, max: STEPS, step: 1 });
    el.append(caption, output, input);
  }

  function show() {
    const value = model.get("value");
    if (checkbox) {
      input.checked = value !== 0;
      return;
    }
    // A value between two positions keeps its own digits; the thumb moves to the nearest position.
    if (toValue(Number(input.value)) !== value) input.value = Math.round(toPosition(value));
    const text = value.toFixed(whole ? 0 : value < 10 ? 2 : 1);
    output.textContent = text;
    input.setAttribute("aria-valuetext", text);
  }

  input.addEventListener("input", () => {
    model.set("value", checkbox ? Number(input.checked) : toValue(Number(input.value)));
    model.save_changes();
  });
  model.on("change:value", show);
  show();
  return () => model.off("change:value", show);
}
