// A horizontal dendrogram: its leaves are the rows, its root is at the left.

import { setAttr, svgElement } from "../../widgets/shared/dom.js";

export function makeTree() {
  const branches = svgElement("path", { class: "kd-dendrogram-lines" });
  const svg = svgElement("svg", { class: "kd-dendrogram", "aria-hidden": "true" }, branches);
  return {
    element: svg,
    // joints: [positions, heights] of four points each; a position counts rows, a height is from 0 to 1
    draw(joints, { rows, row, width }) {
      setAttr(svg, "width", String(width));
      setAttr(svg, "height", String(rows * row));
      const x = (height) => (1 + (width - 2) * (1 - height)).toFixed(1);
      const y = (position) => ((position + 0.5) * row).toFixed(1);
      const path = joints.map(
        ([positions, heights]) => `M${positions.map((position, i) => `${x(heights[i])} ${y(position)}`).join("L")}`,
      );
      setAttr(branches, "d", path.join(""));
    },
  };
}
