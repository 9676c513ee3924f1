// One example as a widget: its picture beside its softened predictions. `temperature` can be linked to a slider in the
// page.

import { makeBars } from "../../widgets/shared/bars.js";
import { element, formatTemperature, setText } from "../../widgets/shared/dom.js";
import { paintPixels } from "../../widgets/shared/picture.js";

export function render({ model, el }) {
  el.classList.add("kd-card", "kd-example-card");
  const caption = element("p");
  const canvas = element("canvas", { role: "img" });
  const title = element("h2");
  const bars = makeBars();
  el.append(
    element("div", { class: "kd-example-image" }, caption, canvas),
    element("div", { class: "kd-soft-targets" }, title, bars.element),
  );

  function draw() {
    const [example, temperature] = [model.get("example"), model.get("temperature")];
    setText(title, `Softened predictions at T = ${formatTemperature(temperature)} (ticks: at T = 1)`);
    bars.element.hidden = !example.logits.teacher;
    if (example.logits.teacher) bars.draw(example, temperature, "linear");
  }
  function showPicture() {
    const { title: text, shape } = model.get("picture");
    setText(caption, text);
    canvas.setAttribute("aria-label", text);
    const pixels = model.get("pixels");
    if (pixels.byteLength) paintPixels(canvas, new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength), shape);
  }
  model.on("change:example change:temperature", draw);
  model.on("change:picture", showPicture); // it arrives with `pixels` in one message
  draw();
  showPicture();
  return () => {
    model.off("change:example change:temperature", draw);
    model.off("change:picture", showPicture);
  };
}
