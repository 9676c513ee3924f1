// The sticky header: the temperature dial, the log scale, the data set, and the export buttons.

import { makeDial } from "./dial.js";
import { element, labelled } from "../../../widgets/shared/dom.js";
import { makeExport } from "./export.js";

export function makeHeader({ store, channel, menu, showError }) {
  const logCheckbox = element("input", { type: "checkbox" });
  logCheckbox.addEventListener("change", () => store.set({ scale: logCheckbox.checked ? "log" : "linear" }));
  store.watch(["scale"], ({ scale }) => (logCheckbox.checked = scale === "log"));

  const exportControls = makeExport({ channel, store, showError });
  const tools = element(
    "div",
    { class: "kd-tools" },
    labelled("Log scale", logCheckbox),
    ...menu.elements,
    ...exportControls,
  );
  const errorLine = element("p", { class: "kd-error", role: "alert", hidden: true });
  store.watch(["error"], ({ error }) => {
    errorLine.textContent = error;
    errorLine.hidden = !error;
  });
  return element(
    "div",
    { class: "kd-header" },
    makeDial({ store }),
    tools,
    errorLine,
    ...(menu.asking ? [menu.asking] : []),
  );
}
