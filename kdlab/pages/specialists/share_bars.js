// A row per class with its probability as a bar and as a number. Rows are reused, so that bars animate.

import { element, formatShare, keepUntranslated, setAttr, setText } from "../../widgets/shared/dom.js";

const FIRST = 0x2460; // ①

export function makeBars() {
  const body = keepUntranslated(element("tbody", {}));
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
    // parts: { name, short (abbreviated name), share, truth, rank (of the generalist, from 0), dustbin, reference (the
    // generalist's share) }
    draw(parts) {
      if (rows.length !== parts.length) {
        rows = parts.map(make);
        body.replaceChildren(...rows.map(({ row }) => row));
      }
      parts.forEach(({ name, short = name, share, truth = false, rank = -1, dustbin = false, reference }, index) => {
        const row = rows[index];
        setText(row.name, short);
        setText(row.mark, (rank < 0 ? "" : String.fromCodePoint(FIRST + rank)) + (truth ? "●" : ""));
        setAttr(
          row.label,
          "title",
          `${name}${truth ? ", the truth" : ""}${rank < 0 ? "" : `, the generalist's number ${rank + 1}`}`,
        );
        setAttr(row.row, "class", [truth && "kd-truth", dustbin && "kd-dustbin"].filter(Boolean).join(" "));
        row.bar.style.transform = `scaleX(${share})`;
        setText(row.value, formatShare(share));
        row.tick.hidden = reference === undefined;
        if (reference !== undefined) row.tick.style.left = `${100 * reference}%`;
        setAttr(row.value, "title", reference === undefined ? "" : `the generalist: ${formatShare(reference)}`);
      });
    },
  };
}
