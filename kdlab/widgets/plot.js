// A plotly figure. plotly.js is loaded once for all canvases, from the installed plotly package: our own server serves
// it as a file, which browsers cache; elsewhere the kernel sends it.

import { gunzip } from "./shared/channel.js";
import { inkCells, themedFigure } from "./shared/figure_theme.js";
import { BUSY, awaitKernel } from "./shared/kernel.js";
import { isDark, watchTheme } from "./shared/theme.js";

// Shared by all canvases, also by those of another version of this module.
const [PLOTLY, QUEUE] = [Symbol.for("kdlab.plotly"), Symbol.for("kdlab.turn")];
const NOT_DRAWN = "This figure is not drawn, as the kernel sends what draws it.";
const IDLE_TIMEOUT = 1000; // milliseconds; maximum wait for an idle page before plotly.js is loaded

// Everything else is painted and becomes responsive before plotly.js is loaded.
const idle = () =>
  new Promise((resolve) => {
    if (globalThis.requestIdleCallback) requestIdleCallback(resolve, { timeout: IDLE_TIMEOUT });
    else setTimeout(resolve);
  });

// A first drawing takes a tenth of a second: one per frame, so that the page handles keys in between.
const drawInTurn = (draw) => {
  const previous = globalThis[QUEUE] ?? Promise.resolve();
  const frame = () =>
    new Promise((resolve) =>
      requestAnimationFrame(() => {
        setTimeout(resolve);
        draw();
      }),
    );
  globalThis[QUEUE] = previous.then(frame);
};

// `signal` aborts when the view that asks goes: nobody would answer it any more.
const fetchFromKernel = (model, el, signal) =>
  new Promise((resolve, reject) => {
    const receive = async (content, buffers) => {
      if (content.type !== "plotly") return;
      stop();
      try {
        const script = new Blob([await gunzip(buffers[0])], { type: "text/javascript" });
        resolve(URL.createObjectURL(script));
      } catch (error) {
        reject(error);
      }
    };
    const fail = (error) => {
      stop();
      reject(error);
    };
    const stopWaiting = awaitKernel(el, { onLost: (reason) => fail(new Error(reason)) });
    const stop = () => {
      stopWaiting();
      model.off("msg:custom", receive);
    };
    signal.addEventListener("abort", () => fail(signal.reason));
    model.on("msg:custom", receive);
    model.send({ type: "plotly?" });
  });

const loadScript = (address) =>
  new Promise((resolve, reject) => {
    const script = Object.assign(document.createElement("script"), { src: address, async: true });
    script.addEventListener("load", () => resolve(globalThis.kdlab_plotly));
    script.addEventListener("error", () => reject(new Error("plotly.js could not be loaded.")));
    document.head.append(script);
  });

async function load(model, el, signal) {
  try {
    const file = document.querySelector("link[data-kdlab-plotly]")?.href;
    await idle();
    signal.throwIfAborted();
    return await loadScript(file ?? (await fetchFromKernel(model, el, signal)));
  } catch (error) {
    delete globalThis[PLOTLY]; // the next canvas may try again
    throw error;
  }
}

const loadPlotly = (model, el, signal) => (globalThis[PLOTLY] ??= load(model, el, signal));

// A plot in the element `el`, of the figure that getFigure() returns when it is drawn; onClick(point) may be called.
// Returns { requestDraw, close }.
export function makePlot(model, el, getFigure, onClick = () => {}) {
  el.classList.add("kd-canvas");
  const plot = document.createElement("div");
  plot.className = "kd-plot notranslate";
  plot.setAttribute("translate", "no"); // its texts are laid out as they are
  el.append(plot);
  const waiting = document.createElement("div");
  waiting.className = "kd-waiting";
  waiting.textContent = "Drawing …";
  el.append(waiting);

  let library; // set when it is this canvas's turn
  let frame = 0;
  let closed = false;

  function draw() {
    cancelAnimationFrame(frame);
    frame = 0;
    const { data } = getFigure();
    if (closed || !library || !plot.clientWidth) return;
    waiting.textContent = data ? "" : "Not trained yet";
    plot.style.visibility = data ? "visible" : "hidden";
    if (!data) return;
    const dark = isDark(plot);
    const figure = themedFigure(getFigure(), dark);
    const { layout } = figure;
    if (layout.height) plot.style.height = `${layout.height}px`; // the layout's height overrides the style sheet
    const size = { width: plot.clientWidth, height: plot.clientHeight };
    const first = !plot.on;
    library.react(plot, figure.data, { ...layout, ...size }, { displayModeBar: false });
    inkCells(plot, { data }, dark);
    plot.setAttribute("role", "img");
    plot.setAttribute("aria-label", layout.title.text.replace(/<[^>]*>/g, ""));
    if (first)
      plot.on("plotly_click", ({ points: [point] }) => onClick(point));
  }

  // Draws at most once a frame, only the latest figure.
  function requestDraw() {
    frame ||= requestAnimationFrame(draw);
  }

  const resized = new ResizeObserver(requestDraw);
  resized.observe(plot);
  const unwatchTheme = watchTheme(requestDraw);
  const stopWaiting = awaitKernel(el, {
    onBusy: () => (waiting.textContent = BUSY),
    onLost: (reason) => (waiting.textContent = `${NOT_DRAWN} ${reason}`),
  });
  const leaving = new AbortController();
  const ready = (loaded) =>
    drawInTurn(() => {
      stopWaiting();
      library = loaded;
      draw();
    });
  const start = () => loadPlotly(model, el, leaving.signal).then(ready, fail);
  function fail(error) {
    if (closed) return;
    if (error.name === "AbortError") return void start(); // another figure had asked, and is gone
    stopWaiting();
    waiting.textContent = `${NOT_DRAWN} ${error.message}`;
  }
  start();

  function close() {
    closed = true;
    leaving.abort();
    stopWaiting();
    cancelAnimationFrame(frame);
    resized.disconnect();
    unwatchTheme();
    library?.purge(plot);
  }
  return { requestDraw, close };
}
