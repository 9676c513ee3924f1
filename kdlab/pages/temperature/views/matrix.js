// A soft confusion matrix as a canvas: each true class's mean softened prediction. Cells can be pointed at, clicked, and
// walked through with the arrow keys.

import { WAYS } from "./cells.js";
import { PALE } from "../../../widgets/shared/colours.js";
import { element, formatShare, write } from "../../../widgets/shared/dom.js";
import { abbreviate } from "../../../widgets/shared/names.js";

const LEGIBLE = 12; // classes up to which a cell has room for its number

export function makeMatrix({ title, kind = "share", onChoose, describe }) {
  const canvas = element("canvas", { class: "kd-cells", tabIndex: 0, role: "img", "aria-roledescription": "matrix" });
  const heading = element("h3", {}, title);
  const hint = element("p", { class: "kd-cell-hint", "aria-live": "polite" });
  const columns = element("div", { class: "kd-axis kd-axis-predicted", "aria-hidden": "true" });
  const lines = element("div", { class: "kd-axis kd-axis-true", "aria-hidden": "true" });
  const [picked, pointed] = ["kd-picked", "kd-pointed"].map((name) => element("div", { class: name, hidden: true }));
  const titles = [
    element("span", { class: "kd-axis kd-sideways" }, "true"),
    element("span", { class: "kd-axis" }, "predicted"),
  ];
  const cells = element("div", { class: "kd-cells-box" }, canvas, picked, pointed);
  const frame = element("div", { class: "kd-matrix-frame" }, titles[0], lines, cells, columns, titles[1]);
  const root = element("figure", { class: "kd-card kd-matrix" }, heading, frame, hint);
  const pen = canvas.getContext("2d");
  const small = document.createElement("canvas"); // one pixel a cell, for many classes
  let [classes, values, others, scale, chosen, cursor] = [[], null, null, "linear", null, null];
  let painted = []; // colour and text of each cell as they are on the canvas
  let side = 0;

  function paint() {
    const width = classes.length;
    if (!values || !side) return;
    const [colourOf, textOf] = WAYS[kind][scale];
    const look = (at) => {
      const plain = at % (width + 1) === 0 || Number.isNaN(values[at]);
      return plain ? PALE : colourOf(values[at], width, others?.[at]);
    };
    if (width > LEGIBLE) {
      const image = new ImageData(width, width);
      const pixels = new Uint32Array(image.data.buffer);
      for (let at = 0; at < width * width; at++) pixels[at] = look(at).pixel;
      small.width = small.height = width;
      small.getContext("2d").putImageData(image, 0, 0);
      pen.imageSmoothingEnabled = false;
      pen.drawImage(small, 0, 0, canvas.width, canvas.height);
      return;
    }
    const cell = canvas.width / width;
    const gap = Math.max(1, devicePixelRatio);
    pen.font = `${Math.min(12 * devicePixelRatio, cell * 0.38)}px system-ui, sans-serif`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    for (let at = 0; at < width * width; at++) {
      const colour = look(at);
      const text = Number.isNaN(values[at]) ? "" : textOf(values[at], others?.[at]);
      const before = painted[at];
      if (before && before.colour === colour && before.text === text) continue; // most cells, from one T to the next
      painted[at] = { colour, text };
      const left = (at % width) * cell;
      const top = Math.floor(at / width) * cell;
      pen.fillStyle = colour.css;
      pen.fillRect(left, top, cell - gap, cell - gap);
      pen.fillStyle = colour.ink;
      pen.fillText(text, left + (cell - gap) / 2, top + (cell - gap) / 2 + gap / 2);
    }
  }

  function outline(mark, place) {
    mark.hidden = !place;
    if (!place) return;
    const share = 100 / classes.length;
    Object.assign(mark.style, {
      left: `${place.predicted * share}%`,
      top: `${place.true * share}%`,
      width: `${share}%`,
      height: `${share}%`,
    });
  }

  function resize() {
    side = Math.round(canvas.clientWidth * devicePixelRatio);
    if (side && canvas.width !== side) canvas.width = canvas.height = side;
    painted = [];
    paint();
  }
  new ResizeObserver(resize).observe(canvas);

  function tell() {
    const at = cursor && cursor.true * classes.length + cursor.predicted;
    hint.textContent = cursor
      ? `True ${classes[cursor.true]} → ${classes[cursor.predicted]}: ${describe(values[at], others?.[at], formatShare)}`
      : "Point at a cell, or click it.";
  }

  function move(place) {
    cursor = place;
    tell();
    outline(pointed, cursor);
  }

  function under({ clientX, clientY }) {
    const box = canvas.getBoundingClientRect();
    const at = (offset, length) =>
      Math.min(classes.length - 1, Math.max(0, Math.floor((offset / length) * classes.length)));
    return { true: at(clientY - box.top, box.height), predicted: at(clientX - box.left, box.width) };
  }

  canvas.addEventListener("pointermove", (event) => {
    const place = under(event);
    if (cursor?.true !== place.true || cursor?.predicted !== place.predicted) move(place);
  });
  // A finger that is lifted leaves too, but what it tapped is to be read.
  canvas.addEventListener("pointerleave", ({ pointerType }) => pointerType === "mouse" && move(null));
  canvas.addEventListener("blur", () => move(null));
  canvas.addEventListener("click", (event) => {
    move(under(event));
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
    setClasses(names) {
      classes = names;
      const named = classes.length <= LEGIBLE;
      const short = abbreviate(classes, 10);
      const label = (at) => element("span", { title: classes[at] }, short[at]);
      const long = classes.some((_, at) => classes[at].length > 2);
      columns.classList.toggle("kd-upright", named && long);
      for (const axis of [columns, lines]) axis.replaceChildren(...(named ? classes.map((_, at) => label(at)) : []));
      canvas.setAttribute(
        "aria-label",
        `${title}: ${classes.length} true classes by ${classes.length} predicted ones. Walk through it with the arrow keys, and press Enter to see a cell's examples.`,
      );
      [values, painted] = [null, []];
      pen.clearRect(0, 0, canvas.width, canvas.height);
      move(null);
    },
    draw(shares, baseline, drawnScale, place) {
      [values, others, scale, chosen] = [shares, baseline, drawnScale, place];
      paint();
      outline(picked, chosen);
      if (cursor) tell();
    },
    setTitle(text) {
      write(heading, text);
    },
  };
}
