// What is trained one after another, and how far it is.
import { element } from "../../widgets/shared/view.js";

const MARKS = { done: "✓", kept: "✓", now: "▶", waiting: "·" };

export function render({ model, el }) {
  el.classList.add("kd-pieces");
  const title = element("h2");
  const list = element("ol", { tabindex: "0", "aria-label": "Pieces of training" });
  el.append(title, list);
  let at = -1;

  function show() {
    const { title: text = "", pieces = [] } = model.get("content");
    title.textContent = text;
    const made = pieces.map(([label, state, detail]) =>
      element(
        "li",
        { "data-state": state },
        element("span", { class: "kd-symbol", "aria-hidden": "true" }, MARKS[state]),
        element("span", {}, label),
        element("small", {}, detail),
      ),
    );
    const top = list.scrollTop;
    list.replaceChildren(...made);
    list.scrollTop = top;
    // The list follows the work; who scrolls away is left alone until the next piece begins.
    const now = pieces.findIndex(([, state]) => state === "now");
    if (now !== at && now >= 0) list.scrollTop = made[now].offsetTop - list.clientHeight / 2;
    at = now;
  }

  model.on("change:content", show);
  show();
  return () => model.off("change:content", show);
}
