// Converts a photo of a digit into ink, as if it had been drawn on the pad. It never leaves the browser.

const MIME_TYPES = ["image/png", "image/jpeg", "image/webp", "image/bmp"];
const MAX_BYTES = 20_000_000; // file size
const MIN_CONTRAST = 0.1; // minimum difference between ink and ground, from 0 to 1
const MARGIN = 0.1; // share of the range from ground to ink that counts as ground, and likewise as full ink

// Grey values of a picture scaled to fit a square with its aspect ratio kept; transparent pixels show `ground`.
function greys(bitmap, side, ground) {
  const context = Object.assign(document.createElement("canvas"), { width: side, height: side }).getContext("2d");
  const scale = side / Math.max(bitmap.width, bitmap.height);
  const [width, height] = [bitmap.width, bitmap.height].map((length) => Math.max(1, Math.round(length * scale)));
  const [left, top] = [width, height].map((length) => (side - length) >> 1);
  context.fillStyle = ground;
  context.fillRect(left, top, width, height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, left, top, width, height);
  const { data } = context.getImageData(left, top, width, height);
  const values = Float32Array.from({ length: width * height }, (_, index) => {
    const [red, green, blue] = data.subarray(4 * index, 4 * index + 3);
    return (0.299 * red + 0.587 * green + 0.114 * blue) / 255;
  });
  return { values, width, height, left, top };
}

// The ground (the median grey of the edge), its spread along the edge, and the ink (the grey farthest from the ground).
function measure({ values, width, height }) {
  const onEdge = (index) =>
    index < width || index >= width * (height - 1) || index % width === 0 || index % width === width - 1;
  const edge = values.filter((_, index) => onEdge(index)).sort();
  const ground = edge[edge.length >> 1];
  const strays = edge.map((grey) => Math.abs(grey - ground)).sort();
  let ink = ground;
  for (const grey of values) if (Math.abs(grey - ground) > Math.abs(ink - ground)) ink = grey;
  return { ground, ink, stray: strays[Math.floor(0.9 * (strays.length - 1))] };
}

// A canvas of side × side with white ink on a transparent ground, and whether the photo was dark on light. Rejects with
// a sentence.
async function readPhoto(file, side) {
  const name = file.name.length > 50 ? `${file.name.slice(0, 49)}…` : file.name;
  if (!MIME_TYPES.includes(file.type)) throw new Error(`${name} is no PNG, JPEG, WebP or BMP picture: choose one.`);
  if (file.size > MAX_BYTES) throw new Error(`${name} has more than ${MAX_BYTES / 1e6} MB: make it smaller.`);
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Error(`${name} cannot be read as a picture: save it anew.`);
  });
  const candidates = ["white", "black"].map((ground) => greys(bitmap, side, ground));
  bitmap.close();
  const photo = candidates
    .map((candidate) => ({ ...candidate, ...measure(candidate) }))
    .find(({ ground, ink }) => Math.abs(ink - ground) > MIN_CONTRAST);
  if (!photo) throw new Error(`${name} shows no digit: it needs ink that stands out from its ground.`);

  const { values, width, height, left, top, ground, ink, stray } = photo;
  const threshold = Math.min(0.5, Math.max(MARGIN, (1.5 * stray) / Math.abs(ink - ground)));
  const image = new ImageData(width, height);
  values.forEach((grey, index) => {
    const share = ((grey - ground) / (ink - ground) - threshold) / (1 - MARGIN - threshold);
    image.data.set([255, 255, 255, 255 * Math.min(1, Math.max(0, share))], 4 * index);
  });
  const canvas = Object.assign(document.createElement("canvas"), { width: side, height: side });
  canvas.getContext("2d").putImageData(image, left, top);
  return { canvas, inverted: ink < ground };
}

// The button that opens a picture, and its message; onPhoto(canvas) receives each picture, as a drawing of side × side.
// Returns { button, elements, clearMessage() }.
export function makePhoto({ side, onPhoto }) {
  const createNode = (tag, attributes) => Object.assign(document.createElement(tag), attributes);
  const input = createNode("input", { type: "file", accept: MIME_TYPES.join(), hidden: true });
  const button = createNode("button", { type: "button", className: "kd-pad-button", textContent: "Open a picture …" });
  button.title = "A picture of one digit; it stays in your browser";
  const message = createNode("p", { className: "kd-pad-message" });
  message.setAttribute("role", "status");
  button.addEventListener("click", () => input.click());
  input.addEventListener("change", async () => {
    const [file] = input.files;
    if (!file) return;
    try {
      const { canvas, inverted } = await readPhoto(file, side);
      onPhoto(canvas);
      message.textContent = inverted
        ? "The picture is dark on light, so it was turned over: MNIST's digits are light on dark."
        : "The picture is light on dark, as MNIST's digits are.";
    } catch (error) {
      message.textContent = error.message;
    }
    input.value = ""; // otherwise choosing the same file again fires no event
  });
  return { button, elements: [input, message], clearMessage: () => (message.textContent = "") };
}
