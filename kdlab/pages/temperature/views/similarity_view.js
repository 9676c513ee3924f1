// Which classes the teacher finds alike: a ranked list and a dendrogram, moving with the temperature.

import { LETTERS } from "../../../widgets/shared/bars.js";
import { drawing, element, formatShare, put, textWidth, write } from "../../../widgets/shared/dom.js";
import { linkage, similarPairs } from "../compute/similarity.js";
import { abbreviate } from "../../../widgets/shared/names.js";

const LISTED = 8;
const [LEAF, LEFT, RIGHT, AXIS] = [19, 92, 12, 30]; // LEFT: where names are short

export function makeAlike({ onChoose }) {
  const list = element("ol", { class: "kd-pairs" });
  const rows = Array.from({ length: LISTED }, () => {
    const [names, share] = [element("span", {}), element("output", {})];
    const bar = element("div", { class: "kd-bar" });
    const press = element("button", { type: "button" }, names, element("span", { class: "kd-track" }, bar), share);
    const item = element("li", {}, press);
    const row = { item, names, bar, share, press, pair: null };
    press.addEventListener("click", () => onChoose({ network: "teacher", true: row.pair[0], predicted: row.pair[1] }));
    list.append(item);
    return row;
  });
  const svg = drawing("svg", { class: "kd-tree", role: "img" });
  const [branches, axis] = [drawing("path", { class: "kd-branches" }), drawing("g", {})];
  const leaves = drawing("g", {});
  svg.append(axis, branches, leaves);
  const tree = element("div", { class: "kd-tree-box" }, svg);
  const root = element(
    "section",
    { class: "kd-card kd-alike" },
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
  let last;
  new ResizeObserver(([{ contentRect }]) => {
    width = Math.round(contentRect.width);
    if (last) draw(...last);
  }).observe(tree);

  function drawAxis(step, farthest, height, x) {
    const layout = [farthest, height, width, x(0)].join();
    if (axis.dataset.layout === layout) return;
    axis.dataset.layout = layout;
    const bottom = height - AXIS;
    const ticks = Array.from({ length: farthest / step + 1 }, (_, at) => at * step);
    axis.replaceChildren(
      ...ticks.flatMap((tick) => {
        const at = String(x(tick));
        const line = drawing("line", { class: "kd-grid", x1: at, x2: at, y1: "0", y2: String(bottom) });
        return [line, drawing("text", { class: "kd-x", x: at, y: String(bottom + 13) }, String(tick))];
      }),
      drawing("text", { class: "kd-x", x: String(x(farthest / 2)), y: String(height - 3) }, "distance, bits"),
    );
  }

  // Names, short names, their room in pixels and the matrix of the classes that have examples: of the others nothing is
  // known.
  function known(classes, confusion) {
    const kept = [...classes.keys()].filter((at) => !Number.isNaN(confusion[at * classes.length]));
    const short = abbreviate(classes, LETTERS);
    const left = Math.max(LEFT, textWidth(short) + 8);
    if (kept.length === classes.length || kept.length < 2) return [classes, short, left, confusion];
    const values = kept.flatMap((a) => kept.map((b) => confusion[a * classes.length + b]));
    return [kept.map((at) => classes[at]), kept.map((at) => short[at]), left, Float64Array.from(values)];
  }

  function drawTree(classes, short, left, confusion) {
    const merges = linkage(confusion, classes.length);
    const count = classes.length;
    // Leaves from top to bottom; of two branches that with the earlier class comes first, so that they seldom change places.
    const leafOrder = (cluster) => {
      if (cluster < count) return [cluster];
      const sides = merges[cluster - count].slice(0, 2).map(leafOrder);
      return sides.sort((a, b) => Math.min(...a) - Math.min(...b)).flat();
    };
    const order = leafOrder(2 * count - 2);
    const height = LEAF * count + AXIS;
    put(svg, "height", String(height));
    put(
      svg,
      "aria-label",
      `Tree of ${count} classes. First joined: ${merges
        .slice(0, 3)
        .map(([a, b]) => [a, b].map((at) => classes[at] ?? "a group").join(" and "))
        .join("; ")}.`,
    );
    const last = merges.at(-1)[2];
    const step = last > 12 ? 5 : last > 5 ? 2 : 1;
    const farthest = step * Math.max(1, Math.ceil(last / step)); // the axis stands still for most moves of the slider
    const x = (distance) => left + ((width - left - RIGHT) * distance) / farthest;
    const places = new Float64Array(2 * count - 1);
    const depths = new Float64Array(2 * count - 1);
    order.forEach((cluster, row) => (places[cluster] = LEAF * (row + 0.5)));
    const paths = merges.map(([a, b, distance], at) => {
      places[count + at] = (places[a] + places[b]) / 2;
      depths[count + at] = distance;
      return `M${x(depths[a]).toFixed(1)} ${places[a].toFixed(1)}H${x(distance).toFixed(1)}V${places[b].toFixed(1)}H${x(depths[b]).toFixed(1)}`;
    });
    branches.setAttribute("d", paths.join(""));
    if (leaves.childElementCount !== count)
      leaves.replaceChildren(...classes.map(() => drawing("text", {}, "", drawing("title"))));
    classes.forEach((name, at) => {
      const label = leaves.children[at];
      write(label, short[at]);
      write(label.lastChild, name);
      put(label, "x", String(left - 6));
      put(label, "y", String(places[at] + 4));
    });
    drawAxis(step, farthest, height, x);
  }

  function draw(classes, confusion) {
    last = [classes, confusion];
    const pairs = similarPairs(confusion, classes.length, LISTED);
    const short = abbreviate(classes, 14);
    rows.forEach(({ item, names, bar, share, press }, at) => {
      item.hidden = at >= pairs.length;
      if (item.hidden) return;
      const [a, b, similarity] = (rows[at].pair = pairs[at]);
      write(names, `${short[a]} – ${short[b]}`);
      put(press, "title", `${classes[a]} – ${classes[b]}`);
      bar.style.transform = `scaleX(${similarity / (pairs[0][2] || 1)})`;
      write(share, formatShare(similarity));
    });
    if (width) drawTree(...known(classes, confusion));
  }
  return { element: root, draw };
}
