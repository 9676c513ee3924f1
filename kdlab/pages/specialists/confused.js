// Which classes are confused, and which specialist has which of them: the matrix, its dendrogram, and a column of dots
// for each specialist, all on the same rows.

import { button, element, put, textWidth, write } from "../../widgets/shared/dom.js";
import { HEAD, makeDots } from "./dots.js";
import { makeHeat } from "./heat.js";
import { layOut } from "./layout.js";
import { abbreviate } from "../../widgets/shared/names.js";
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
  const whose = element("p", { class: "kd-note kd-whose" });
  const other = element("p", { class: "kd-other", role: "status" });
  const tree = makeTree();
  const heat = makeHeat({ onPair: together, onPoint: (place) => point(place && { pair: place }) });
  const dots = makeDots({
    onToggle: (at, one) => edit(toggle(subsets(), at, one), at),
    onMove: (from, to, one) => edit(move(subsets(), from, to, one), to),
    onChoose: (at) => edit(null, at),
    onPoint: (place, from) => point(place && { place, from }),
  });
  const names = element("div", { class: "kd-class-names", "aria-hidden": "true" });
  const line = element("div", { class: "kd-row-line", hidden: true });
  const scroll = element("div", { class: "kd-dots-scroll" }, dots.element);
  const title = element("span", { class: "kd-dots-title" }, "Specialist");
  const rows = element("div", { class: "kd-rows" }, tree.element, heat.element, names, scroll, line, title);
  const hint = element("p", { class: "kd-note kd-hint", "aria-live": "polite" });
  const add = button("+ Add a specialist", "One more, without a class yet", () => {
    edit(extend(subsets()), subsets().length);
  });
  const less = button("", "", () => edit(remove(subsets(), chosen), chosen - 1));
  const found = button(
    "↺ As found",
    "Back to the clusters: Start finds them anew, as many and as large as the settings say",
    () => {
      edit(undefined, 0);
    },
  );
  const tools = element("div", { class: "kd-tools" }, add, less, found);
  const error = element("p", { class: "kd-error", role: "alert" });
  const ready = element("div", { class: "kd-ready" }, rows, hint, tools);
  const empty = element(
    "p",
    { class: "kd-note" },
    "There is no matrix yet: Start trains a generalist first, and here you see which classes it confuses.",
  );
  const title2 = element("h2", {}, "Which classes are confused");
  el.append(title2, whose, other, empty, ready, error);

  // Or JupyterLab takes the arrow keys and Enter for its notebook.
  el.addEventListener("focusin", ({ target }) => (target.dataset.lmSuppressShortcuts = "true"));
  el.addEventListener("keydown", (event) => event.stopPropagation());

  let chosen = 0; // the specialist that a pair is put into
  let matrix = null; // { names, order, joints, found, share, ranks }
  let size = null;

  const subsets = () => model.get("subsets") ?? matrix.found;

  // undefined: as they were found; null: only another specialist is chosen
  function edit(next, at) {
    if (next !== null) {
      model.set("subsets", next ?? null);
      model.save_changes();
    }
    chosen = Math.max(0, Math.min(subsets().length - 1, at));
    draw();
  }

  function together([a, b]) {
    const pair = [matrix.order[a], matrix.order[b]];
    edit(subsets().length ? include(subsets(), chosen, pair) : [[...new Set(pair)]], chosen);
  }

  function point(at) {
    line.hidden = !at || !size;
    write(hint, at && matrix ? tell(at) : HINT);
    if (line.hidden) return;
    Object.assign(line.style, { top: `${HEAD + (at.pair ?? at.place)[0] * size.row}px`, height: `${size.row}px` });
    if (at.place?.[0] < 0) line.hidden = true;
  }

  function tell({ pair, place, from }) {
    const name = (at) => matrix.names[matrix.order[at]];
    if (pair) {
      const [a, b] = pair;
      if (a === b) return `${name(a)}: click to put it into specialist ${chosen + 1}.`;
      const rank = matrix.ranks[matrix.order[a] * matrix.names.length + matrix.order[b]];
      return `${name(a)} and ${name(b)}: ${rankName(rank)} alike of ${matrix.pairs.toLocaleString("en")} pairs. Click to put both into specialist ${chosen + 1}.`;
    }
    const [row, at] = place;
    if (row < 0)
      return `Specialist ${at + 1}: ${
        subsets()
          [at]?.map((one) => matrix.names[one])
          .join(", ") || "no class yet"
      }. Click its number to choose it.`;
    if (from !== undefined)
      return from === at
        ? `${name(row)} stays in specialist ${at + 1}.`
        : `${name(row)} moves from specialist ${from + 1} to ${at + 1}.`;
    const inside = subsets()[at]?.includes(matrix.order[row]);
    return inside
      ? `${name(row)} is in specialist ${at + 1}: click takes it out, dragging moves it.`
      : `${name(row)} is not in specialist ${at + 1}: click puts it in.`;
  }

  function read() {
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
    pairs.sort((one, another) => values[another] - values[one]);
    const ranks = new Uint32Array(count * count);
    pairs.forEach((at, rank) => {
      ranks[at] = ranks[(at % count) * count + Math.floor(at / count)] = rank + 1;
    });
    const [least, most] = [values[pairs.at(-1)], values[pairs[0]]];
    const share = (a, b) => (values[order[a] * count + order[b]] - least) / (most - least || 1);
    matrix = { names: classes, order, joints, found, share, ranks, pairs: pairs.length };
    place(true);
  }

  // Finds room for all on the width there is, and draws what does not change with the subsets.
  function place(anew = false) {
    if (!matrix || !rows.clientWidth) return;
    const named = (letters) => textWidth(abbreviate(matrix.names, letters), 13);
    const next = layOut(rows.clientWidth, matrix.names, subsets().length, named);
    if (!anew && JSON.stringify(next) === JSON.stringify(size)) return;
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
    names.replaceChildren(...matrix.order.map((one) => element("span", { title: matrix.names[one] }, short[one])));
    draw();
  }

  function draw() {
    ready.hidden = !matrix;
    empty.hidden = Boolean(matrix);
    const { whose: origin = "", other: differs = "", complaint = "" } = model.get("words");
    write(whose, origin);
    write(other, differs);
    write(error, complaint);
    [whose.hidden, other.hidden, error.hidden] = [!origin, !differs, !complaint];
    if (!matrix || !size) return;
    const now = subsets();
    chosen = Math.max(0, Math.min(now.length - 1, chosen));
    dots.draw({ names: matrix.names, order: matrix.order, subsets: now, chosen, row: size.row, column: size.column });
    const places = matrix.order.flatMap((one, at) => (now[chosen]?.includes(one) ? [at] : []));
    heat.outline(places);
    write(less, `− Remove specialist ${chosen + 1}`);
    less.disabled = now.length < 2;
    less.title = less.disabled ? "There has to be one" : `Its classes stay in other specialists that have them`;
    found.disabled = model.get("subsets") === null;
    put(el, "data-edited", String(!found.disabled));
  }

  const resized = new ResizeObserver(() => place());
  resized.observe(rows);
  const redraw = () => {
    place();
    draw();
  };
  model.on("change:matrix", read); // the similarity comes before it, in the same message
  model.on("change:subsets change:words", redraw);
  write(hint, HINT);
  read();
  return () => {
    resized.disconnect();
    model.off("change:matrix", read);
    model.off("change:subsets change:words", redraw);
  };
}
