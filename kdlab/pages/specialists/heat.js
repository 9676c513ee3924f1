// How alike two classes are, as a matrix in the dendrogram's order. A cell is a pair: pointed at, clicked, or walked to
// with the arrow keys.

import { PALE, amount } from "../../widgets/shared/colours.js";
import { drawing, element, put } from "../../widgets/shared/dom.js";

export function makeHeat({ onPair, onPoint }) {
  const canvas = element("canvas", {
    class: "kd-heat-cells",
    tabIndex: 0,
    role: "img",
    "aria-roledescription": "matrix",
  });
  const [own, pointed] = [drawing("g", {}), drawing("rect", { class: "kd-heat-pointed" })];
  const marks = drawing("svg", { class: "kd-heat-marks", "aria-hidden": "true" }, own, pointed);
  const root = element("div", { class: "kd-heat" }, canvas, marks);
  const pen = canvas.getContext("2d");
  let [count, column, row, cursor] = [0, 0, 0, null];

  function move(place) {
    cursor = place;
    put(pointed, "visibility", place ? "visible" : "hidden");
    if (place) {
      put(pointed, "x", String(place[1] * column));
      put(pointed, "y", String(place[0] * row));
    }
    onPoint(place);
  }

  function under({ clientX, clientY }) {
    const box = canvas.getBoundingClientRect();
    const at = (share) => Math.min(count - 1, Math.max(0, Math.floor(share * count)));
    return [at((clientY - box.top) / box.height), at((clientX - box.left) / box.width)];
  }

  canvas.addEventListener("pointermove", (event) => {
    const place = under(event);
    if (place.join() !== cursor?.join()) move(place);
  });
  // A finger that is lifted leaves too, but what it tapped is to be read.
  canvas.addEventListener("pointerleave", ({ pointerType }) => pointerType === "mouse" && move(null));
  canvas.addEventListener("blur", () => move(null));
  canvas.addEventListener("click", (event) => {
    move(under(event));
    onPair(cursor);
  });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (step) move((cursor ?? [0, -step[1]]).map((at, axis) => Math.min(count - 1, Math.max(0, at + step[axis]))));
    else if ((event.key === "Enter" || event.key === " ") && cursor) onPair(cursor);
    else return;
    event.preventDefault();
  });

  return {
    element: root,
    // share(a, b): from 0 to 1, of the classes at two places; column, row: a cell's size in pixels
    draw(share, size, label) {
      [count, column, row] = [size.rows, size.column, size.row];
      const [width, height] = [count * column, count * row];
      for (const one of [root, canvas]) Object.assign(one.style, { width: `${width}px`, height: `${height}px` });
      put(marks, "viewBox", `0 0 ${width} ${height}`);
      put(pointed, "width", String(column));
      put(pointed, "height", String(row));
      put(canvas, "aria-label", label);
      const sharp = devicePixelRatio;
      canvas.width = Math.round(width * sharp);
      canvas.height = Math.round(height * sharp);
      const gap = column * sharp >= 6 ? 1 : 0;
      const [edges, levels] = [column, row].map((side) =>
        Array.from({ length: count + 1 }, (_, at) => Math.round(at * side * sharp)),
      );
      for (let a = 0; a < count; a++)
        for (let b = 0; b < count; b++) {
          pen.fillStyle = (a === b ? PALE : amount(share(a, b))).css;
          pen.fillRect(edges[b], levels[a], edges[b + 1] - edges[b] - gap, levels[a + 1] - levels[a] - gap);
        }
      move(null);
    },
    // Outlines the pairs of the classes at these places, in rising order; neighbours share an outline.
    outline(places) {
      const runs = [];
      for (const place of places) {
        if (runs.length && runs.at(-1)[1] === place) runs.at(-1)[1] += 1;
        else runs.push([place, place + 1]);
      }
      const box = (kind, [top, bottom], [left, right]) =>
        drawing("rect", {
          class: kind,
          x: String(left * column),
          y: String(top * row),
          width: String((right - left) * column),
          height: String((bottom - top) * row),
        });
      const boxes = (kind) => runs.flatMap((rows) => runs.map((columns) => box(kind, rows, columns)));
      own.replaceChildren(...boxes("kd-heat-halo"), ...boxes("kd-heat-own"));
    },
  };
}
