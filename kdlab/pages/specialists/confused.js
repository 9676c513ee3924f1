// The editor of specialists: the similarity matrix, its dendrogram, and a column of dots for each specialist, all on
// the same rows.

import { button, element, keepUntranslated, setAttr, setText, textWidth } from "../../widgets/shared/dom.js";
import { HEAD, makeDots } from "./dots.js";
import { makeHeat } from "./heat.js";
import { layOut } from "./layout.js";
import { abbreviate } from "../../widgets/shared/names.js";
import { watchTheme } from "../../widgets/shared/theme.js";
import { extend, include, move, remove, toggle } from "./subsets.js";
import { makeTree } from "./tree.js";

const HINT =
  "Click a dot to put a class in or take it out; drag it to another column. Click a cell of the matrix to put both its classes into the chosen specialist, whose number is marked.";

// 1 → "most", 2 → "2nd most"
function rankName(rank) {
  const ending = rank % 100 > 10 && rank % 100 < 14 ? "th" : ({ 1: "st", 2: "nd", 3: "rd" }[rank % 10] ?? "th");
  return rank === 1 ? "most" : `${rank}${ending} most`;
}

export function render({ model, el }) {
  el.classList.add("kd-confused");
  const originLine = element("p", { class: "kd-note kd-matrix-origin" });
  const staleLine = element("p", { class: "kd-stale-notice", role: "status" });
  const tree = makeTree();
  const heat = makeHeat({ onPair: includePair, onPoint: (cell) => showHint(cell && { pair: cell }) });
  const dots = makeDots({
    onToggle: (specialist, member) => edit(toggle(subsets(), specialist, member), specialist),
    onMove: (from, to, member) => edit(move(subsets(), from, to, member), to),
    onChoose: (specialist) => edit(null, specialist),
    onPoint: (cell, from) => showHint(cell && { cell, from }),
  });
  const names = keepUntranslated(element("div", { class: "kd-class-names", "aria-hidden": "true" }));
  const rowHighlight = element("div", { class: "kd-row-line", hidden: true });
  const scroll = element("div", { class: "kd-dots-scroll" }, dots.element);
  const dotsTitle = element("span", { class: "kd-dots-title" }, "Specialist");
  const rows = element("div", { class: "kd-rows" }, tree.element, heat.element, names, scroll, rowHighlight, dotsTitle);
  const hint = element("p", { class: "kd-note kd-hint", "aria-live": "polite" });
  const addButton = button("+ Add a specialist", "One more, without a class yet", () => {
    edit(extend(subsets()), subsets().length);
  });
  const removeButton = button("", "", () => edit(remove(subsets(), chosen), chosen - 1));
  const resetButton = button(
    "↺ As found",
    "Back to the clusters: Start finds them anew, as many and as large as the settings say",
    () => {
      edit(undefined, 0);
    },
  );
  const tools = element("div", { class: "kd-tools" }, addButton, removeButton, resetButton);
  const errorLine = element("p", { class: "kd-error", role: "alert" });
  const content = element("div", { class: "kd-editor" }, rows, hint, tools);
  const empty = element(
    "p",
    { class: "kd-note" },
    "There is no matrix yet: Start trains a generalist first, and here you see which classes it confuses.",
  );
  const heading = element("h2", {}, "Which classes are confused");
  el.append(heading, originLine, staleLine, empty, content, errorLine);

  // Otherwise JupyterLab handles the arrow keys and Enter in its notebook.
  el.addEventListener("focusin", ({ target }) => (target.dataset.lmSuppressShortcuts = "true"));
  el.addEventListener("keydown", (event) => event.stopPropagation());

  let chosen = 0; // index of the selected specialist, which a clicked pair is added to
  let matrix = null; // { names, order, joints, found, share, ranks }
  let size = null;

  const subsets = () => model.get("subsets") ?? matrix.found;

  // undefined: reset to the found clusters; null: only the selection changes
  function edit(next, specialist) {
    if (next !== null) {
      model.set("subsets", next ?? null);
      model.save_changes();
    }
    chosen = Math.max(0, Math.min(subsets().length - 1, specialist));
    draw();
  }

  function includePair([a, b]) {
    const pair = [matrix.order[a], matrix.order[b]];
    edit(subsets().length ? include(subsets(), chosen, pair) : [[...new Set(pair)]], chosen);
  }

  function showHint(target) {
    rowHighlight.hidden = !target || !size;
    setText(hint, target && matrix ? hintFor(target) : HINT);
    if (rowHighlight.hidden) return;
    Object.assign(rowHighlight.style, {
      top: `${HEAD + (target.pair ?? target.cell)[0] * size.row}px`,
      height: `${size.row}px`,
    });
    if (target.cell?.[0] < 0) rowHighlight.hidden = true;
  }

  function hintFor({ pair, cell, from }) {
    const name = (index) => matrix.names[matrix.order[index]];
    if (pair) {
      const [a, b] = pair;
      if (a === b) return `${name(a)}: click to put it into specialist ${chosen + 1}.`;
      const rank = matrix.ranks[matrix.order[a] * matrix.names.length + matrix.order[b]];
      return `${name(a)} and ${name(b)}: ${rankName(rank)} alike of ${matrix.pairs.toLocaleString("en")} pairs. Click to put both into specialist ${chosen + 1}.`;
    }
    const [row, specialist] = cell;
    if (row < 0)
      return `Specialist ${specialist + 1}: ${
        subsets()
          [specialist]?.map((member) => matrix.names[member])
          .join(", ") || "no class yet"
      }. Click its number to choose it.`;
    if (from !== undefined)
      return from === specialist
        ? `${name(row)} stays in specialist ${specialist + 1}.`
        : `${name(row)} moves from specialist ${from + 1} to ${specialist + 1}.`;
    const inside = subsets()[specialist]?.includes(matrix.order[row]);
    return inside
      ? `${name(row)} is in specialist ${specialist + 1}: click takes it out, dragging moves it.`
      : `${name(row)} is not in specialist ${specialist + 1}: click puts it in.`;
  }

  function readMatrix() {
    const { classes = [], order = [], joints = [], found = [] } = model.get("matrix");
    chosen = 0;
    if (!classes.length) {
      matrix = null;
      draw();
      return;
    }
    const view = model.get("similarity");
    const values = new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
    const count = classes.length;
    const pairs = [];
    for (let a = 0; a < count; a++) for (let b = a + 1; b < count; b++) pairs.push(a * count + b);
    pairs.sort((first, second) => values[second] - values[first]);
    const ranks = new Uint32Array(count * count);
    pairs.forEach((cell, rank) => {
      ranks[cell] = ranks[(cell % count) * count + Math.floor(cell / count)] = rank + 1;
    });
    const [lowest, highest] = [values[pairs.at(-1)], values[pairs[0]]];
    const share = (a, b) => (values[order[a] * count + order[b]] - lowest) / (highest - lowest || 1);
    matrix = { names: classes, order, joints, found, share, ranks, pairs: pairs.length };
    updateLayout(true);
  }

  // Fits all parts into the available width, and draws those that do not depend on the subsets.
  function updateLayout(force = false) {
    if (!matrix || !rows.clientWidth) return;
    const widthOfNames = (letters) => textWidth(abbreviate(matrix.names, letters), 13);
    const next = layOut(rows.clientWidth, matrix.names, subsets().length, widthOfNames);
    if (!force && JSON.stringify(next) === JSON.stringify(size)) return;
    size = next;
    const shown = { rows: matrix.order.length, row: size.row, column: size.cell, width: size.tree };
    rows.style.setProperty("--kd-head", `${HEAD}px`);
    tree.draw(matrix.joints, shown);
    const label = `How alike ${matrix.names.length} classes are to the generalist. Walk through the pairs with the arrow keys; Enter puts both classes into the chosen specialist.`;
    heat.draw(matrix.share, shown, label);
    names.hidden = !size.names;
    names.style.width = `${size.names}px`;
    names.style.gridAutoRows = `${size.row}px`;
    names.style.fontSize = `${Math.min(13, Math.max(9, size.row - 3))}px`;
    const short = abbreviate(matrix.names, size.letters);
    names.replaceChildren(
      ...matrix.order.map((member) => element("span", { title: matrix.names[member] }, short[member])),
    );
    draw();
  }

  function draw() {
    content.hidden = !matrix;
    empty.hidden = Boolean(matrix);
    const { origin = "", stale = "", error = "" } = model.get("texts");
    setText(originLine, origin);
    setText(staleLine, stale);
    setText(errorLine, error);
    [originLine.hidden, staleLine.hidden, errorLine.hidden] = [!origin, !stale, !error];
    if (!matrix || !size) return;
    const current = subsets();
    chosen = Math.max(0, Math.min(current.length - 1, chosen));
    dots.draw({
      names: matrix.names,
      order: matrix.order,
      subsets: current,
      chosen,
      row: size.row,
      column: size.column,
    });
    const positions = matrix.order.flatMap((member, row) => (current[chosen]?.includes(member) ? [row] : []));
    heat.outline(positions);
    setText(removeButton, `− Remove specialist ${chosen + 1}`);
    removeButton.disabled = current.length < 2;
    removeButton.title = removeButton.disabled
      ? "There has to be one"
      : `Its classes stay in other specialists that have them`;
    resetButton.disabled = model.get("subsets") === null;
    setAttr(el, "data-edited", String(!resetButton.disabled));
  }

  const resized = new ResizeObserver(() => updateLayout());
  resized.observe(rows);
  const unwatchTheme = watchTheme(() => updateLayout(true));
  const redraw = () => {
    updateLayout();
    draw();
  };
  model.on("change:matrix", readMatrix); // `similarity` is set earlier, in the same message
  model.on("change:subsets change:texts", redraw);
  setText(hint, HINT);
  readMatrix();
  return () => {
    resized.disconnect();
    unwatchTheme();
    model.off("change:matrix", readMatrix);
    model.off("change:subsets change:texts", redraw);
  };
}
