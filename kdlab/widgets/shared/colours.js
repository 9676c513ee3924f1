// Colour scales of the matrices, as in kdlab.figures.confusion: Cividis, light for low values; and purple, white,
// amber.

const CIVIDIS = [
  "#fffdf2",
  "#e1cc55",
  "#c3b369",
  "#a59c74",
  "#8a8678",
  "#707173",
  "#575d6d",
  "#3b496c",
  "#123570",
  "#00224e",
];
const DIVERGING = ["#6a3d9a", "#b59ecd", "#ffffff", "#f2cf80", "#e69f00"];

const parseHex = (hex) => [1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16));

// 256 interpolated colours: as a pixel, as CSS, and a legible text colour on them.
function colourTable(anchors) {
  const colours = anchors.map(parseHex);
  return Array.from({ length: 256 }, (_, i) => {
    const position = (i / 255) * (colours.length - 1);
    const lower = Math.min(Math.floor(position), colours.length - 2);
    return makeColour(
      colours[lower].map((value, k) => Math.round(value + (position - lower) * (colours[lower + 1][k] - value))),
    );
  });
}

function makeColour([red, green, blue]) {
  const dark = 0.299 * red + 0.587 * green + 0.114 * blue < 140;
  return {
    pixel: new Uint32Array(new Uint8Array([red, green, blue, 255]).buffer)[0],
    css: `rgb(${red} ${green} ${blue})`,
    ink: dark ? "#ffffff" : "#1d2733",
  };
}

const [sequential, diverging] = [colourTable(CIVIDIS), colourTable(DIVERGING)];
const colourAt = (colours, share) => colours[Math.round(255 * Math.min(1, Math.max(0, share)))];

// share from 0 to 1
export const sequentialColour = (share) => colourAt(sequential, share);
// value from −1 to 1
export const divergingColour = (value) => colourAt(diverging, (value + 1) / 2);
// Background of right answers, which are plain numbers: a colour would dominate all other cells.
export const PALE = makeColour(parseHex("#e8ecf1"));
