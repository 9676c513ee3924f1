// The temperature lab: one state, and views of it that follow within the frame. Runs in JupyterLab, Voilà and in a file.

import { followAddress } from "./state/link_state.js";
import { LETTERS, makeBars } from "../../widgets/shared/bars.js";
import { makeChannel } from "../../widgets/shared/channel.js";
import { makeCurves } from "./views/curves.js";
import { deriveAll } from "./state/derived_state.js";
import { element, formatShare, formatTemperature, nameWidth, write } from "../../widgets/shared/dom.js";
import { makeEnsemble } from "./views/ensemble.js";
import { makeGradient } from "./views/gradient.js";
import { makeLadder } from "./views/temperature_strip.js";
import { makeMenu } from "./views/menu.js";
import { abbreviate } from "../../widgets/shared/names.js";
import { makeSets } from "./state/data_client.js";
import { SHARED, shareWithPython } from "./state/python_sync.js";
import { entropy, soften } from "../../widgets/shared/softening.js";
import { makeSource } from "./views/source.js";
import { makeStore } from "./state/store.js";
import { makeTop } from "./views/header.js";
import { makeWhole } from "./views/set_section.js";

const REST = 700; // milliseconds without a change after which the sentence is spoken

function section(title, words, ...children) {
  const lead = element("p", { class: "kd-lead" }, words);
  return element("section", { class: "kd-section" }, element("h2", {}, title), lead, ...children);
}

const row = (...charts) => element("div", { class: "kd-charts" }, ...charts.map((chart) => chart.element));

// What the shown example's teacher says, in words.
function describe({ classes, logits, name }, temperature) {
  const shares = soften(logits.teacher, temperature);
  const best = [...classes.keys()].sort((a, b) => shares[b] - shares[a]).slice(0, 3);
  const said = best.map((at) => `${classes[at]}: ${formatShare(shares[at])}`).join(", ");
  const bits = entropy(logits.teacher, temperature).toFixed(2);
  return (
    `At T = ${formatTemperature(temperature)} the teacher's soft target of ${name} is ${said}; ` +
    `${bits} of at most ${Math.log2(classes.length).toFixed(2)} bits.`
  );
}

export function render({ model, el }) {
  const channel = makeChannel(model);
  const sets = makeSets(channel);
  const worked = { set: null, shown: null, survey: null, surveys: [], fixed: null, drawn: null, complaint: "" };
  const store = makeStore({ ...worked, ...Object.fromEntries(SHARED.map((key) => [key, model.get(key)])) });
  // Several may come of one link; an empty one clears them.
  const complain = (text) => store.set({ complaint: text && `${store.state.complaint} ${text}`.trim() });
  const derived = deriveAll({ store, sets, opening: model.get("sets")[0].key, complain });

  const pictures = (set, examples) => sets.pictures(set, examples);
  const menu = makeMenu({ model, store, sets, channel, complain });
  const top = makeTop({ store, channel, menu, complain });
  const source = makeSource({ store, pictures, draw: derived.draw });
  const whole = makeWhole({ store, pictures });
  const [bars, gradient, ladder] = [makeBars(), makeGradient(), makeLadder()];
  const curves = makeCurves();
  const ensemble = makeEnsemble(store);
  const sentence = element("p", { class: "kd-sentence" }, "Loading the logits …");
  const spoken = element("p", { class: "kd-spoken", role: "status", "aria-live": "polite" });
  const legend = element("p", { class: "kd-note" });
  const said = element("section", { class: "kd-card" }, sentence, bars.element, legend);

  const { entropy: bits, divergence, agreement, angle, error, size } = curves.charts;
  const main = element(
    "div",
    { class: "kd-main" },
    section(
      "All examples, softened",
      "Each row: the mean prediction for one true class. As T rises the right answers fade and the wrong ones come up: which " +
        "of them get more than others is the dark knowledge. At very high T all become alike. Click a cell for its examples.",
      ...whole,
    ),
    section(
      "Entropy, divergence, agreement",
      "The line marks the temperature; the numbers are what holds there.",
      row(bits, divergence, agreement),
    ),
    section(
      "The gradient",
      "The gradient of the soft loss (in nats, without T²) in the student's logits z, with the teacher's v: exactly, and as " +
        "it becomes when T is high. A training step moves each logit against its bar.",
      gradient.element,
      row(angle, error, size),
    ),
    section(
      "Several temperatures, several teachers",
      "One temperature beside another, and one teacher beside another.",
      ladder.element,
      ensemble.element,
    ),
  );
  const side = element("div", { class: "kd-side" }, source.element, said, spoken);
  const page = element("div", { class: "kd-page kd-lab" }, top, element("div", { class: "kd-body" }, side, main));

  store.watch(["shown", "temperature", "scale", "exponent"], ({ shown, temperature, scale, exponent }) => {
    if (!shown) return;
    page.style.setProperty("--kd-names", nameWidth(abbreviate(shown.classes, LETTERS)));
    bars.draw(shown, temperature, scale);
    gradient.draw(shown, temperature);
    ladder.draw(shown, temperature, scale);
    ensemble.draw(shown, temperature, exponent, scale);
    write(sentence, describe(shown, temperature));
    write(
      legend,
      `Bars: at this T. Ticks: at T = 1.${shown.truth < 0 ? "" : " ●: the true class."}${scale === "log" ? " From 10⁻¹⁰ to 1." : ""}`,
    );
  });
  store.watch(["surveys", "shown", "scale"], (state) => state.shown && curves.setLines(state));
  store.watch(["survey", "surveys", "shown", "scale"], (state) => {
    if (state.survey && state.shown) curves.setMarker(state);
  });
  let speaking = 0;
  store.watch(["shown", "temperature"], () => {
    clearTimeout(speaking);
    speaking = setTimeout(() => (spoken.textContent = sentence.textContent), REST);
  });
  // The temperature that every view shows, for those who time or test it.
  store.watch(["temperature", "survey", "shown"], ({ temperature, survey, shown }) => {
    if (survey && shown) page.dataset.drawn = temperature;
  });

  // Or JupyterLab takes the arrow keys for its notebook; it looks at the element that has the focus only.
  page.addEventListener("focusin", ({ target }) => (target.dataset.lmSuppressShortcuts = "true"));
  // Nor may it take the Enter of a number field.
  page.addEventListener("keydown", (event) => event.stopPropagation());
  // A sentence about what could not be done goes with the next thing one does.
  for (const what of ["input", "click"]) page.addEventListener(what, () => complain(""), { capture: true });
  menu.takeDropped(page);
  el.append(page);

  const closing = [derived, source, menu, channel, store].map((part) => part.close);
  closing.push(shareWithPython(model, store), followAddress(store, complain), () => clearTimeout(speaking));
  store.refresh();
  return () => closing.forEach((close) => close());
}
