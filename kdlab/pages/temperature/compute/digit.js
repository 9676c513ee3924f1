// A drawing made into what MNIST's images are. Knows no screen.

const SIDE = 28; // an image of MNIST
const BOX = 20; // what a digit fits into

// pixels: width × height greys from 0 (ground) to 1 (ink). Returns Float32Array(784), or null where there is no ink.
//
// As LeCun et al. made MNIST: the digit scaled to fit 20 × 20 pixels with its proportions kept, then moved so that its
// centre of mass is the image's. Measured on the 70,000 images: the longer side has 20 pixels in 99.98 % and never more,
// and the centre of mass, pixels counted from 0, lies evenly spread between 13.5 and 14.5 in both directions. So the
// move was by whole pixels, to the place nearest to 14, and an image of MNIST comes out of here unchanged.
export function centre(pixels, width, height) {
  const box = inkBox(pixels, width, height);
  if (!box) return null;
  const step = Math.max(box.right - box.left, box.bottom - box.top) / BOX; // drawing pixels to one of the image's
  const across = weighings(box.left, box.right, step);
  const down = weighings(box.top, box.bottom, step);
  const digit = down.map((rows) => across.map((columns) => mean(pixels, width, rows, columns)));

  let mass = 0;
  let x = 0;
  let y = 0;
  digit.forEach((row, r) =>
    row.forEach((ink, c) => {
      mass += ink;
      x += ink * c;
      y += ink * r;
    }),
  );
  const toRight = Math.ceil(13.5 - x / mass);
  const toBottom = Math.ceil(13.5 - y / mass);

  const image = new Float32Array(SIDE * SIDE);
  digit.forEach((row, r) =>
    row.forEach((ink, c) => {
      const [atX, atY] = [c + toRight, r + toBottom];
      // What a very lopsided digit would put outside is cut.
      if (atX >= 0 && atX < SIDE && atY >= 0 && atY < SIDE) image[atY * SIDE + atX] = ink;
    }),
  );
  return image;
}

// The smallest box that holds all ink: its first and, exclusive, its last row and column.
function inkBox(pixels, width, height) {
  let [left, right, top, bottom] = [width, 0, height, 0];
  for (let y = 0, at = 0; y < height; y++)
    for (let x = 0; x < width; x++, at++)
      if (pixels[at] > 0) {
        if (x < left) left = x;
        if (x >= right) right = x + 1;
        if (y < top) top = y;
        bottom = y + 1;
      }
  return right > left ? { left, right, top, bottom } : null;
}

// For each pixel of the image along one side, which pixels [from, weight, weight, …] of the drawing it weighs.
// Shrinking, it covers `step` of them and takes the mean; enlarging, it takes as much of its neighbours as a whole pixel
// put in its middle would cover, which is linear interpolation.
function weighings(first, last, step) {
  const half = Math.max(step, 1) / 2;
  // A hair less than a full pixel more is rounding, not ink.
  return Array.from({ length: Math.ceil((last - first) / step - 1e-6) }, (_, i) => {
    const middle = first + (i + 0.5) * step;
    const from = Math.max(first, Math.floor(middle - half));
    const to = Math.min(last, Math.ceil(middle + half));
    const weights = [];
    for (let j = from; j < to; j++)
      weights.push((Math.min(j + 1, middle + half) - Math.max(j, middle - half)) / (2 * half));
    return { from, weights };
  });
}

function mean(pixels, width, rows, columns) {
  let sum = 0;
  rows.weights.forEach((row, r) => {
    let line = 0;
    const start = (rows.from + r) * width + columns.from;
    for (let c = 0; c < columns.weights.length; c++) line += columns.weights[c] * pixels[start + c];
    sum += row * line;
  });
  return sum;
}
