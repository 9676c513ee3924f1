// A square to draw a digit in with mouse, pen or finger, or to open a photo in; beside it, the networks' input.

import { centre } from "../compute/digit.js";
import { makePhoto } from "./photo.js";

const SIDE = 280; // resolution of the drawing in its own pixels, whatever its size on screen
// Drawn over most of the pad and scaled down, a stroke is then 2 to 3 pixels wide, as in MNIST.
const PEN = 24;
const MIN_MOVEMENT = 1.5; // pixels; shorter movements are tremor of the hand

function create(tag, className, text = "") {
  return Object.assign(document.createElement(tag), { className, textContent: text });
}

// Draws strokes, lists of [x, y] in the drawing's pixels, as round, smooth lines, on top of a photo, if there is one.
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
    context.lineTo(x + 0.01, y); // a line of length 0 is not drawn, a dot must be
    context.stroke();
  }
}

// label: the purpose of the pad, for screen readers. onDrawn(pixels) is called after each change, at most once a frame,
// with Float32Array(784) from 0 to 1, or null for an empty pad. Returns { element, clear(), close() }.
export function makePad({ onDrawn, label = "Pad to draw a digit" }) {
  const element = create("div", "kd-pad");
  const surface = create("div", "kd-pad-surface");
  const canvas = create("canvas", "kd-pad-canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${label}. Draw one digit in it with a mouse, a pen or a finger.`);
  // Inline, because drawing breaks without these styles: a finger would scroll the page, and the canvas would grow with
  // its own resolution.
  Object.assign(canvas.style, { display: "block", width: "100%", aspectRatio: "1", touchAction: "none" });
  const placeholder = create("span", "kd-pad-placeholder", "Draw a digit here");
  placeholder.setAttribute("aria-hidden", "true"); // the canvas's label covers it
  surface.append(canvas, placeholder);

  const buttons = create("div", "kd-pad-buttons");
  const [undoButton, clearButton] = ["Undo stroke", "Clear"].map((text) => {
    const button = create("button", "kd-pad-button", text);
    button.type = "button";
    buttons.append(button);
    return button;
  });

  const photoPicker = makePhoto({
    side: SIDE,
    onPhoto(drawing) {
      photo = drawing;
      change([]);
    },
  });

  const preview = create("figure", "kd-pad-preview");
  const previewCanvas = Object.assign(create("canvas", "kd-pad-preview-image"), { width: 28, height: 28 });
  previewCanvas.style.imageRendering = "pixelated";
  previewCanvas.setAttribute("role", "img");
  previewCanvas.setAttribute("aria-label", "The drawing scaled and centred in 28 by 28 pixels");
  preview.append(previewCanvas, create("figcaption", "", "What the networks see"));

  const note =
    "Drawing needs a mouse, a pen or a finger; from the keyboard, open a picture or choose one of the examples.";
  buttons.prepend(photoPicker.button);
  element.append(surface, preview, buttons, ...photoPicker.elements, create("p", "kd-pad-note", note));

  const raster = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
  const rasterContext = raster.getContext("2d", { willReadFrequently: true });
  const ink = new Float32Array(SIDE * SIDE);
  let strokes = [];
  let photo = null;
  let pointer = null; // id of the drawing pointer
  let frame = 0;

  function draw() {
    frame = 0;
    show();
    paint(rasterContext, strokes, photo);
    const { data } = rasterContext.getImageData(0, 0, SIDE, SIDE);
    // White ink on a transparent ground: the alpha channel is the amount of ink.
    for (let i = 0; i < ink.length; i++) ink[i] = data[4 * i + 3] / 255;
    const pixels = centre(ink, SIDE, SIDE);
    showPreview(pixels);
    onDrawn(pixels);
  }

  // Draws at the screen's resolution, and updates the placeholder and the buttons.
  function show() {
    const size = Math.round(canvas.clientWidth * devicePixelRatio);
    if (canvas.width !== size) canvas.width = canvas.height = size;
    paint(canvas.getContext("2d"), strokes, photo);
    placeholder.hidden = strokes.length > 0 || photo !== null;
    undoButton.setAttribute("aria-disabled", !strokes.length);
    clearButton.setAttribute("aria-disabled", !placeholder.hidden);
  }

  function showPreview(pixels) {
    const image = new ImageData(28, 28);
    for (let i = 0; i < 784; i++) {
      const grey = pixels ? Math.round(255 * pixels[i]) : 0;
      image.data.set([grey, grey, grey, 255], 4 * i);
    }
    previewCanvas.getContext("2d").putImageData(image, 0, 0);
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

  function extendStroke(event) {
    const box = canvas.getBoundingClientRect();
    const events = event.getCoalescedEvents?.() ?? [];
    for (const { clientX, clientY } of events.length ? events : [event]) {
      const point = [((clientX - box.left) / box.width) * SIDE, ((clientY - box.top) / box.height) * SIDE];
      const [x, y] = strokes.at(-1).at(-1) ?? [-Infinity, 0];
      if (Math.hypot(point[0] - x, point[1] - y) >= MIN_MOVEMENT) strokes.at(-1).push(point);
    }
    request();
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (pointer !== null || event.button !== 0) return; // ignore a second finger, a palm, the right button
    event.preventDefault(); // drawing past the edge must not select text
    pointer = event.pointerId;
    canvas.setPointerCapture(pointer);
    strokes.push([]);
    extendStroke(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId === pointer) extendStroke(event);
  });
  // Fires when the pointer is lifted, and when the system cancels it.
  canvas.addEventListener("lostpointercapture", (event) => {
    if (event.pointerId === pointer) pointer = null;
  });
  undoButton.addEventListener("click", () => strokes.length && change(strokes.slice(0, -1)));
  clearButton.addEventListener("click", () => {
    photoPicker.clearMessage();
    if (strokes.length || photo) clear();
  });

  const resized = new ResizeObserver(show);
  resized.observe(canvas);
  showPreview(null);

  return {
    element,
    clear,
    close() {
      cancelAnimationFrame(frame);
      resized.disconnect();
    },
  };
}
