// Links to the pages.
import { element, view } from "../../widgets/shared/view.js";
import { link } from "../../widgets/shared/page_link.js";

function card({ page, title, question, answer, mark }) {
  const made = element(
    "a",
    { class: "kd-link-card", ...link(page) },
    element("h2", {}, title),
    element("p", {}, question),
  );
  if (answer) {
    const symbol = element("span", { class: "kd-symbol", "aria-hidden": "true" }, mark);
    made.append(element("p", { class: "kd-note" }, symbol, answer));
  }
  return made;
}

export const render = view("kd-cards", ({ cards = [] }) => cards.map(card));
