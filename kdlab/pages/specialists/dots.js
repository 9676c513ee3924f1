// A column for each specialist, with a dot in each row whose class it has. Dots are clicked, dragged to another column,
// or handled with the keyboard; the number above a column chooses its specialist.

import { drawing, put } from "../../widgets/shared/dom.js";
import { has } from "./subsets.js";

export const HEAD = 28; // pixels above the first row
const FAR = 5; // pixels from which on a press is a drag

export function makeDots({ onToggle, onMove, onChoose, onPoint }) {
  const band = drawing("rect", { class: "kd-dots-band", y: "0", rx: "6" });
  const cells = drawing("g", {});
  const ghost = drawing("circle", { class: "kd-dot-ghost", visibility: "hidden" });
  const svg = drawing("svg", { class: "kd-dots", role: "group" }, band, cells, ghost);
  put(
    svg,
    "aria-label",
    "Classes of each specialist. Arrow keys walk; Enter puts a class in or takes it out; Shift with left or right moves it to the next specialist.",
  );
  let shown = null; // { names, order, subsets, chosen, row, column }
  let focus = [0, 0]; // row (−1: the numbers above) and column that the Tab key comes to
  let drag = null; // { from, class, x, moved }
  let dragged = false; // the click that ends a drag is none

  const find = ([row, column]) => cells.querySelector(`[data-row="${row}"][data-column="${column}"]`);
  const place = (node) => [Number(node.dataset.row), Number(node.dataset.column)];
  const cellOf = ({ target }) => target.closest?.("[data-row]");

  function go(to) {
    const node = find(to);
    if (!node) return;
    find(focus)?.setAttribute("tabindex", "-1");
    focus = to;
    node.setAttribute("tabindex", "0");
    node.focus({ preventScroll: false });
  }

  function build() {
    const { names, order, subsets, row, column } = shown;
    const height = HEAD + row * order.length;
    put(svg, "width", String(subsets.length * column));
    put(svg, "height", String(height));
    put(band, "width", String(column));
    put(band, "height", String(height));
    const hit = (width, tall) => drawing("rect", { class: "kd-hit", width: String(width), height: String(tall) });
    const made = subsets.flatMap((_, at) => {
      const head = drawing(
        "g",
        { role: "radio", "data-row": "-1", "data-column": String(at), transform: `translate(${at * column} 0)` },
        hit(column, HEAD),
        drawing("text", { x: String(column / 2), y: "18" }, String(at + 1)),
      );
      put(head, "aria-label", `Specialist ${at + 1}`);
      const dots = order.map((one, line) => {
        const middle = { cx: String(column / 2), cy: String(row / 2) };
        const dot = drawing(
          "g",
          { role: "checkbox", "data-row": String(line), "data-column": String(at) },
          hit(column, row),
          drawing("circle", { class: "kd-dot-out", ...middle, r: String(Math.min(4, row / 4)) }),
          drawing("circle", { class: "kd-dot-in", ...middle, r: String(Math.min(row * 0.42, column * 0.3, 9)) }),
        );
        put(dot, "transform", `translate(${at * column} ${HEAD + line * row})`);
        put(dot, "aria-label", `${names[one]} in specialist ${at + 1}`);
        return dot;
      });
      return [head, ...dots];
    });
    cells.replaceChildren(...made);
    put(ghost, "r", String(Math.min(row * 0.42, column * 0.3, 9)));
    focus = [Math.min(focus[0], order.length - 1), Math.min(focus[1], subsets.length - 1)];
    for (const node of made) put(node, "tabindex", node === find(focus) ? "0" : "-1");
  }

  function mark() {
    const { order, subsets, chosen, column } = shown;
    put(band, "x", String(chosen * column));
    for (const node of cells.children) {
      const [line, at] = place(node);
      put(node, "aria-checked", String(line < 0 ? at === chosen : has(subsets, at, order[line])));
    }
  }

  function columnAt(x) {
    const box = svg.getBoundingClientRect();
    return Math.min(shown.subsets.length - 1, Math.max(0, Math.floor((x - box.left) / shown.column)));
  }

  function endDrag() {
    if (drag?.moved) drag.node.classList.remove("kd-dragged");
    put(ghost, "visibility", "hidden");
    svg.classList.remove("kd-dragging");
    put(band, "x", String(shown.chosen * shown.column));
    drag = null;
  }

  svg.addEventListener("pointerdown", (event) => {
    const node = cellOf(event);
    dragged = false;
    if (!node || event.button !== 0 || node.getAttribute("role") !== "checkbox") return;
    if (node.getAttribute("aria-checked") !== "true") return;
    const [line, from] = place(node);
    drag = { node, from, class: shown.order[line], line, x: event.clientX, moved: false };
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener("pointermove", (event) => {
    const node = cellOf(event);
    if (!drag) {
      onPoint(node ? place(node) : null);
      return;
    }
    if (!drag.moved && Math.abs(event.clientX - drag.x) < FAR) return;
    drag.moved = true;
    svg.classList.add("kd-dragging");
    drag.node.classList.add("kd-dragged");
    const to = columnAt(event.clientX);
    const box = svg.getBoundingClientRect();
    put(ghost, "visibility", "visible");
    put(ghost, "cx", String(event.clientX - box.left));
    put(ghost, "cy", String(HEAD + (drag.line + 0.5) * shown.row));
    put(band, "x", String(to * shown.column));
    onPoint([drag.line, to], drag.from);
  });
  svg.addEventListener("pointerup", (event) => {
    if (!drag) return;
    const { moved, from, class: one, line } = drag;
    endDrag();
    dragged = true;
    if (moved) onMove(from, columnAt(event.clientX), one);
    else press(line, from); // with the pointer captured its click has no target
  });
  svg.addEventListener("pointercancel", () => drag && endDrag());
  svg.addEventListener("pointerleave", ({ pointerType }) => pointerType === "mouse" && !drag && onPoint(null));

  function press(line, at) {
    go([line, at]);
    if (line < 0) onChoose(at);
    else onToggle(at, shown.order[line]);
  }

  svg.addEventListener("click", (event) => {
    const node = cellOf(event);
    if (node && !dragged) press(...place(node));
    dragged = false;
  });
  svg.addEventListener("focusin", (event) => cellOf(event) && onPoint(place(cellOf(event))));
  svg.addEventListener("focusout", () => onPoint(null));
  svg.addEventListener("keydown", (event) => {
    const node = cellOf(event);
    if (!node) return;
    const [line, at] = place(node);
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (event.key === "Escape" && drag) endDrag();
    else if (event.key === "Enter" || event.key === " ") press(line, at);
    else if (step && event.shiftKey && step[1] && line >= 0) {
      const to = at + step[1];
      if (shown.subsets[to] && has(shown.subsets, at, shown.order[line])) {
        onMove(at, to, shown.order[line]);
        go([line, to]);
      }
    } else if (step) go([line + step[0], at + step[1]]);
    else return;
    event.preventDefault();
  });

  return {
    element: svg,
    draw(next) {
      const before = shown;
      shown = next;
      const same = before && ["names", "order", "row", "column"].every((key) => before[key] === next[key]);
      if (!same || before.subsets.length !== next.subsets.length) {
        const held = svg.contains(document.activeElement);
        build();
        if (held) go(focus);
      }
      mark();
    },
    pointed: () => focus,
  };
}
