// Colour scales of the matrices, as in kdlab.figures.confusion: Cividis, light for little; purple, white and amber.

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

const parse = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

// 256 colours between the anchors: as a pixel, as CSS writes them, and the ink that can be read on them.
function table(anchors) {
  const colours = anchors.map(parse);
  return Array.from({ length: 256 }, (_, at) => {
    const place = (at / 255) * (colours.length - 1);
    const below = Math.min(Math.floor(place), colours.length - 2);
    return describe(
      colours[below].map((value, k) => Math.round(value + (place - below) * (colours[below + 1][k] - value))),
    );
  });
}

function describe([red, green, blue]) {
  const dark = 0.299 * red + 0.587 * green + 0.114 * blue < 140;
  return {
    pixel: new Uint32Array(new Uint8Array([red, green, blue, 255]).buffer)[0],
    css: `rgb(${red} ${green} ${blue})`,
    ink: dark ? "#ffffff" : "#1d2733",
  };
}

const [amounts, differences] = [table(CIVIDIS), table(DIVERGING)];
const at = (colours, share) => colours[Math.round(255 * Math.min(1, Math.max(0, share)))];

// share from 0 to 1
export const amount = (share) => at(amounts, share);
// value from −1 to 1
export const difference = (value) => at(differences, (value + 1) / 2);
// Right answers are plain numbers on it: their colour would drown all else.
export const PALE = describe(parse("#e8ecf1"));
