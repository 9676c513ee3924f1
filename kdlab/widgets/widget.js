// The module of every widget, after loader.js: it loads the widget's own code, which is in the trait `_code`.

export default {
  async render({ model, el }) {
    let classes = model.get("_dom_classes");
    // anywidget drops the listener by which ipywidgets follows changes of the classes.
    model.on("change:_dom_classes", () => {
      el.classList.remove(...classes);
      classes = model.get("_dom_classes");
      el.classList.add(...classes);
    });
    const widget = await load(...JSON.parse(model.get("_code")));
    return widget.render({ model, el });
  },
};
