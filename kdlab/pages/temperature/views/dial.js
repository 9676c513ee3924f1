// The temperature as a native range input, so that arrow keys, Page keys and screen readers work.

import {
  button,
  element,
  formatTemperature,
  keepUntranslated,
  labelled,
  svgElement,
} from "../../../widgets/shared/dom.js";
import { makeNumberField } from "../../../widgets/shared/number_field.js";

export const [LOWEST, HIGHEST] = [0.5, 100];
const STEPS = 400;
const MARKS = [0.5, 1, 2, 4, 10, 20, 50, 100];

const toPosition = (temperature) => (STEPS * Math.log(temperature / LOWEST)) / Math.log(HIGHEST / LOWEST);
const toTemperature = (position) => Number((LOWEST * (HIGHEST / LOWEST) ** (position / STEPS)).toPrecision(3));

export function makeDial({ store }) {
  const input = element("input", { type: "range", min: "0", max: String(STEPS), step: "1", class: "kd-dial-range" });
  const number = makeNumberField({
    range: { minimum: LOWEST, maximum: HIGHEST },
    requirement: `A temperature here is a number from ${LOWEST} to ${HIGHEST}`,
    onValue: (temperature) => store.set({ temperature }),
    format: formatTemperature,
  });
  number.input.classList.add("kd-dial-field");
  number.input.setAttribute("aria-label", "Temperature as a number");
  const scale = keepUntranslated(svgElement("svg", { class: "kd-dial-scale", "aria-hidden": "true" }));
  for (const mark of MARKS) {
    const x = `${(100 * toPosition(mark)) / STEPS}%`;
    scale.append(
      svgElement("line", { x1: x, x2: x, y1: "0", y2: "4" }),
      svgElement("text", { x, y: "15" }, String(mark)),
    );
  }
  const resetButton = button("T = 1", "The predictions as they are, without softening", () => {
    store.set({ temperature: 1 });
    number.show(1);
  });
  const label = labelled("Temperature T", input, { class: "kd-dial-label" });
  label.removeChild(input);
  const track = element("div", { class: "kd-dial-track" }, input, scale);

  input.addEventListener("input", () => store.set({ temperature: toTemperature(Number(input.value)) }));
  store.watch(["temperature"], ({ temperature }) => {
    // A value between two positions keeps its own digits; the thumb moves to the nearest position.
    if (toTemperature(Number(input.value)) !== temperature) input.value = Math.round(toPosition(temperature));
    input.setAttribute("aria-valuetext", formatTemperature(temperature));
    number.show(temperature);
  });
  return element("div", { class: "kd-dial" }, label, track, number.input, resetButton, number.error);
}
