// A square to draw a digit in with mouse, pen or finger, or to put a picture of one in; beside it, what the networks see.

import { centre } from "../compute/digit.js";
import { makePhoto } from "./photo.js";

const SIDE = 280; // of the drawing in its own pixels, whatever its size on screen
// Drawn over most of the pad and scaled down, a stroke is then 2 to 3 pixels wide, as MNIST's are.
const PEN = 24;
const STILL = 1.5; // movements shorter than this are a trembling hand

function create(tag, className, text = "") {
  return Object.assign(document.createElement(tag), { className, textContent: text });
}

// Draws strokes, lists of [x, y] in the drawing's pixels, as lines that are round and bend through their points; below
// them a photo, if there is one.
function paint(context, strokes, photo) {
  const size = context.canvas.width;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, size, size);
  context.scale(size / SIDE, size / SIDE);
  if (photo) context.drawImage(photo, 0, 0);
  Object.assign(context, { strokeStyle: "white", lineWidth: PEN, lineCap: "round", lineJoin: "round" });
  for (const stroke of strokes) {
    context.beginPath();
    context.moveTo(...stroke[0]);
    for (let i = 1; i < stroke.length - 1; i++) {
      const [[x, y], [nextX, nextY]] = [stroke[i], stroke[i + 1]];
      context.quadraticCurveTo(x, y, (x + nextX) / 2, (y + nextY) / 2);
    }
    const [x, y] = stroke.at(-1);
    context.lineTo(x + 0.01, y); // a line of no length would not be drawn, a dot is
    context.stroke();
  }
}

// label: what the drawing is for, read out by screen readers. onDrawn(pixels) hears of each change, at most once a
// frame: Float32Array(784) from 0 to 1, or null for an empty pad. Returns { element, clear(), close() }.
export function makePad({ onDrawn, label = "Pad to draw a digit" }) {
  const element = create("div", "kd-pad");
  const surface = create("div", "kd-pad-surface");
  const canvas = create("canvas", "kd-pad-canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${label}. Draw one digit in it with a mouse, a pen or a finger.`);
  // Here and not in the style sheet, because drawing fails without them: a finger would scroll the page, and the canvas
  // would grow with its own resolution.
  Object.assign(canvas.style, { display: "block", width: "100%", aspectRatio: "1", touchAction: "none" });
  const placeholder = create("span", "kd-pad-placeholder", "Draw a digit here");
  placeholder.setAttribute("aria-hidden", "true"); // the canvas says it
  surface.append(canvas, placeholder);

  const buttons = create("div", "kd-pad-buttons");
  const [undoButton, clearButton] = ["Undo stroke", "Clear"].map((text) => {
    const button = create("button", "kd-pad-button", text);
    button.type = "button";
    buttons.append(button);
    return button;
  });

  const opener = makePhoto({
    side: SIDE,
    take(read) {
      photo = read;
      change([]);
    },
  });

  const seen = create("figure", "kd-pad-seen");
  const small = Object.assign(create("canvas", "kd-pad-small"), { width: 28, height: 28 });
  small.style.imageRendering = "pixelated";
  small.setAttribute("role", "img");
  small.setAttribute("aria-label", "The drawing scaled and centred in 28 by 28 pixels");
  seen.append(small, create("figcaption", "", "What the networks see"));

  const note =
    "Drawing needs a mouse, a pen or a finger; from the keyboard, open a picture or choose one of the examples.";
  buttons.prepend(opener.button);
  element.append(surface, seen, buttons, ...opener.elements, create("p", "kd-pad-note", note));

  const raster = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
  const rasterContext = raster.getContext("2d", { willReadFrequently: true });
  const ink = new Float32Array(SIDE * SIDE);
  let strokes = [];
  let photo = null;
  let pointer = null; // the one that draws
  let frame = 0;

  function draw() {
    frame = 0;
    show();
    paint(rasterContext, strokes, photo);
    const { data } = rasterContext.getImageData(0, 0, SIDE, SIDE);
    // White ink on nothing: how opaque a pixel is says how much ink it has.
    for (let i = 0; i < ink.length; i++) ink[i] = data[4 * i + 3] / 255;
    const pixels = centre(ink, SIDE, SIDE);
    showSeen(pixels);
    onDrawn(pixels);
  }

  // The drawing as sharp as the screen, and what goes with it.
  function show() {
    const size = Math.round(canvas.clientWidth * devicePixelRatio);
    if (canvas.width !== size) canvas.width = canvas.height = size;
    paint(canvas.getContext("2d"), strokes, photo);
    placeholder.hidden = strokes.length > 0 || photo !== null;
    undoButton.setAttribute("aria-disabled", !strokes.length);
    clearButton.setAttribute("aria-disabled", !placeholder.hidden);
  }

  function showSeen(pixels) {
    const image = new ImageData(28, 28);
    for (let i = 0; i < 784; i++) {
      const grey = pixels ? Math.round(255 * pixels[i]) : 0;
      image.data.set([grey, grey, grey, 255], 4 * i);
    }
    small.getContext("2d").putImageData(image, 0, 0);
  }

  function request() {
    frame ||= requestAnimationFrame(draw);
  }

  function change(next) {
    strokes = next;
    pointer = null;
    request();
  }

  function clear() {
    photo = null;
    change([]);
  }

  function follow(event) {
    const box = canvas.getBoundingClientRect();
    const events = event.getCoalescedEvents?.() ?? [];
    for (const { clientX, clientY } of events.length ? events : [event]) {
      const point = [((clientX - box.left) / box.width) * SIDE, ((clientY - box.top) / box.height) * SIDE];
      const [x, y] = strokes.at(-1).at(-1) ?? [-Infinity, 0];
      if (Math.hypot(point[0] - x, point[1] - y) >= STILL) strokes.at(-1).push(point);
    }
    request();
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (pointer !== null || event.button !== 0) return; // a second finger, a palm, the right button
    event.preventDefault(); // no text is selected by drawing past the edge
    pointer = event.pointerId;
    canvas.setPointerCapture(pointer);
    strokes.push([]);
    follow(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId === pointer) follow(event);
  });
  // Comes after the pointer is lifted, and when the system takes it away.
  canvas.addEventListener("lostpointercapture", (event) => {
    if (event.pointerId === pointer) pointer = null;
  });
  undoButton.addEventListener("click", () => strokes.length && change(strokes.slice(0, -1)));
  clearButton.addEventListener("click", () => {
    opener.forget();
    if (strokes.length || photo) clear();
  });

  const resized = new ResizeObserver(show);
  resized.observe(canvas);
  showSeen(null);

  return {
    element,
    clear,
    close() {
      cancelAnimationFrame(frame);
      resized.disconnect();
    },
  };
}
