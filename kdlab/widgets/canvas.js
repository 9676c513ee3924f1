// A plotly figure as a widget.

import { makePlot } from "./plot.js";

export function render({ model, el }) {
  const plot = makePlot(
    model,
    el,
    () => model.get("figure"),
    ({ x, y }) => {
      model.set("clicked", { x, y, count: model.get("clicked").count + 1 });
      model.save_changes();
    },
  );
  model.on("change:figure", plot.requestDraw);
  return () => {
    model.off("change:figure", plot.requestDraw);
    plot.close();
  };
}
