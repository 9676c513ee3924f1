// A title, paragraphs of text, and labelled values.
import { keepUntranslated } from "./shared/dom.js";
import { contentView, element } from "./shared/view.js";

function build({ title = "", text = [], facts = [] }) {
  const nodes = [];
  if (title) nodes.push(element("h2", {}, title));
  for (const paragraph of text) nodes.push(element("p", {}, paragraph));
  const pairs = facts.map(([label, value]) =>
    element("div", {}, element("dt", {}, label), keepUntranslated(element("dd", {}, value))),
  );
  if (pairs.length) nodes.push(element("dl", {}, ...pairs));
  return nodes;
}

export const render = contentView("kd-facts", build);
