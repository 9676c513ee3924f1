// A plotly figure in the page. plotly.js is loaded once for all canvases, from the installed plotly package: our own
// server has it as a file, which browsers keep; elsewhere the kernel sends it.

// What all canvases share hangs on the page, because each widget gets a copy of this module.
const [SHARED, TURN] = [Symbol.for("kdlab.plotly"), Symbol.for("kdlab.turn")];
const PATIENCE = 1000; // milliseconds that plotly.js waits at most for a page that is busy

// What needs no plotly.js is painted first, and answers first.
const calm = () =>
  new Promise((resolve) => {
    if (globalThis.requestIdleCallback) requestIdleCallback(resolve, { timeout: PATIENCE });
    else setTimeout(resolve);
  });

// First drawings take a tenth of a second each: one in a frame, so that the page answers to keys in between.
const inTurn = (draw) => {
  const before = globalThis[TURN] ?? Promise.resolve();
  const frame = () =>
    new Promise((resolve) =>
      requestAnimationFrame(() => {
        setTimeout(resolve);
        draw();
      }),
    );
  globalThis[TURN] = before.then(frame);
};

const fromKernel = (model) =>
  new Promise((resolve, reject) => {
    const receive = async (content, buffers) => {
      if (content.type !== "plotly") return;
      model.off("msg:custom", receive);
      try {
        const packed = new Blob([buffers[0]]).stream().pipeThrough(new DecompressionStream("gzip"));
        const address = URL.createObjectURL(new Blob([await new Response(packed).text()], { type: "text/javascript" }));
        resolve(address);
      } catch (error) {
        reject(error);
      }
    };
    model.on("msg:custom", receive);
    model.send({ type: "plotly?" });
  });

const run = (address) =>
  new Promise((resolve, reject) => {
    const script = Object.assign(document.createElement("script"), { src: address, async: true });
    script.addEventListener("load", () => resolve(globalThis.kdlab_plotly));
    script.addEventListener("error", () => reject(new Error("plotly.js could not be loaded")));
    document.head.append(script);
  });

async function load(model) {
  try {
    const file = document.querySelector("link[data-kdlab-plotly]")?.href;
    await calm();
    return await run(file ?? (await fromKernel(model)));
  } catch (error) {
    delete globalThis[SHARED]; // the next canvas may try again
    throw error;
  }
}

const loadPlotly = (model) => (globalThis[SHARED] ??= load(model));

function render({ model, el }) {
  el.classList.add("kd-canvas");
  const plot = document.createElement("div");
  plot.className = "kd-plot";
  plot.setAttribute("role", "img");
  el.append(plot);
  const waiting = document.createElement("div");
  waiting.className = "kd-waiting";
  waiting.textContent = "Drawing …";
  el.append(waiting);

  let library; // once it is this canvas's turn
  let frame = 0;
  let closed = false;

  function draw() {
    cancelAnimationFrame(frame);
    frame = 0;
    const { data, layout } = model.get("figure");
    if (closed || !library || !plot.clientWidth) return;
    waiting.textContent = data ? "" : "Not trained yet";
    plot.style.visibility = data ? "visible" : "hidden";
    if (!data) return;
    if (layout.height) plot.style.height = `${layout.height}px`; // it knows better than the style sheet
    const size = { width: plot.clientWidth, height: plot.clientHeight };
    const first = !plot.on;
    library.react(plot, data, { ...layout, ...size }, { displayModeBar: false });
    plot.setAttribute("aria-label", layout.title.text.replace(/<[^>]*>/g, ""));
    if (first)
      plot.on("plotly_click", ({ points: [point] }) => {
        model.set("clicked", { x: point.x, y: point.y, count: model.get("clicked").count + 1 });
        model.save_changes();
      });
  }

  // However many figures arrive, only the latest is drawn, once a frame.
  function request() {
    frame ||= requestAnimationFrame(draw);
  }

  model.on("change:figure", request);
  const resized = new ResizeObserver(request);
  resized.observe(plot);
  loadPlotly(model).then(
    (loaded) =>
      inTurn(() => {
        library = loaded;
        draw();
      }),
    (error) => (waiting.textContent = `This figure could not be drawn: ${error.message}`),
  );

  return () => {
    closed = true;
    cancelAnimationFrame(frame);
    resized.disconnect();
    model.off("change:figure", request);
    library?.purge(plot);
  };
}

export default { render };
