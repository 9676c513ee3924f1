// A line chart over temperature, with the current temperature marked and its values in the legend.

import {
  element,
  formatNumber,
  formatPower,
  keepUntranslated,
  setAttr,
  setText,
  svgElement,
} from "../../../widgets/shared/dom.js";
import { HIGHEST, LOWEST } from "./dial.js";

const TICKS = [0.5, 1, 2, 5, 10, 20, 50, 100];
const [LEFT, RIGHT, TOP, BOTTOM, HEIGHT] = [44, 10, 8, 34, 190];

function niceTicks(top) {
  const rough = top / 4;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * [1, 2, 2.5, 5, 10].find((factor) => factor * unit >= rough);
  return Array.from({ length: Math.floor(top / step + 1e-9) + 1 }, (_, i) => i * step);
}

function decades(low, high) {
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const stride = Math.ceil((last - first) / 5);
  return Array.from({ length: Math.floor((last - first) / stride) + 1 }, (_, i) => 10 ** (first + i * stride));
}

export function makeChart({ title, note }) {
  const legend = element("ul", { class: "kd-legend" });
  const svg = svgElement("svg", {
    class: "kd-chart",
    height: String(HEIGHT),
    role: "img",
    "aria-label": `${title}, against temperature`,
  });
  const [back, front] = [svgElement("g"), svgElement("g")];
  keepUntranslated(svg).append(back, front);
  const root = element(
    "figure",
    { class: "kd-card kd-chart-card" },
    element("h3", {}, title),
    legend,
    svg,
    element("figcaption", {}, note),
  );
  let [lines, scale, top, width] = [[], "linear", undefined, 0];
  let [marker, x, y] = [null, null, null];

  function layout() {
    const values = lines
      .flatMap((line) => line.points.map((point) => point[1]))
      .filter((value) => Number.isFinite(value) && (scale !== "log" || value > 0));
    if (!width || !values.length) {
      // Without data the chart is cleared, so that no earlier set stays visible.
      for (const layer of [back, front]) layer.replaceChildren();
      marker = null;
      return;
    }
    const highest = top ?? Math.max(...values, 1e-9);
    const lowest = scale === "log" ? Math.min(...values) : 0;
    const ticks = scale === "log" ? decades(lowest, highest) : niceTicks(highest * 1.02);
    const [low, high] = scale === "log" ? [ticks[0], Math.max(highest, ticks.at(-1))] : [0, highest * 1.02];
    const [right, bottom] = [width - RIGHT, HEIGHT - BOTTOM];
    x = (t) => LEFT + ((right - LEFT) * Math.log(t / LOWEST)) / Math.log(HIGHEST / LOWEST);
    y = (value) => {
      const share = scale === "log" ? Math.log(Math.max(value, low) / low) / Math.log(high / low) : value / high;
      return bottom - (bottom - TOP) * Math.min(1, Math.max(0, share));
    };
    back.replaceChildren(
      ...ticks.flatMap((tick) => [
        svgElement("line", {
          class: "kd-grid",
          x1: String(LEFT),
          x2: String(right),
          y1: String(y(tick)),
          y2: String(y(tick)),
        }),
        svgElement(
          "text",
          { class: "kd-y", x: String(LEFT - 6), y: String(y(tick) + 4) },
          scale === "log" && (tick < 0.001 || tick > 1000) ? formatPower(tick) : String(Number(tick.toPrecision(3))),
        ),
      ]),
      ...TICKS.map((tick) =>
        svgElement("text", { class: "kd-x", x: String(x(tick)), y: String(bottom + 15) }, String(tick)),
      ),
      svgElement("text", { class: "kd-x", x: String((LEFT + right) / 2), y: String(HEIGHT - 4) }, "temperature T"),
      ...lines.map(({ points, colour, dash, thin }) => {
        const path = points
          .filter(([, value]) => Number.isFinite(value))
          .map(([t, value]) => `${x(t).toFixed(1)},${y(value).toFixed(1)}`);
        return svgElement("polyline", {
          points: path.join(" "),
          stroke: colour,
          "stroke-dasharray": dash,
          "stroke-width": thin ? "1.3" : "2.4",
        });
      }),
    );
    const line = svgElement("line", { class: "kd-marker", x1: "0", x2: "0", y1: String(TOP), y2: String(bottom) });
    marker = { line, dots: lines.map(({ colour }) => svgElement("circle", { r: "4", fill: colour })) };
    front.replaceChildren(line, ...marker.dots);
  }

  new ResizeObserver(([{ contentRect }]) => {
    width = Math.round(contentRect.width);
    layout();
    placeMarker();
  }).observe(svg);

  let current;
  function placeMarker() {
    if (!current || !marker) return;
    const markerX = x(current.temperature);
    marker.line.setAttribute("transform", `translate(${markerX} 0)`);
    current.values.forEach((value, index) => {
      const visible = Number.isFinite(value) && (scale !== "log" || value > 0);
      setAttr(marker.dots[index], "visibility", visible ? "visible" : "hidden");
      if (visible) marker.dots[index].setAttribute("transform", `translate(${markerX} ${y(value)})`);
    });
  }

  let readings = [];
  return {
    element: root,
    // lines: {label, points: [[T, value], …], colour, dash, thin}; `highest`: the maximum of the scale, where known.
    setLines(drawn, drawnScale = "linear", highest = undefined) {
      if (drawn.map((line) => line.label).join() !== lines.map((line) => line.label).join()) {
        readings = drawn.map(() => keepUntranslated(element("output", {})));
        legend.replaceChildren(
          ...drawn.map(({ label, colour, dash, thin }, index) => {
            const stroke = { stroke: colour, "stroke-dasharray": dash, "stroke-width": thin ? "1.3" : "2.4" };
            const swatch = svgElement(
              "svg",
              { width: "22", height: "8", "aria-hidden": "true" },
              svgElement("line", { x1: "0", x2: "22", y1: "4", y2: "4", ...stroke }),
            );
            return element("li", {}, swatch, `${label} `, readings[index]);
          }),
        );
        current = undefined;
      }
      [lines, scale, top] = [drawn, drawnScale, highest];
      layout();
      placeMarker();
    },
    setMarker(temperature, values) {
      current = { temperature, values };
      values.forEach((value, index) => setText(readings[index], formatNumber(value)));
      placeMarker();
    },
  };
}
