// The list of training jobs with the state of each.
import { element } from "../../widgets/shared/view.js";

const MARKS = { done: "✓", kept: "✓", now: "▶", waiting: "·" };

export function render({ model, el }) {
  el.classList.add("kd-pieces");
  const title = element("h2");
  const list = element("ol", { tabindex: "0", "aria-label": "Pieces of training" });
  el.append(title, list);
  let followed = -1;

  function show() {
    const { title: text = "", pieces: jobs = [] } = model.get("content");
    title.textContent = text;
    const items = jobs.map(([label, state, detail]) =>
      element(
        "li",
        { "data-state": state },
        element("span", { class: "kd-symbol", "aria-hidden": "true" }, MARKS[state]),
        element("span", {}, label),
        element("small", {}, detail),
      ),
    );
    const top = list.scrollTop;
    list.replaceChildren(...items);
    list.scrollTop = top;
    // Scrolls to the current job once, when it starts: the list does not undo a user's scrolling.
    const current = jobs.findIndex(([, state]) => state === "now");
    if (current !== followed && current >= 0) list.scrollTop = items[current].offsetTop - list.clientHeight / 2;
    followed = current;
  }

  model.on("change:content", show);
  show();
  return () => model.off("change:content", show);
}
