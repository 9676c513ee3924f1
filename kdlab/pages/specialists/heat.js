// The similarity of classes as a matrix in the dendrogram's order. A cell is a pair of classes; cells react to the
// pointer, clicks and the arrow keys.

import { plainColour, sequentialColour } from "../../widgets/shared/colours.js";
import { element, setAttr, svgElement } from "../../widgets/shared/dom.js";
import { isDark } from "../../widgets/shared/theme.js";

export function makeHeat({ onPair, onPoint }) {
  const canvas = element("canvas", {
    class: "kd-heat-cells",
    tabIndex: 0,
    role: "img",
    "aria-roledescription": "matrix",
  });
  const [outlines, pointed] = [svgElement("g", {}), svgElement("rect", { class: "kd-heat-pointed" })];
  const marks = svgElement("svg", { class: "kd-heat-marks", "aria-hidden": "true" }, outlines, pointed);
  const root = element("div", { class: "kd-heat" }, canvas, marks);
  const context = canvas.getContext("2d");
  let [count, column, row, cursor] = [0, 0, 0, null];

  function move(cell) {
    cursor = cell;
    setAttr(pointed, "visibility", cell ? "visible" : "hidden");
    if (cell) {
      setAttr(pointed, "x", String(cell[1] * column));
      setAttr(pointed, "y", String(cell[0] * row));
    }
    onPoint(cell);
  }

  function cellUnder({ clientX, clientY }) {
    const box = canvas.getBoundingClientRect();
    const indexAt = (share) => Math.min(count - 1, Math.max(0, Math.floor(share * count)));
    return [indexAt((clientY - box.top) / box.height), indexAt((clientX - box.left) / box.width)];
  }

  canvas.addEventListener("pointermove", (event) => {
    const cell = cellUnder(event);
    if (cell.join() !== cursor?.join()) move(cell);
  });
  // Lifting a finger fires this too, but the tapped cell's text must stay readable.
  canvas.addEventListener("pointerleave", ({ pointerType }) => pointerType === "mouse" && move(null));
  canvas.addEventListener("blur", () => move(null));
  canvas.addEventListener("click", (event) => {
    move(cellUnder(event));
    onPair(cursor);
  });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (step)
      move(
        (cursor ?? [0, -step[1]]).map((coordinate, axis) => Math.min(count - 1, Math.max(0, coordinate + step[axis]))),
      );
    else if ((event.key === "Enter" || event.key === " ") && cursor) onPair(cursor);
    else return;
    event.preventDefault();
  });

  return {
    element: root,
    // share(a, b): from 0 to 1, of the classes at two positions; column, row: a cell's size in pixels
    draw(share, size, label) {
      [count, column, row] = [size.rows, size.column, size.row];
      const [width, height] = [count * column, count * row];
      for (const node of [root, canvas]) Object.assign(node.style, { width: `${width}px`, height: `${height}px` });
      setAttr(marks, "viewBox", `0 0 ${width} ${height}`);
      setAttr(pointed, "width", String(column));
      setAttr(pointed, "height", String(row));
      setAttr(canvas, "aria-label", label);
      const pixelRatio = devicePixelRatio;
      canvas.width = Math.round(width * pixelRatio);
      canvas.height = Math.round(height * pixelRatio);
      const dark = isDark(canvas);
      const gap = column * pixelRatio >= 6 ? 1 : 0;
      const [edges, levels] = [column, row].map((side) =>
        Array.from({ length: count + 1 }, (_, i) => Math.round(i * side * pixelRatio)),
      );
      for (let a = 0; a < count; a++)
        for (let b = 0; b < count; b++) {
          context.fillStyle = (a === b ? plainColour(dark) : sequentialColour(share(a, b), dark)).css;
          context.fillRect(edges[b], levels[a], edges[b + 1] - edges[b] - gap, levels[a + 1] - levels[a] - gap);
        }
      move(null);
    },
    // Outlines the pairs of the classes at these positions, in ascending order; adjacent positions share an outline.
    outline(positions) {
      const ranges = [];
      for (const position of positions) {
        if (ranges.length && ranges.at(-1)[1] === position) ranges.at(-1)[1] += 1;
        else ranges.push([position, position + 1]);
      }
      const box = (kind, [top, bottom], [left, right]) =>
        svgElement("rect", {
          class: kind,
          x: String(left * column),
          y: String(top * row),
          width: String((right - left) * column),
          height: String((bottom - top) * row),
        });
      const boxes = (kind) => ranges.flatMap((rows) => ranges.map((columns) => box(kind, rows, columns)));
      outlines.replaceChildren(...boxes("kd-heat-halo"), ...boxes("kd-heat-outline"));
    },
  };
}
