// Colour scales of matrices, as in kdlab.figures.confusion: Cividis, which begins at the colour of the page's ground; and
// purple, the ground, amber.

import { shade } from "./theme.js";

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
const DARK_CIVIDIS = ["#16202e", ...CIVIDIS.slice(1, -1).reverse(), "#fdea45"];
const DIVERGING = ["#6a3d9a", "#b59ecd", "#ffffff", "#f2cf80", "#e69f00"];
const DARK_DIVERGING = ["#b68fe6", "#664f86", "#171e27", "#7d6127", "#f0b030"];
const INKS = ["#1d2733", "#ffffff", "#000000"]; // the first one with enough contrast is taken
const MIN_CONTRAST = 4.5; // of WCAG 2.2, level AA

const parseHex = (hex) => [1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16));

function luminance(colour) {
  const [red, green, blue] = colour.map((value) =>
    value <= 10 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4,
  );
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(first, second) {
  const [low, high] = [luminance(first), luminance(second)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

function makeColour(colour) {
  const [red, green, blue] = colour;
  return {
    pixel: new Uint32Array(new Uint8Array([red, green, blue, 255]).buffer)[0],
    css: `rgb(${red} ${green} ${blue})`,
    ink: INKS.find((ink) => contrast(colour, parseHex(ink)) >= MIN_CONTRAST),
  };
}

// 256 colours between equally spaced anchors: as a pixel, as CSS, and a legible text colour on them.
export function colourTable(anchors) {
  const colours = anchors.map(parseHex);
  return Array.from({ length: 256 }, (_, i) => {
    const position = (i / 255) * (colours.length - 1);
    const lower = Math.min(Math.floor(position), colours.length - 2);
    return makeColour(
      colours[lower].map((value, k) => Math.round(value + (position - lower) * (colours[lower + 1][k] - value))),
    );
  });
}

// share from 0 to 1
export const colourAt = (colours, share) => colours[Math.round(255 * Math.min(1, Math.max(0, share)))];

const sequential = [CIVIDIS, DARK_CIVIDIS].map(colourTable);
const diverging = [DIVERGING, DARK_DIVERGING].map(colourTable);
const plain = [false, true].map((dark) => makeColour(parseHex(shade("#e6eaef", dark))));

// share from 0 to 1
export const sequentialColour = (share, dark) => colourAt(sequential[Number(dark)], share);
// value from −1 to 1
export const divergingColour = (value, dark) => colourAt(diverging[Number(dark)], (value + 1) / 2);
// Background of right answers, which are plain numbers: a colour would dominate all other cells.
export const plainColour = (dark) => plain[Number(dark)];
