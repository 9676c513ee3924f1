// As many plotly figures as there are, in a grid.

import { makePlot } from "./plot.js";

export function render({ model, el }) {
  el.classList.add("kd-charts");
  const charts = []; // kept for the figures that come next

  function show() {
    const figures = model.get("figures");
    while (charts.length < figures.length) {
      const index = charts.length;
      const element = document.createElement("div");
      const plot = makePlot(model, element, () => model.get("figures")[index] ?? {});
      charts.push({ element, plot });
    }
    const shown = charts.slice(0, figures.length);
    if (el.children.length !== shown.length) el.replaceChildren(...shown.map(({ element }) => element));
    for (const { plot } of shown) plot.requestDraw();
  }

  model.on("change:figures", show);
  show();
  return () => {
    model.off("change:figures", show);
    for (const { plot } of charts) plot.close();
  };
}
