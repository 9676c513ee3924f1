// What stays in sight at the top: the dial, the scale, the data set, and what keeps the view.

import { makeDial } from "./dial.js";
import { element, labelled } from "./dom.js";
import { makeExport } from "./export.js";

export function makeTop({ store, sets, channel, menu, complain }) {
  const choice = element("select", {}, ...menu.map(({ key, label }) => element("option", { value: key }, label)));
  choice.addEventListener("change", async () => {
    const set = await sets.get(choice.value);
    store.set({ dataset: set.key, set, example: set.telling, cell: null });
  });
  store.watch(["dataset"], ({ dataset }) => (choice.value = dataset));

  const log = element("input", { type: "checkbox" });
  log.addEventListener("change", () => store.set({ scale: log.checked ? "log" : "linear" }));
  store.watch(["scale"], ({ scale }) => (log.checked = scale === "log"));

  const keep = makeExport({ channel, store, complain });
  const tools = element("div", { class: "kd-tools" }, labelled("Log scale", log), labelled("Data", choice), ...keep);
  const alarm = element("p", { class: "kd-error", role: "alert", hidden: true });
  store.watch(["complaint"], ({ complaint }) => {
    alarm.textContent = complaint;
    alarm.hidden = !complaint;
  });
  return element("div", { class: "kd-top" }, makeDial({ store, complain }), tools, alarm);
}
