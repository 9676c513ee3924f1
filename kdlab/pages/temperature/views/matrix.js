// A soft confusion matrix on a canvas: the mean softened prediction of each true class. Cells react to the pointer,
// clicks and the arrow keys.

import { CELL_STYLES } from "./cells.js";
import { plainColour } from "../../../widgets/shared/colours.js";
import { element, formatShare, keepUntranslated, setText } from "../../../widgets/shared/dom.js";
import { abbreviate } from "../../../widgets/shared/names.js";
import { isDark } from "../../../widgets/shared/theme.js";

const LEGIBLE = 12; // maximum number of classes whose cells have room for text

export function makeMatrix({ title, kind = "share", onChoose, describe }) {
  const canvas = element("canvas", { class: "kd-cells", tabIndex: 0, role: "img", "aria-roledescription": "matrix" });
  const heading = element("h3", {}, title);
  const hint = element("p", { class: "kd-cell-hint", "aria-live": "polite" });
  const [columns, lines] = ["predicted", "true"].map((axis) =>
    keepUntranslated(element("div", { class: `kd-axis kd-axis-${axis}`, "aria-hidden": "true" })),
  );
  const [picked, pointed] = ["kd-chosen-cell", "kd-pointed-cell"].map((name) =>
    element("div", { class: name, hidden: true }),
  );
  const titles = [
    element("span", { class: "kd-axis kd-sideways" }, "true"),
    element("span", { class: "kd-axis" }, "predicted"),
  ];
  const cells = element("div", { class: "kd-cells-box" }, canvas, picked, pointed);
  const frame = element("div", { class: "kd-matrix-frame" }, titles[0], lines, cells, columns, titles[1]);
  const root = element("figure", { class: "kd-card kd-matrix" }, heading, frame, hint);
  const context = canvas.getContext("2d");
  const offscreen = document.createElement("canvas"); // one pixel per cell, for many classes
  let [classes, values, references, scale, chosen, cursor] = [[], null, null, "linear", null, null];
  let painted = []; // colour and text of each cell as drawn on the canvas
  let [side, dark] = [0, false];

  function paint() {
    const width = classes.length;
    if (!values || !side) return;
    const [colourOf, textOf] = CELL_STYLES[kind][scale];
    const colourOfCell = (index) => {
      const plain = index % (width + 1) === 0 || Number.isNaN(values[index]);
      return plain ? plainColour(dark) : colourOf(values[index], width, references?.[index], dark);
    };
    if (width > LEGIBLE) {
      const image = new ImageData(width, width);
      const pixels = new Uint32Array(image.data.buffer);
      for (let index = 0; index < width * width; index++) pixels[index] = colourOfCell(index).pixel;
      offscreen.width = offscreen.height = width;
      offscreen.getContext("2d").putImageData(image, 0, 0);
      context.imageSmoothingEnabled = false;
      context.drawImage(offscreen, 0, 0, canvas.width, canvas.height);
      return;
    }
    const cell = canvas.width / width;
    const gap = Math.max(1, devicePixelRatio);
    context.font = `${Math.min(12 * devicePixelRatio, cell * 0.38)}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (let index = 0; index < width * width; index++) {
      const colour = colourOfCell(index);
      const text = Number.isNaN(values[index]) ? "" : textOf(values[index], references?.[index]);
      const previous = painted[index];
      // From one T to the next most cells stay unchanged.
      if (previous && previous.colour === colour && previous.text === text) continue;
      painted[index] = { colour, text };
      const left = (index % width) * cell;
      const top = Math.floor(index / width) * cell;
      context.fillStyle = colour.css;
      context.fillRect(left, top, cell - gap, cell - gap);
      context.fillStyle = colour.ink;
      context.fillText(text, left + (cell - gap) / 2, top + (cell - gap) / 2 + gap / 2);
    }
  }

  function outline(mark, cell) {
    mark.hidden = !cell;
    if (!cell) return;
    const share = 100 / classes.length;
    Object.assign(mark.style, {
      left: `${cell.predicted * share}%`,
      top: `${cell.true * share}%`,
      width: `${share}%`,
      height: `${share}%`,
    });
  }

  // For another size or other colours of the page.
  function repaint() {
    dark = isDark(canvas);
    side = Math.round(canvas.clientWidth * devicePixelRatio);
    if (side && canvas.width !== side) canvas.width = canvas.height = side;
    context.clearRect(0, 0, canvas.width, canvas.height); // the gaps between the cells have no colour
    painted = [];
    paint();
  }
  new ResizeObserver(repaint).observe(canvas);

  function showHint() {
    const cell = cursor && cursor.true * classes.length + cursor.predicted;
    setText(
      hint,
      cursor
        ? `True ${classes[cursor.true]} → ${classes[cursor.predicted]}: ${describe(values[cell], references?.[cell], formatShare)}`
        : "Point at a cell, or click it.",
    );
  }

  function move(cell) {
    cursor = cell;
    showHint();
    outline(pointed, cursor);
  }

  function cellUnder({ clientX, clientY }) {
    const box = canvas.getBoundingClientRect();
    const indexAt = (offset, length) =>
      Math.min(classes.length - 1, Math.max(0, Math.floor((offset / length) * classes.length)));
    return { true: indexAt(clientY - box.top, box.height), predicted: indexAt(clientX - box.left, box.width) };
  }

  canvas.addEventListener("pointermove", (event) => {
    const cell = cellUnder(event);
    if (cursor?.true !== cell.true || cursor?.predicted !== cell.predicted) move(cell);
  });
  // Lifting a finger fires this too, but the tapped cell's text must stay readable.
  canvas.addEventListener("pointerleave", ({ pointerType }) => pointerType === "mouse" && move(null));
  canvas.addEventListener("blur", () => move(null));
  canvas.addEventListener("click", (event) => {
    move(cellUnder(event));
    onChoose(cursor);
  });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (step) {
      const from = cursor ?? chosen ?? { true: 0, predicted: 0 };
      const within = (value) => Math.min(classes.length - 1, Math.max(0, value));
      move({ true: within(from.true + step[0]), predicted: within(from.predicted + step[1]) });
    } else if ((event.key === "Enter" || event.key === " ") && cursor) onChoose(cursor);
    else return;
    event.preventDefault();
  });

  return {
    element: root,
    repaint,
    setClasses(names) {
      classes = names;
      const named = classes.length <= LEGIBLE;
      const short = abbreviate(classes, 10);
      const label = (index) => element("span", { title: classes[index] }, short[index]);
      const hasLongNames = classes.some((_, index) => classes[index].length > 2);
      columns.classList.toggle("kd-upright", named && hasLongNames);
      for (const axis of [columns, lines])
        axis.replaceChildren(...(named ? classes.map((_, index) => label(index)) : []));
      canvas.setAttribute(
        "aria-label",
        `${title}: ${classes.length} true classes by ${classes.length} predicted ones. Walk through it with the arrow keys, and press Enter to see a cell's examples.`,
      );
      [values, painted] = [null, []];
      context.clearRect(0, 0, canvas.width, canvas.height);
      move(null);
    },
    draw(shares, baseline, drawnScale, selected) {
      [values, references, scale, chosen] = [shares, baseline, drawnScale, selected];
      paint();
      outline(picked, chosen);
      if (cursor) showHint();
    },
    setTitle(text) {
      setText(heading, text);
    },
  };
}
