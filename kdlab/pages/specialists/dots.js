// A column per specialist, with a dot in the row of each of its classes. Dots are clicked, dragged to another column,
// or operated with the keyboard; the number above a column selects its specialist.

import { keepUntranslated, setAttr, svgElement } from "../../widgets/shared/dom.js";
import { has } from "./subsets.js";

export const HEAD = 28; // pixels; height of the row of numbers
const DRAG_DISTANCE = 5; // pixels; a longer movement turns a press into a drag

export function makeDots({ onToggle, onMove, onChoose, onPoint }) {
  const band = svgElement("rect", { class: "kd-dots-band", y: "0", rx: "6" });
  const cells = svgElement("g", {});
  const ghost = svgElement("circle", { class: "kd-dot-ghost", visibility: "hidden" });
  const svg = keepUntranslated(svgElement("svg", { class: "kd-dots", role: "group" }, band, cells, ghost));
  setAttr(
    svg,
    "aria-label",
    "Classes of each specialist. Arrow keys walk; Enter puts a class in or takes it out; Shift with left or right moves it to the next specialist.",
  );
  let shown = null; // { names, order, subsets, chosen, row, column }
  let focus = [0, 0]; // the cell with tabindex 0: row (−1: the numbers) and column
  let drag = null; // { from, class, x, moved }
  let dragged = false; // whether the next click ends a drag and is ignored

  const nodeAt = ([row, column]) => cells.querySelector(`[data-row="${row}"][data-column="${column}"]`);
  const positionOf = (node) => [Number(node.dataset.row), Number(node.dataset.column)];
  const cellOf = ({ target }) => target.closest?.("[data-row]");

  function focusAt(to) {
    const node = nodeAt(to);
    if (!node) return;
    nodeAt(focus)?.setAttribute("tabindex", "-1");
    focus = to;
    node.setAttribute("tabindex", "0");
    node.focus({ preventScroll: false });
  }

  function build() {
    const { names, order, subsets, row, column } = shown;
    const height = HEAD + row * order.length;
    setAttr(svg, "width", String(subsets.length * column));
    setAttr(svg, "height", String(height));
    setAttr(band, "width", String(column));
    setAttr(band, "height", String(height));
    const hitArea = (width, tall) =>
      svgElement("rect", { class: "kd-hit", width: String(width), height: String(tall) });
    const nodes = subsets.flatMap((_, specialist) => {
      const head = svgElement(
        "g",
        {
          role: "radio",
          "data-row": "-1",
          "data-column": String(specialist),
          transform: `translate(${specialist * column} 0)`,
        },
        hitArea(column, HEAD),
        svgElement("text", { x: String(column / 2), y: "18" }, String(specialist + 1)),
      );
      setAttr(head, "aria-label", `Specialist ${specialist + 1}`);
      const dots = order.map((member, line) => {
        const middle = { cx: String(column / 2), cy: String(row / 2) };
        const dot = svgElement(
          "g",
          { role: "checkbox", "data-row": String(line), "data-column": String(specialist) },
          hitArea(column, row),
          svgElement("circle", { class: "kd-dot-out", ...middle, r: String(Math.min(4, row / 4)) }),
          svgElement("circle", { class: "kd-dot-in", ...middle, r: String(Math.min(row * 0.42, column * 0.3, 9)) }),
        );
        setAttr(dot, "transform", `translate(${specialist * column} ${HEAD + line * row})`);
        setAttr(dot, "aria-label", `${names[member]} in specialist ${specialist + 1}`);
        return dot;
      });
      return [head, ...dots];
    });
    cells.replaceChildren(...nodes);
    setAttr(ghost, "r", String(Math.min(row * 0.42, column * 0.3, 9)));
    focus = [Math.min(focus[0], order.length - 1), Math.min(focus[1], subsets.length - 1)];
    for (const node of nodes) setAttr(node, "tabindex", node === nodeAt(focus) ? "0" : "-1");
  }

  function mark() {
    const { order, subsets, chosen, column } = shown;
    setAttr(band, "x", String(chosen * column));
    for (const node of cells.children) {
      const [line, specialist] = positionOf(node);
      setAttr(node, "aria-checked", String(line < 0 ? specialist === chosen : has(subsets, specialist, order[line])));
    }
  }

  function columnAt(x) {
    const box = svg.getBoundingClientRect();
    return Math.min(shown.subsets.length - 1, Math.max(0, Math.floor((x - box.left) / shown.column)));
  }

  function endDrag() {
    if (drag?.moved) drag.node.classList.remove("kd-dragged");
    setAttr(ghost, "visibility", "hidden");
    svg.classList.remove("kd-dragging");
    setAttr(band, "x", String(shown.chosen * shown.column));
    drag = null;
  }

  svg.addEventListener("pointerdown", (event) => {
    const node = cellOf(event);
    dragged = false;
    if (!node || event.button !== 0 || node.getAttribute("role") !== "checkbox") return;
    if (node.getAttribute("aria-checked") !== "true") return;
    const [line, from] = positionOf(node);
    drag = { node, from, class: shown.order[line], line, x: event.clientX, moved: false };
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener("pointermove", (event) => {
    const node = cellOf(event);
    if (!drag) {
      onPoint(node ? positionOf(node) : null);
      return;
    }
    if (!drag.moved && Math.abs(event.clientX - drag.x) < DRAG_DISTANCE) return;
    drag.moved = true;
    svg.classList.add("kd-dragging");
    drag.node.classList.add("kd-dragged");
    const to = columnAt(event.clientX);
    const box = svg.getBoundingClientRect();
    setAttr(ghost, "visibility", "visible");
    setAttr(ghost, "cx", String(event.clientX - box.left));
    setAttr(ghost, "cy", String(HEAD + (drag.line + 0.5) * shown.row));
    setAttr(band, "x", String(to * shown.column));
    onPoint([drag.line, to], drag.from);
  });
  svg.addEventListener("pointerup", (event) => {
    if (!drag) return;
    const { moved, from, class: member, line } = drag;
    endDrag();
    dragged = true;
    if (moved) onMove(from, columnAt(event.clientX), member);
    else activate(line, from); // a click during pointer capture has no target
  });
  svg.addEventListener("pointercancel", () => drag && endDrag());
  svg.addEventListener("pointerleave", ({ pointerType }) => pointerType === "mouse" && !drag && onPoint(null));

  function activate(line, specialist) {
    focusAt([line, specialist]);
    if (line < 0) onChoose(specialist);
    else onToggle(specialist, shown.order[line]);
  }

  svg.addEventListener("click", (event) => {
    const node = cellOf(event);
    if (node && !dragged) activate(...positionOf(node));
    dragged = false;
  });
  svg.addEventListener("focusin", (event) => cellOf(event) && onPoint(positionOf(cellOf(event))));
  svg.addEventListener("focusout", () => onPoint(null));
  svg.addEventListener("keydown", (event) => {
    const node = cellOf(event);
    if (!node) return;
    const [line, specialist] = positionOf(node);
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (event.key === "Escape" && drag) endDrag();
    else if (event.key === "Enter" || event.key === " ") activate(line, specialist);
    else if (step && event.shiftKey && step[1] && line >= 0) {
      const to = specialist + step[1];
      if (shown.subsets[to] && has(shown.subsets, specialist, shown.order[line])) {
        onMove(specialist, to, shown.order[line]);
        focusAt([line, to]);
      }
    } else if (step) focusAt([line + step[0], specialist + step[1]]);
    else return;
    event.preventDefault();
  });

  return {
    element: svg,
    draw(next) {
      const previous = shown;
      shown = next;
      const sameGrid = previous && ["names", "order", "row", "column"].every((key) => previous[key] === next[key]);
      if (!sameGrid || previous.subsets.length !== next.subsets.length) {
        const hadFocus = svg.contains(document.activeElement);
        build();
        if (hadFocus) focusAt(focus);
      }
      mark();
    },
    pointed: () => focus,
  };
}
