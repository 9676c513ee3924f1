// The module of every widget, after loader.js: it loads the widget's own code, which is in the trait `_code`.

// JupyterLab keeps the models of closed widgets for as long as their kernel: what is large in them goes.
const LARGE = [
  ...["_code", "answer", "content", "example", "figure", "figures", "gallery", "matrix", "pixels", "sets"],
  ...["similarity", "stored"],
];

async function unpack(code) {
  const stream = new Blob([code]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

export default {
  initialize({ model }) {
    const clear = () => LARGE.forEach((name) => model.set(name, null));
    model.on("comm:close", () => setTimeout(clear)); // when its views are gone
  },
  async render({ model, el }) {
    let classes = model.get("_dom_classes");
    // anywidget drops the listener by which ipywidgets follows changes of the classes.
    model.on("change:_dom_classes", () => {
      el.classList.remove(...classes);
      classes = model.get("_dom_classes");
      el.classList.add(...classes);
    });
    const widget = await load(...(await unpack(model.get("_code"))));
    const close = widget.render({ model, el });
    return () => {
      close();
      el.replaceChildren(); // the element itself is kept with its model
    };
  },
};
