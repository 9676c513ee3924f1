// A row for each class with its share as a bar and as a number. Rows are kept, so that bars move.

import { element, formatShare, put, write } from "../../widgets/shared/dom.js";

const FIRST = 0x2460; // ①

export function makeBars() {
  const body = element("tbody", {});
  const root = element("table", { class: "kd-shares" }, body);
  let rows = [];

  function make() {
    const [mark, name] = [element("span", { class: "kd-share-mark", "aria-hidden": "true" }), element("span", {})];
    const [bar, tick] = [element("div", { class: "kd-bar" }), element("div", { class: "kd-tick" })];
    const value = element("td", { class: "kd-value" });
    const label = element("th", { scope: "row" }, mark, name);
    const row = element(
      "tr",
      {},
      label,
      element("td", { class: "kd-track" }, element("div", { class: "kd-line" }, bar, tick)),
      value,
    );
    return { row, mark, name, label, bar, tick, value };
  }

  return {
    element: root,
    // parts: { name, short (the name as there is room for it), share, truth, rank (from 0, of those looked at), dustbin, before (its share before) }
    draw(parts) {
      if (rows.length !== parts.length) {
        rows = parts.map(make);
        body.replaceChildren(...rows.map(({ row }) => row));
      }
      parts.forEach(({ name, short = name, share, truth = false, rank = -1, dustbin = false, before }, at) => {
        const one = rows[at];
        write(one.name, short);
        write(one.mark, (rank < 0 ? "" : String.fromCodePoint(FIRST + rank)) + (truth ? "●" : ""));
        put(
          one.label,
          "title",
          `${name}${truth ? ", the truth" : ""}${rank < 0 ? "" : `, the generalist's number ${rank + 1}`}`,
        );
        put(one.row, "class", [truth && "kd-truth", dustbin && "kd-dustbin"].filter(Boolean).join(" "));
        one.bar.style.transform = `scaleX(${share})`;
        write(one.value, formatShare(share));
        one.tick.hidden = before === undefined;
        if (before !== undefined) one.tick.style.left = `${100 * before}%`;
        put(one.value, "title", before === undefined ? "" : `the generalist: ${formatShare(before)}`);
      });
    },
  };
}
