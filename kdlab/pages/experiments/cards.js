// Links to the pages.
import { contentView, element } from "../../widgets/shared/view.js";
import { linkTo } from "../../widgets/shared/page_link.js";

function card({ page, title, question, answer, mark }) {
  const node = element(
    "a",
    { class: "kd-link-card" },
    element("h2", {}, title),
    element("p", {}, question),
  );
  linkTo(node, page);
  if (answer) {
    const symbol = element("span", { class: "kd-symbol", "aria-hidden": "true" }, mark);
    node.append(element("p", { class: "kd-note" }, symbol, answer));
  }
  return node;
}

export const render = contentView("kd-cards", ({ cards = [] }) => cards.map(card));
