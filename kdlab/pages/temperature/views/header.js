// What stays in sight at the top: the dial, the scale, the data set, and what keeps the view.

import { makeDial } from "./dial.js";
import { element, labelled } from "../../../widgets/shared/dom.js";
import { makeExport } from "./export.js";

export function makeTop({ store, channel, menu, complain }) {
  const log = element("input", { type: "checkbox" });
  log.addEventListener("change", () => store.set({ scale: log.checked ? "log" : "linear" }));
  store.watch(["scale"], ({ scale }) => (log.checked = scale === "log"));

  const keep = makeExport({ channel, store, complain });
  const tools = element("div", { class: "kd-tools" }, labelled("Log scale", log), ...menu.elements, ...keep);
  const alarm = element("p", { class: "kd-error", role: "alert", hidden: true });
  store.watch(["complaint"], ({ complaint }) => {
    alarm.textContent = complaint;
    alarm.hidden = !complaint;
  });
  return element("div", { class: "kd-top" }, makeDial({ store, complain }), tools, alarm, ...(menu.asking ? [menu.asking] : []));
}
