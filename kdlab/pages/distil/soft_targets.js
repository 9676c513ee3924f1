// The softened predictions of one example as a widget: `temperature` can be linked to a slider in the page.

import { makeBars } from "../../widgets/shared/bars.js";
import { element, formatTemperature, setText } from "../../widgets/shared/dom.js";

export function render({ model, el }) {
  el.classList.add("kd-soft-targets");
  const title = element("h2");
  const bars = makeBars();
  el.append(title, bars.element);

  function draw() {
    const [example, temperature] = [model.get("example"), model.get("temperature")];
    setText(title, `Softened predictions at T = ${formatTemperature(temperature)} (ticks: at T = 1)`);
    bars.element.hidden = !example.logits.teacher;
    if (example.logits.teacher) bars.draw(example, temperature, "linear");
  }
  model.on("change:example change:temperature", draw);
  draw();
  return () => model.off("change:example change:temperature", draw);
}
