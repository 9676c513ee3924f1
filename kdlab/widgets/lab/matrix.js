// A soft confusion matrix as a canvas: each true class's mean softened prediction. Cells can be pointed at, clicked, and
// walked through with the arrow keys.

import { amount, difference, ink } from "./colours.js";
import { element, formatShare } from "./dom.js";

const LEGIBLE = 12; // classes up to which a cell has room for its number
const FAINTEST = 6; // decades of the log scale
const PALE = [232, 236, 241]; // right answers: a plain number, as their colour would drown all else

const percent = (share) => {
  const value = 100 * share;
  return value >= 99.5 ? "100" : value >= 9.95 ? value.toFixed(0) : value >= 0.95 ? value.toFixed(1) : value >= 0.05 ? value.toFixed(1).slice(1) : "";
};
const exponent = (share) => (share >= 0.0005 ? percent(share) : share > 0 ? String(Math.floor(Math.log10(share))).replace("-", "⁻").replace(/\d/g, (d) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[d]) : "");

// How one cell is coloured and what it says; `share` and `other` are means of softened predictions.
const WAYS = {
  share: {
    linear: (share, classes) => [amount((share * classes) / 2), percent(share)],
    log: (share) => [amount(1 + Math.log10(share) / FAINTEST), exponent(share)],
  },
  difference: {
    linear: (share, classes, other) => {
      const points = 100 * (share - other);
      const text = Math.abs(points) < 0.05 ? "" : (points > 0 ? "+" : "−") + (Math.abs(points) >= 9.95 ? Math.abs(points).toFixed(0) : Math.abs(points).toFixed(1).replace(/^0/, ""));
      return [difference((points / 100) * classes), text];
    },
    log: (share, _, other) => {
      const ratio = share / other;
      const times = Math.max(ratio, 1 / ratio);
      const text = !Number.isFinite(times) || times < 1.05 ? "" : (ratio > 1 ? "×" : "÷") + (times >= 99.5 ? "99⁺" : times >= 9.95 ? times.toFixed(0) : times.toFixed(1));
      return [difference(Number.isFinite(times) ? Math.log10(ratio) / 2 : 0), text];
    },
  },
};

export function makeMatrix({ title, kind = "share", onChoose, describe }) {
  const canvas = element("canvas", { class: "kd-cells", tabIndex: 0, role: "img", "aria-roledescription": "matrix" });
  const heading = element("h3", {}, title);
  const hint = element("p", { class: "kd-cell-hint", "aria-live": "polite" });
  const columns = element("div", { class: "kd-axis kd-axis-predicted", "aria-hidden": "true" });
  const lines = element("div", { class: "kd-axis kd-axis-true", "aria-hidden": "true" });
  const frame = element("div", { class: "kd-matrix-frame" }, lines, canvas, columns);
  const root = element("figure", { class: "kd-card kd-matrix" }, heading, frame, hint);
  const pen = canvas.getContext("2d");
  const small = document.createElement("canvas"); // one pixel a cell, for many classes
  let [classes, values, others, scale, chosen, cursor] = [[], null, null, "linear", null, null];
  let side = 0;

  function name(at) {
    return [...classes[at]].length > 10 ? `${[...classes[at]].slice(0, 9).join("")}…` : classes[at];
  }

  function paint() {
    const width = classes.length;
    if (!values || !side) return;
    const way = WAYS[kind][scale];
    const look = (at) => {
      const [colour, text] = way(values[at], width, others?.[at]);
      if (Number.isNaN(values[at])) return [PALE, ""];
      return at % (width + 1) === 0 ? [PALE, text] : [colour, text];
    };
    if (width > LEGIBLE) {
      const image = new ImageData(width, width);
      for (let at = 0; at < width * width; at++) image.data.set([...look(at)[0], 255], 4 * at);
      small.width = small.height = width;
      small.getContext("2d").putImageData(image, 0, 0);
      pen.imageSmoothingEnabled = false;
      pen.drawImage(small, 0, 0, canvas.width, canvas.height);
    } else {
      const cell = canvas.width / width;
      const gap = Math.max(1, devicePixelRatio);
      pen.clearRect(0, 0, canvas.width, canvas.height);
      pen.font = `${Math.min(12 * devicePixelRatio, cell * 0.38)}px system-ui, sans-serif`;
      pen.textAlign = "center";
      pen.textBaseline = "middle";
      for (let at = 0; at < width * width; at++) {
        const [colour, text] = look(at);
        const [left, top] = [(at % width) * cell, Math.floor(at / width) * cell];
        pen.fillStyle = `rgb(${colour.join()})`;
        pen.fillRect(left, top, cell - gap, cell - gap);
        if (!text) continue;
        pen.fillStyle = ink(colour);
        pen.fillText(text, left + (cell - gap) / 2, top + (cell - gap) / 2 + gap / 2);
      }
    }
    for (const [place, line, colour] of [[chosen, 3, "#0b5cad"], [cursor, 2, "#1d2733"]]) {
      if (!place) continue;
      const cell = canvas.width / width;
      pen.strokeStyle = colour;
      pen.lineWidth = line * devicePixelRatio;
      pen.strokeRect(place.predicted * cell, place.true * cell, cell, cell);
    }
  }

  function resize() {
    side = Math.round(canvas.clientWidth * devicePixelRatio);
    if (side && canvas.width !== side) canvas.width = canvas.height = side;
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
    paint();
  }

  canvas.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    const at = (offset, length) => Math.min(classes.length - 1, Math.max(0, Math.floor((offset / length) * classes.length)));
    const place = { true: at(event.clientY - box.top, box.height), predicted: at(event.clientX - box.left, box.width) };
    if (cursor?.true !== place.true || cursor?.predicted !== place.predicted) move(place);
  });
  canvas.addEventListener("pointerleave", () => move(null));
  canvas.addEventListener("blur", () => move(null));
  canvas.addEventListener("click", () => cursor && onChoose(cursor));
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
      const label = (at) => element("span", { title: classes[at] }, name(at));
      const long = classes.some((_, at) => name(at).length > 2);
      columns.classList.toggle("kd-upright", long);
      columns.replaceChildren(...(named ? classes.map((_, at) => label(at)) : [element("span", {}, `predicted: ${classes.length} classes`)]));
      lines.replaceChildren(...(named ? classes.map((_, at) => label(at)) : [element("span", { class: "kd-sideways" }, "true")]));
      canvas.setAttribute("aria-label", `${title}: ${classes.length} true classes by ${classes.length} predicted ones. Walk through it with the arrow keys, and press Enter to see a cell's examples.`);
      [values, cursor] = [null, null];
      tell();
    },
    draw(shares, baseline, drawnScale, place) {
      [values, others, scale, chosen] = [shares, baseline, drawnScale, place];
      paint();
      if (cursor) tell();
    },
    setTitle(text) {
      heading.textContent = text;
    },
  };
}
