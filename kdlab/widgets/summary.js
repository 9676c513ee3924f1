// Errors of each network, and whether the difference is significant.

import { keepUntranslated } from "./shared/dom.js";

function element(tag, className, text = "") {
  return Object.assign(document.createElement(tag), { className, textContent: text });
}

export function render({ model, el }) {
  el.classList.add("kd-summary");

  function show() {
    const { tiles, verdict, differs, warnings, note, run } = model.get("content");
    const cards = tiles.map(({ role, label, errors, share, counted }) => {
      const card = element("div", `kd-tile kd-${role}`);
      card.append(
        element("span", "kd-tile-label", label),
        keepUntranslated(element("strong", "", errors)),
        element("span", "kd-tile-share", share),
        element("span", "kd-tile-counted", counted),
      );
      return card;
    });
    const text = element("div", "kd-summary-text");
    const sentence = element("p", `kd-verdict kd-${differs ? "differs" : "noise"}`, verdict);
    text.append(sentence, element("p", "kd-note", note), element("p", "kd-note", run));
    el.replaceChildren(
      ...cards,
      text,
      ...warnings.map((text) => Object.assign(element("p", "kd-warning", text), { role: "status" })),
    );
  }

  model.on("change:content", show);
  show();
  return () => model.off("change:content", show);
}
