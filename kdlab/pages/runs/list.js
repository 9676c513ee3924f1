// The list of runs, newest first; each can be selected, opened, saved and deleted.

import { makeChannel } from "../../widgets/shared/channel.js";
import { BUSY, awaitKernel } from "../../widgets/shared/kernel.js";
import { element } from "../../widgets/shared/view.js";
import { linkTo } from "../../widgets/shared/page_link.js";
import { makeRow } from "./run.js";

const POLL_INTERVAL = 4000; // milliseconds between two updates of active runs

export function render({ model, el }) {
  el.classList.add("kd-runs");
  const channel = makeChannel(model, el);
  const errorLine = element("p", { class: "kd-error", role: "alert" });
  const empty = element("p", { class: "kd-empty" });
  const firstSteps = element("p", { class: "kd-first-steps" });
  firstSteps.append(
    "Start a run on the page ",
    linkTo(element("a", {}, "Distil"), "distil.ipynb"),
    ": it is listed here at once, goes on when its page is closed, and stays until it is deleted.",
  );
  const list = element("ul", { "aria-label": "Your runs" });
  const note = element("p", { class: "kd-note", role: "status" });
  el.append(errorLine, empty, firstSteps, list, note);
  const rows = new Map();
  let error = "";
  let waitingReason = ""; // why the runs are not known yet

  const actions = {
    tick(run, ticked) {
      const others = model.get("chosen").filter((id) => id !== run);
      model.set("chosen", ticked ? [...others, run] : others);
      model.save_changes();
      show();
    },
    async ask(type, fields) {
      error = "";
      const reply = await channel.ask(type, fields);
      error = reply.error ?? "";
      if (error) show();
      return reply;
    },
  };

  function show() {
    const content = model.get("content");
    const chosen = model.get("chosen");
    errorLine.textContent = error || content.trouble || "";
    errorLine.hidden = !errorLine.textContent;
    if (content.known) stopWaiting();
    empty.textContent = (!content.known && waitingReason) || content.empty || "";
    empty.hidden = !empty.textContent;
    firstSteps.hidden = empty.hidden || !content.known;
    note.textContent = content.note ?? "";
    const elements = (content.rows ?? []).map((run) => {
      if (!rows.has(run.run)) rows.set(run.run, makeRow(run.run, actions));
      const row = rows.get(run.run);
      row.show(run, chosen.indexOf(run.run) + 1, chosen.length >= content.most);
      return row.element;
    });
    const removed = new Set(rows.keys());
    for (const { run } of content.rows ?? []) removed.delete(run);
    for (const run of removed) rows.delete(run);
    // Elements that stay in place keep the keyboard focus.
    const unchanged =
      elements.length === list.children.length && elements.every((node, index) => node === list.children[index]);
    if (!unchanged) list.replaceChildren(...elements);
    list.hidden = !elements.length;
  }

  const stopWaiting = awaitKernel(el, { onBusy: () => explainWaiting(BUSY), onLost: explainWaiting });
  function explainWaiting(reason) {
    waitingReason = reason;
    show();
  }
  const timer = setInterval(() => {
    if (!document.hidden && model.get("content").rows?.some((run) => run.going)) channel.ask("look");
  }, POLL_INTERVAL);
  const onVisible = () => !document.hidden && model.get("content").known && channel.ask("look");
  document.addEventListener("visibilitychange", onVisible);
  model.on("change:content change:chosen", show);
  show();
  return () => {
    stopWaiting();
    clearInterval(timer);
    document.removeEventListener("visibilitychange", onVisible);
    model.off("change:content change:chosen", show);
    channel.close();
  };
}
