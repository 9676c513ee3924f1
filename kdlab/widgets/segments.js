// A segmented control made of radio buttons, so that arrow keys and screen readers work.
import { element } from "./shared/view.js";

let groups = 0;

export function render({ model, el }) {
  el.classList.add("kd-segments");
  const group = element("div", { role: "radiogroup" });
  el.append(group);
  if (model.get("note")) el.append(element("p", { class: "kd-note" }, model.get("note")));
  const name = `kd-segments-${(groups += 1)}-${Math.random().toString(36).slice(2, 8)}`;

  function build() {
    group.setAttribute("aria-label", model.get("label"));
    const labels = model.get("options").map(([value, text]) => {
      const input = element("input", { type: "radio", name, value });
      input.dataset.lmSuppressShortcuts = "true"; // otherwise JupyterLab handles the arrow keys in its notebook
      input.addEventListener("change", () => {
        model.set("value", value);
        model.save_changes();
      });
      return element("label", {}, input, element("span", {}, text));
    });
    group.replaceChildren(...labels);
    show();
  }

  function show() {
    for (const input of group.querySelectorAll("input")) input.checked = input.value === model.get("value");
  }

  model.on("change:options change:label", build);
  model.on("change:value", show);
  build();
  return () => {
    model.off("change:options change:label", build);
    model.off("change:value", show);
  };
}
