// Similar classes according to the teacher: a ranked list and a dendrogram that follow the temperature.

import { NAME_LETTERS } from "../../../widgets/shared/bars.js";
import {
  element,
  formatShare,
  keepUntranslated,
  setAttr,
  setText,
  svgElement,
  textWidth,
} from "../../../widgets/shared/dom.js";
import { linkage, similarPairs } from "../compute/similarity.js";
import { abbreviate } from "../../../widgets/shared/names.js";

const LISTED = 8;
const [LEAF, LEFT, RIGHT, AXIS] = [19, 92, 12, 30]; // pixels; LEFT is the minimum width of names

export function makeSimilarityView({ onChoose }) {
  const list = keepUntranslated(element("ol", { class: "kd-pairs" }));
  const rows = Array.from({ length: LISTED }, () => {
    const [names, share] = [element("span", {}), element("output", {})];
    const bar = element("div", { class: "kd-bar" });
    const pairButton = element("button", { type: "button" }, names, element("span", { class: "kd-track" }, bar), share);
    const listItem = element("li", {}, pairButton);
    const row = { listItem, names, bar, share, pairButton, pair: null };
    pairButton.addEventListener("click", () =>
      onChoose({ network: "teacher", true: row.pair[0], predicted: row.pair[1] }),
    );
    list.append(listItem);
    return row;
  });
  const svg = keepUntranslated(svgElement("svg", { class: "kd-tree", role: "img" }));
  const [branches, axis] = [svgElement("path", { class: "kd-branches" }), svgElement("g", {})];
  const leaves = svgElement("g", {});
  let labels = []; // of the leaves: { text, name, title }
  svg.append(axis, branches, leaves);
  const tree = element("div", { class: "kd-tree-box" }, svg);
  const root = element(
    "section",
    { class: "kd-card kd-similarity" },
    element("h3", {}, "Classes the teacher finds alike"),
    element(
      "p",
      { class: "kd-note" },
      "Mean share that one class gets when the other is true, both ways; and a tree that joins the most alike first (average linkage of −log₂ of that share).",
    ),
    list,
    tree,
  );
  let width = 0;
  let lastDrawn;
  new ResizeObserver(([{ contentRect }]) => {
    width = Math.round(contentRect.width);
    if (lastDrawn) draw(...lastDrawn);
  }).observe(tree);

  function drawAxis(step, farthest, height, x) {
    const layout = [farthest, height, width, x(0)].join();
    if (axis.dataset.layout === layout) return;
    axis.dataset.layout = layout;
    const bottom = height - AXIS;
    const ticks = Array.from({ length: farthest / step + 1 }, (_, i) => i * step);
    axis.replaceChildren(
      ...ticks.flatMap((tick) => {
        const position = String(x(tick));
        const line = svgElement("line", { class: "kd-grid", x1: position, x2: position, y1: "0", y2: String(bottom) });
        return [line, svgElement("text", { class: "kd-x", x: position, y: String(bottom + 13) }, String(tick))];
      }),
      svgElement("text", { class: "kd-x", x: String(x(farthest / 2)), y: String(height - 3) }, "distance, bits"),
    );
  }

  // The classes that have examples: their names, short names, width of names in pixels, and confusion matrix. The rows
  // of the other classes are NaN.
  function classesWithExamples(classes, confusion) {
    const withExamples = [...classes.keys()].filter((index) => !Number.isNaN(confusion[index * classes.length]));
    const short = abbreviate(classes, NAME_LETTERS);
    const left = Math.max(LEFT, textWidth(short) + 8);
    if (withExamples.length === classes.length || withExamples.length < 2) return [classes, short, left, confusion];
    const values = withExamples.flatMap((a) => withExamples.map((b) => confusion[a * classes.length + b]));
    return [
      withExamples.map((index) => classes[index]),
      withExamples.map((index) => short[index]),
      left,
      Float64Array.from(values),
    ];
  }

  function drawTree(classes, short, left, confusion) {
    const merges = linkage(confusion, classes.length);
    const count = classes.length;
    // Leaves from top to bottom; the branch with the earlier class comes first, so that branches seldom swap.
    const leafOrder = (cluster) => {
      if (cluster < count) return [cluster];
      const sides = merges[cluster - count].slice(0, 2).map(leafOrder);
      return sides.sort((a, b) => Math.min(...a) - Math.min(...b)).flat();
    };
    const order = leafOrder(2 * count - 2);
    const height = LEAF * count + AXIS;
    setAttr(svg, "height", String(height));
    setAttr(
      svg,
      "aria-label",
      `Tree of ${count} classes. First joined: ${merges
        .slice(0, 3)
        .map(([a, b]) => [a, b].map((index) => classes[index] ?? "a group").join(" and "))
        .join("; ")}.`,
    );
    const lastDistance = merges.at(-1)[2];
    const step = lastDistance > 12 ? 5 : lastDistance > 5 ? 2 : 1;
    // Rounded up, so that most moves of the slider keep the axis.
    const farthest = step * Math.max(1, Math.ceil(lastDistance / step));
    const x = (distance) => left + ((width - left - RIGHT) * distance) / farthest;
    const positions = new Float64Array(2 * count - 1);
    const depths = new Float64Array(2 * count - 1);
    order.forEach((cluster, row) => (positions[cluster] = LEAF * (row + 0.5)));
    const paths = merges.map(([a, b, distance], index) => {
      positions[count + index] = (positions[a] + positions[b]) / 2;
      depths[count + index] = distance;
      return `M${x(depths[a]).toFixed(1)} ${positions[a].toFixed(1)}H${x(distance).toFixed(1)}V${positions[b].toFixed(1)}H${x(depths[b]).toFixed(1)}`;
    });
    branches.setAttribute("d", paths.join(""));
    if (labels.length !== count) {
      labels = classes.map(() => {
        const [name, title] = [svgElement("tspan"), svgElement("title")];
        return { text: svgElement("text", {}, title, name), name, title };
      });
      leaves.replaceChildren(...labels.map(({ text }) => text));
    }
    labels.forEach(({ text, name, title }, index) => {
      setText(name, short[index]);
      setText(title, classes[index]);
      setAttr(text, "x", String(left - 6));
      setAttr(text, "y", String(positions[index] + 4));
    });
    drawAxis(step, farthest, height, x);
  }

  function draw(classes, confusion) {
    lastDrawn = [classes, confusion];
    const pairs = similarPairs(confusion, classes.length, LISTED);
    const short = abbreviate(classes, 14);
    rows.forEach(({ listItem, names, bar, share, pairButton }, index) => {
      listItem.hidden = index >= pairs.length;
      if (listItem.hidden) return;
      const [a, b, similarity] = (rows[index].pair = pairs[index]);
      setText(names, `${short[a]} – ${short[b]}`);
      setAttr(pairButton, "title", `${classes[a]} – ${classes[b]}`);
      bar.style.transform = `scaleX(${similarity / (pairs[0][2] || 1)})`;
      setText(share, formatShare(similarity));
    });
    if (width) drawTree(...classesWithExamples(classes, confusion));
  }
  return { element: root, draw };
}
