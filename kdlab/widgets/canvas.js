// A plotly figure in the page. plotly.js is loaded once for all canvases, from the installed plotly package: our own
// server has it as a file, which browsers keep; elsewhere the kernel sends it.

// The promise of it hangs on the page, because each widget gets a copy of this module.
const SHARED = Symbol.for("kdlab.plotly");

// What needs no plotly.js is painted first.
const calm = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));

const fromKernel = (model) =>
  new Promise((resolve, reject) => {
    const receive = async (content, buffers) => {
      if (content.type !== "plotly") return;
      model.off("msg:custom", receive);
      try {
        const packed = new Blob([buffers[0]]).stream().pipeThrough(new DecompressionStream("gzip"));
        const address = URL.createObjectURL(new Blob([await new Response(packed).text()], { type: "text/javascript" }));
        resolve(await import(/* webpackIgnore: true */ address));
        URL.revokeObjectURL(address);
      } catch (error) {
        reject(error);
      }
    };
    model.on("msg:custom", receive);
    model.send({ type: "plotly?" });
  });

async function load(model) {
  await calm();
  const file = document.querySelector("link[data-kdlab-plotly]")?.href;
  try {
    return (await (file ? import(/* webpackIgnore: true */ file) : fromKernel(model))).default;
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

  let library;
  let frame = 0;
  let closed = false;

  function draw() {
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
    (loaded) => {
      library = loaded;
      request();
    },
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
