// A dendrogram that lies on its side: its leaves are the rows, its root is at the left.

import { drawing, put } from "../../widgets/shared/dom.js";

export function makeTree() {
  const branches = drawing("path", { class: "kd-joints" });
  const svg = drawing("svg", { class: "kd-dendrogram", "aria-hidden": "true" }, branches);
  return {
    element: svg,
    // joints: [places, heights] of four points each; a place counts rows, a height goes from 0 to 1
    draw(joints, { rows, row, width }) {
      put(svg, "width", String(width));
      put(svg, "height", String(rows * row));
      const x = (height) => (1 + (width - 2) * (1 - height)).toFixed(1);
      const y = (place) => ((place + 0.5) * row).toFixed(1);
      const path = joints.map(
        ([places, heights]) => `M${places.map((place, at) => `${x(heights[at])} ${y(place)}`).join("L")}`,
      );
      put(branches, "d", path.join(""));
    },
  };
}
