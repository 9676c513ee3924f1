// The softened predictions of each network for one example, computed here so that the temperature needs no kernel.

const NETWORKS = { teacher: "Teacher", baseline: "Baseline", student: "Student" };

export function softmax(logits, temperature) {
  const top = Math.max(...logits);
  const weights = logits.map((logit) => Math.exp((logit - top) / temperature));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

function element(tag, className, text = "") {
  return Object.assign(document.createElement(tag), { className, textContent: text });
}

function render({ model, el }) {
  el.classList.add("kd-soft-targets");
  let title;
  let rows = {}; // the bars by network and class, kept while only their lengths change

  function build() {
    const { classes, truth, logits } = model.get("example");
    title = element("h3", "");
    el.replaceChildren(title);
    rows = {};
    for (const [network, label] of Object.entries(NETWORKS)) {
      const panel = element("table", `kd-bars kd-${network}`);
      panel.append(element("caption", "", label));
      rows[network] = classes.map((name, index) => {
        const row = panel.insertRow();
        const head = element("th", index === truth ? "kd-truth" : "", name);
        head.scope = "row";
        if (index === truth) head.title = "the true class";
        if (index === truth) head.append(" ●");
        const track = element("td", "kd-track");
        const bar = element("div", "kd-bar");
        track.append(bar);
        const value = element("td", "kd-value", logits[network] ? "" : "–");
        row.append(head, track, value);
        return { bar, value };
      });
      el.append(panel);
    }
    update();
  }

  function update() {
    const { logits } = model.get("example");
    const temperature = model.get("temperature");
    title.textContent = `Softened predictions at T = ${temperature < 10 ? temperature.toFixed(2) : temperature.toFixed(1)}`;
    for (const [network, bars] of Object.entries(rows)) {
      if (!logits[network]) continue;
      softmax(logits[network], temperature).forEach((share, index) => {
        bars[index].bar.style.transform = `scaleX(${share})`;
        bars[index].value.textContent = share >= 0.0995 ? (100 * share).toFixed(0) + " %" : (100 * share).toFixed(1) + " %";
      });
    }
  }

  model.on("change:example", build);
  model.on("change:temperature", update);
  build();
  return () => {
    model.off("change:example", build);
    model.off("change:temperature", update);
  };
}

export default { render };
