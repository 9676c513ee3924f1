// A gallery of small pictures from one block of pixels; a click chooses one.

import { paintPixels } from "../../widgets/shared/picture.js";

export function render({ model, el }) {
  el.classList.add("kd-gallery");

  function build() {
    const { title, shape, indices, labels, unit } = model.get("shown");
    const pixels = model.get("pixels");
    el.replaceChildren(Object.assign(document.createElement("p"), { textContent: title }));
    if (!indices.length) return;
    const bytes = new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength);
    const size = shape[0] * shape[1] * shape[2];
    const list = document.createElement("div");
    list.className = "kd-pictures";
    indices.forEach((example, position) => {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.example = example;
      button.title = `Validation ${unit} ${example}: ${labels[position]}. Choose it to see its soft targets.`;
      button.setAttribute("aria-label", button.title);
      const canvas = document.createElement("canvas");
      paintPixels(canvas, bytes.subarray(position * size, (position + 1) * size), shape);
      button.append(canvas);
      button.addEventListener("click", () => {
        model.set("chosen", example);
        model.save_changes();
      });
      list.append(button);
    });
    el.append(list);
    mark();
  }

  function mark() {
    for (const button of el.querySelectorAll("button"))
      button.setAttribute("aria-pressed", Number(button.dataset.example) === model.get("chosen"));
  }

  // `shown` arrives after `pixels` in the same message, so both are there when it changes.
  model.on("change:shown", build);
  model.on("change:chosen", mark);
  build();
  return () => {
    model.off("change:shown", build);
    model.off("change:chosen", mark);
  };
}
