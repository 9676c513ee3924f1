// The runs, newest first; each can be ticked, opened, saved and deleted.

import { makeChannel } from "../../widgets/shared/channel.js";
import { element } from "../../widgets/shared/view.js";
import { link } from "../../widgets/shared/page_link.js";
import { makeRow } from "./run.js";

const PERIOD = 4000; // milliseconds between two looks at runs that go on

export function render({ model, el }) {
  el.classList.add("kd-runs");
  const channel = makeChannel(model);
  const trouble = element("p", { class: "kd-error", role: "alert" });
  const empty = element("p", { class: "kd-empty" });
  const first = element("p", { class: "kd-start" });
  first.append(
    "Start a run on the page ",
    element("a", link("distil.ipynb"), "Distil"),
    ": it is listed here at once, goes on when its page is closed, and stays until it is deleted.",
  );
  const list = element("ul", { "aria-label": "Your runs" });
  const note = element("p", { class: "kd-note", role: "status" });
  el.append(trouble, empty, first, list, note);
  const rows = new Map();
  let complaint = "";

  const acts = {
    tick(run, ticked) {
      const others = model.get("chosen").filter((one) => one !== run);
      model.set("chosen", ticked ? [...others, run] : others);
      model.save_changes();
      show();
    },
    async ask(what, about) {
      complaint = "";
      const answer = await channel.ask(what, about);
      complaint = answer.error ?? "";
      if (complaint) show();
      return answer;
    },
  };

  function show() {
    const content = model.get("content");
    const chosen = model.get("chosen");
    trouble.textContent = complaint || content.trouble || "";
    trouble.hidden = !trouble.textContent;
    empty.textContent = content.empty ?? "";
    empty.hidden = !empty.textContent;
    first.hidden = empty.hidden || !content.known;
    note.textContent = content.note ?? "";
    const wanted = (content.rows ?? []).map((run) => {
      if (!rows.has(run.run)) rows.set(run.run, makeRow(run.run, acts));
      const row = rows.get(run.run);
      row.show(run, chosen.indexOf(run.run) + 1, chosen.length >= content.most);
      return row.element;
    });
    const gone = new Set(rows.keys());
    for (const { run } of content.rows ?? []) gone.delete(run);
    for (const run of gone) rows.delete(run);
    // Elements that stay where they are keep the keyboard's focus.
    const same = wanted.length === list.children.length && wanted.every((one, at) => one === list.children[at]);
    if (!same) list.replaceChildren(...wanted);
    list.hidden = !wanted.length;
  }

  const timer = setInterval(() => {
    if (!document.hidden && model.get("content").rows?.some((run) => run.going)) channel.ask("look");
  }, PERIOD);
  const back = () => !document.hidden && model.get("content").known && channel.ask("look");
  document.addEventListener("visibilitychange", back);
  model.on("change:content change:chosen", show);
  show();
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", back);
    model.off("change:content change:chosen", show);
    channel.close();
  };
}
