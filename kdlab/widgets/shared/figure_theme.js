// Figures of kdlab.figures, which are light, in the colours of the page.

import { colourAt, colourTable } from "./colours.js";
import { shade } from "./theme.js";

const [INK, EDGE, GROUND] = ["#1d2733", "#b8c2ce", "#ffffff"];
const LISTS = ["annotations", "shapes"]; // of a layout
// plotly.js's own, which is equally spaced.
const CIVIDIS = (
  "#00204c #002a66 #00346e #273f6c #3c4a6b #4c556b #5b5f6d #686a70 #757575 " +
  "#838178 #928c78 #a19876 #b0a572 #c0b16d #d1bf66 #e1cc5c #f3db4f #ffe945"
).split(" ");

const tables = new Map(); // by their anchors

function tableOf(anchors) {
  const key = anchors.join();
  if (!tables.has(key)) tables.set(key, colourTable(anchors));
  return tables.get(key);
}

function shaded(node, dark) {
  const entries = Object.entries(node).map(([key, value]) => {
    if (typeof value === "string") return [key, key.endsWith("color") ? shade(value, dark) : value];
    if (Array.isArray(value)) return [key, LISTS.includes(key) ? value.map((part) => shaded(part, dark)) : value];
    return [key, value && typeof value === "object" ? shaded(value, dark) : value];
  });
  return Object.fromEntries(entries);
}

// Few is near the ground's colour and many far from it: in the dark Cividis is not reversed.
function anchorsOf({ colorscale }, dark) {
  if (colorscale === "Cividis") return dark ? CIVIDIS : CIVIDIS.toReversed();
  return colorscale.map(([, colour]) => shade(colour, dark));
}

// The texts of a heatmap in the cells that none of those `above` it covers; the lowest one has those of cells without a
// colour.
const uncovered = ({ text, z }, above, lowest) =>
  text?.map((row, y) =>
    row.map((cell, x) => (above.some((cover) => cover.z[y][x] !== null) || (z[y][x] === null && !lowest) ? "" : cell)),
  );

// The same figure in the colours of the page.
export function themedFigure({ data, layout }, dark) {
  const heatmaps = data.filter(({ type }) => type === "heatmap");
  const traces = data.map((trace) => {
    const themed = shaded(trace, dark);
    if (trace.type !== "heatmap") return themed;
    const layer = heatmaps.indexOf(trace);
    const text = uncovered(trace, heatmaps.slice(layer + 1), layer === 0);
    const colorscale = anchorsOf(trace, dark).map((colour, index, { length }) => [index / (length - 1), colour]);
    return { ...themed, ...(text && { text }), colorscale, reversescale: false };
  });
  const hoverlabel = {
    ...layout.hoverlabel,
    bgcolor: shade(GROUND, dark),
    bordercolor: shade(EDGE, dark),
    font: { ...layout.hoverlabel.font, color: shade(INK, dark) },
  };
  return { data: traces, layout: { ...shaded(layout, dark), hoverlabel } };
}

// Makes the numbers in the cells of all heatmaps legible: plotly.js's own two colours are not, on many cells.
export function inkCells(plot, { data }, dark) {
  const heatmaps = data.filter(({ type }) => type === "heatmap");
  plot.querySelectorAll(".heatmaplayer .hm").forEach((layer, index) => {
    const labels = layer.querySelectorAll(".heatmap-label");
    if (!labels.length) return;
    const { z, zmin, zmax, ...trace } = heatmaps[index];
    const values = z.flat().filter(Number.isFinite);
    const [low, high] = [zmin ?? Math.min(...values), zmax ?? Math.max(...values)];
    const colours = tableOf(anchorsOf(trace, dark));
    for (const label of labels) {
      const value = label.__data__?.z; // plotly.js draws with D3, which keeps there what an element shows
      const ink = Number.isFinite(value) ? colourAt(colours, (value - low) / (high - low || 1)).ink : shade(INK, dark);
      label.firstElementChild.style.fill = ink;
    }
  });
}
