// A picture of a digit made into ink, as if it had been drawn on the pad. It never leaves the browser.

const KINDS = ["image/png", "image/jpeg", "image/webp", "image/bmp"];
const MOST = 20_000_000; // bytes
const LEAST = 0.1; // what is hardly darker than its paper shows no digit
const CLEAR = 0.1; // of the way from ground to ink: less is ground, and as much less than all of it is ink

// The greys of a picture fitted into a square with its proportions kept, on a ground that shows where it is transparent.
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
  const values = Float32Array.from({ length: width * height }, (_, at) => {
    const [red, green, blue] = data.subarray(4 * at, 4 * at + 3);
    return (0.299 * red + 0.587 * green + 0.114 * blue) / 255;
  });
  return { values, width, height, left, top };
}

// Which grey is the ground, as most of the edge has it, how much the edge strays from it, and what is farthest from it.
function measure({ values, width, height }) {
  const onEdge = (at) => at < width || at >= width * (height - 1) || at % width === 0 || at % width === width - 1;
  const edge = values.filter((_, at) => onEdge(at)).sort();
  const ground = edge[edge.length >> 1];
  const strays = edge.map((grey) => Math.abs(grey - ground)).sort();
  let ink = ground;
  for (const grey of values) if (Math.abs(grey - ground) > Math.abs(ink - ground)) ink = grey;
  return { ground, ink, stray: strays[Math.floor(0.9 * (strays.length - 1))] };
}

// A canvas of side × side with white ink on nothing, and whether it was dark on light; rejects with a sentence.
async function readPhoto(file, side) {
  const name = file.name.length > 50 ? `${file.name.slice(0, 49)}…` : file.name;
  if (!KINDS.includes(file.type)) throw new Error(`${name} is no PNG, JPEG, WebP or BMP picture: choose one.`);
  if (file.size > MOST) throw new Error(`${name} has more than ${MOST / 1e6} MB: make it smaller.`);
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Error(`${name} cannot be read as a picture: save it anew.`);
  });
  const seen = ["white", "black"].map((ground) => greys(bitmap, side, ground));
  bitmap.close();
  const found = seen
    .map((one) => ({ ...one, ...measure(one) }))
    .find(({ ground, ink }) => Math.abs(ink - ground) > LEAST);
  if (!found) throw new Error(`${name} shows no digit: it needs ink that stands out from its ground.`);

  const { values, width, height, left, top, ground, ink, stray } = found;
  const least = Math.min(0.5, Math.max(CLEAR, (1.5 * stray) / Math.abs(ink - ground)));
  const image = new ImageData(width, height);
  values.forEach((grey, at) => {
    const share = ((grey - ground) / (ink - ground) - least) / (1 - CLEAR - least);
    image.data.set([255, 255, 255, 255 * Math.min(1, Math.max(0, share))], 4 * at);
  });
  const canvas = Object.assign(document.createElement("canvas"), { width: side, height: side });
  canvas.getContext("2d").putImageData(image, left, top);
  return { canvas, turned: ink < ground };
}

// The button that opens a picture and what is said of it; take(canvas) hears of each, as a drawing of side × side.
// Returns { button, elements, forget() }.
export function makePhoto({ side, take }) {
  const make = (tag, attributes) => Object.assign(document.createElement(tag), attributes);
  const input = make("input", { type: "file", accept: KINDS.join(), hidden: true });
  const button = make("button", { type: "button", className: "kd-pad-button", textContent: "Open a picture …" });
  button.title = "A picture of one digit; it stays in your browser";
  const told = make("p", { className: "kd-pad-told" });
  told.setAttribute("role", "status");
  button.addEventListener("click", () => input.click());
  input.addEventListener("change", async () => {
    const [file] = input.files;
    if (!file) return;
    try {
      const { canvas, turned } = await readPhoto(file, side);
      take(canvas);
      told.textContent = turned
        ? "The picture is dark on light, so it was turned over: MNIST's digits are light on dark."
        : "The picture is light on dark, as MNIST's digits are.";
    } catch (error) {
      told.textContent = error.message;
    }
    input.value = ""; // or the same file could not be chosen again
  });
  return { button, elements: [input, told], forget: () => (told.textContent = "") };
}
