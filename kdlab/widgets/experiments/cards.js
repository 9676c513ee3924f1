// Links to the pages.
import { element, view } from "./dom.js";

// In JupyterLab a link opens the notebook in a tab there, as its own links do, instead of loading all of Lab again.
function link(page) {
  const attributes = { class: "kd-link-card", href: page };
  const inLab = /\/(?:lab|doc)(?:\/workspaces\/[^/]+)?\/tree\/(.*\/)?[^/]*$/.exec(
    decodeURIComponent(location.pathname),
  );
  if (!inLab) return attributes;
  const args = JSON.stringify({ path: (inLab[1] ?? "") + page });
  return { ...attributes, "data-commandlinker-command": "docmanager:open", "data-commandlinker-args": args };
}

function card({ page, title, question, answer, mark }) {
  const made = element("a", link(page), element("h2", {}, title), element("p", {}, question));
  if (answer) {
    const symbol = element("span", { class: "kd-symbol", "aria-hidden": "true" }, mark);
    made.append(element("p", { class: "kd-note" }, symbol, answer));
  }
  return made;
}

export const render = view("kd-cards", ({ cards = [] }) => cards.map(card));
