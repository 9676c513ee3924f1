// A title, what it means in words, and values by their labels.
import { element, view } from "../../widgets/shared/view.js";

function build({ title = "", text = [], facts = [] }) {
  const made = [];
  if (title) made.push(element("h2", {}, title));
  for (const words of text) made.push(element("p", {}, words));
  const pairs = facts.map(([label, value]) => element("div", {}, element("dt", {}, label), element("dd", {}, value)));
  if (pairs.length) made.push(element("dl", {}, ...pairs));
  return made;
}

export const render = view("kd-facts", build);
