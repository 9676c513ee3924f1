// A plotly figure. plotly.js is loaded once for all canvases, from the installed plotly package: our own server serves
// it as a file, which browsers cache; elsewhere the kernel sends it.

import { inkCells, themedFigure } from "./shared/figure_theme.js";
import { BUSY, awaitKernel } from "./shared/kernel.js";
import { isDark, watchTheme } from "./shared/theme.js";

// Shared by all canvases through globalThis, because each widget gets a copy of this module.
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

const fetchFromKernel = (model, el) =>
  new Promise((resolve, reject) => {
    const stopWaiting = awaitKernel(el, { onLost: (reason) => reject(new Error(reason)) });
    const receive = async (content, buffers) => {
      if (content.type !== "plotly") return;
      stopWaiting();
      model.off("msg:custom", receive);
      try {
        const stream = new Blob([buffers[0]]).stream().pipeThrough(new DecompressionStream("gzip"));
        const address = URL.createObjectURL(new Blob([await new Response(stream).text()], { type: "text/javascript" }));
        resolve(address);
      } catch (error) {
        reject(error);
      }
    };
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

async function load(model, el) {
  try {
    const file = document.querySelector("link[data-kdlab-plotly]")?.href;
    await idle();
    return await loadScript(file ?? (await fetchFromKernel(model, el)));
  } catch (error) {
    delete globalThis[PLOTLY]; // the next canvas may try again
    throw error;
  }
}

const loadPlotly = (model, el) => (globalThis[PLOTLY] ??= load(model, el));

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
  loadPlotly(model, el).then(
    (loaded) =>
      drawInTurn(() => {
        stopWaiting();
        library = loaded;
        draw();
      }),
    (error) => {
      stopWaiting();
      waiting.textContent = `${NOT_DRAWN} ${error.message}`;
    },
  );

  function close() {
    closed = true;
    stopWaiting();
    cancelAnimationFrame(frame);
    resized.disconnect();
    unwatchTheme();
    library?.purge(plot);
  }
  return { requestDraw, close };
}
