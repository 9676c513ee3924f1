// The temperature lab: one state, and views that update within the frame. Runs in JupyterLab, Voilà and an exported
// file.

import { syncUrlHash } from "./state/link_state.js";
import { NAME_LETTERS, makeBars } from "../../widgets/shared/bars.js";
import { makeChannel } from "../../widgets/shared/channel.js";
import { watchKernel } from "../../widgets/shared/kernel_watch.js";
import { makePageHead } from "../../widgets/shared/page_head.js";
import { inVoila } from "../../widgets/shared/page_link.js";
import { makeCurves } from "./views/curves.js";
import { deriveState } from "./state/derived_state.js";
import { BUSY, NO_KERNEL, awaitKernel, hasKernel } from "../../widgets/shared/kernel.js";
import { element, formatShare, formatTemperature, nameWidth, setText } from "../../widgets/shared/dom.js";
import { makeEnsemble } from "./views/ensemble.js";
import { makeGradient } from "./views/gradient.js";
import { makeTemperatureStrip } from "./views/temperature_strip.js";
import { makeMenu } from "./views/menu.js";
import { abbreviate } from "../../widgets/shared/names.js";
import { makeDataClient } from "./state/data_client.js";
import { SYNCED, syncWithPython } from "./state/python_sync.js";
import { entropy, soften } from "../../widgets/shared/softening.js";
import { makeSource } from "./views/source.js";
import { makeStoredAnswers } from "./state/stored_answers.js";
import { makeStore } from "./state/store.js";
import { makeHeader } from "./views/header.js";
import { makeSetSection } from "./views/set_section.js";
import { isDark, watchTheme } from "../../widgets/shared/theme.js";

const SPEECH_DELAY = 700; // milliseconds without a change after which screen readers get the sentence

function section(title, text, ...children) {
  const lead = element("p", { class: "kd-lead" }, text);
  return element("section", { class: "kd-section" }, element("h2", {}, title), lead, ...children);
}

const chartRow = (...charts) => element("div", { class: "kd-charts" }, ...charts.map((chart) => chart.element));

// A sentence on the teacher's softened prediction of the shown example.
function describe({ classes, logits, name }, temperature) {
  const shares = soften(logits.teacher, temperature);
  const best = [...classes.keys()].sort((a, b) => shares[b] - shares[a]).slice(0, 3);
  const parts = best.map((index) => `${classes[index]}: ${formatShare(shares[index])}`).join(", ");
  const bits = entropy(logits.teacher, temperature).toFixed(2);
  return (
    `At T = ${formatTemperature(temperature)} the teacher's soft target of ${name} is ${parts}; ` +
    `${bits} of at most ${Math.log2(classes.length).toFixed(2)} bits.`
  );
}

export function render({ model, el }) {
  const channel = makeChannel(model, el);
  // Without a kernel the data that are stored with the widget are shown.
  const stored = model.get("stored") ?? {};
  const missing = (dataset) =>
    `${dataset ? `The data set ${dataset}` : "A drawn digit"} needs a kernel: run the cell, or open the page with kdlab app.`;
  const answer = makeStoredAnswers((key) => stored[key], missing);
  const ask = (type, fields) =>
    // What the views need is waited for however long the kernel is busy.
    hasKernel(el) ? channel.ask(type, fields, [], Infinity) : answer({ type, ...fields });
  const dataClient = makeDataClient(ask);
  const derivedState = { set: null, shown: null, stats: null, sweep: [], invariants: null, drawn: null, error: "", dark: null };
  const synced = Object.fromEntries(SYNCED.map((key) => [key, model.get(key)]));
  const storedSet = hasKernel(el) ? undefined : Object.values(stored).find((response) => response.roles);
  if (storedSet && storedSet.key !== synced.dataset)
    Object.assign(synced, { dataset: storedSet.key, example: storedSet.telling, cell: null });
  const store = makeStore({ ...derivedState, ...synced });
  // Appends, as one link may cause several errors; an empty text clears them.
  const showError = (text) => store.set({ error: text && `${store.state.error} ${text}`.trim() });
  const defaultDataset = storedSet?.key ?? model.get("sets")[0].key;
  const derived = deriveState({ store, dataClient, defaultDataset, showError });

  const pictures = (set, examples) =>
    dataClient.pictures(set, examples).catch((error) => {
      showError(error.message);
      return new Map();
    });
  const menu = makeMenu({ model, store, dataClient, channel, showError });
  const header = makeHeader({ store, channel, menu, showError });
  const source = makeSource({ store, pictures, draw: derived.draw });
  const setSection = makeSetSection({ store, pictures });
  const [bars, gradient, temperatureStrip] = [makeBars(), makeGradient(), makeTemperatureStrip()];
  const curves = makeCurves();
  const ensemble = makeEnsemble(store);
  const sentence = element("p", { class: "kd-sentence" }, "Loading the logits …");
  let description = "";
  const announcement = element("p", { class: "kd-announcement", role: "status", "aria-live": "polite" });
  const legend = element("p", { class: "kd-note" });
  const exampleCard = element("section", { class: "kd-card" }, sentence, bars.element, legend);

  const { entropy: bits, divergence, agreement, angle, error, norm } = curves.charts;
  const main = element(
    "div",
    { class: "kd-main" },
    section(
      "All examples, softened",
      "Each row: the mean prediction for one true class. As T rises the right answers fade and the wrong ones come up: which " +
        "of them get more than others is the dark knowledge. At very high T all become alike. Click a cell for its examples.",
      ...setSection,
    ),
    section(
      "Entropy, divergence, agreement",
      "The line marks the temperature; the numbers are what holds there.",
      chartRow(bits, divergence, agreement),
    ),
    section(
      "The gradient",
      "The gradient of the soft loss (in nats, without T²) in the student's logits z, with the teacher's v: exactly, and as " +
        "it becomes when T is high. A training step moves each logit against its bar.",
      gradient.element,
      chartRow(angle, error, norm),
    ),
    section(
      "Several temperatures, several teachers",
      "One temperature beside another, and one teacher beside another.",
      temperatureStrip.element,
      ensemble.element,
    ),
  );
  const side = element("div", { class: "kd-side" }, source.element, exampleCard, announcement);
  const head = makePageHead();
  const { title, lead, links = [], kernel } = model.get("head");
  head.show(title, lead, links);
  if (!hasKernel(el)) head.notify(NO_KERNEL);
  const pageHead = element("div", { class: "kd-page-head" }, ...head.elements);
  const body = element("div", { class: "kd-body" }, side, main);
  const page = element("div", { class: "kd-page kd-lab" }, pageHead, header, body);

  store.watch(["shown", "temperature", "scale", "exponent"], ({ shown, temperature, scale, exponent }) => {
    if (!shown) return;
    page.style.setProperty("--kd-names", nameWidth(abbreviate(shown.classes, NAME_LETTERS)));
    bars.draw(shown, temperature, scale);
    gradient.draw(shown, temperature);
    temperatureStrip.draw(shown, temperature, scale);
    ensemble.draw(shown, temperature, exponent, scale);
    description = describe(shown, temperature);
    setText(sentence, description);
    setText(
      legend,
      `Bars: at this T. Ticks: at T = 1.${shown.truth < 0 ? "" : " ●: the true class."}${scale === "log" ? " From 10⁻¹⁰ to 1." : ""}`,
    );
  });
  store.watch(["sweep", "shown", "scale"], (state) => state.shown && curves.setLines(state));
  store.watch(["stats", "sweep", "shown", "scale"], (state) => {
    if (state.stats && state.shown) curves.setMarker(state);
  });
  let speechTimer = 0;
  store.watch(["shown", "temperature"], () => {
    clearTimeout(speechTimer);
    speechTimer = setTimeout(() => setText(announcement, description), SPEECH_DELAY);
  });
  // The temperature that every view shows: tests and benchmarks read it.
  store.watch(["temperature", "stats", "shown"], ({ temperature, stats, shown }) => {
    if (stats && shown) page.dataset.drawn = temperature;
  });

  // Otherwise JupyterLab handles the arrow keys in its notebook; it checks the focused element only.
  page.addEventListener("focusin", ({ target }) => (target.dataset.lmSuppressShortcuts = "true"));
  // Nor may JupyterLab handle the Enter key of a number field.
  page.addEventListener("keydown", (event) => event.stopPropagation());
  // The next user action clears an error message.
  for (const eventName of ["input", "click"]) page.addEventListener(eventName, () => showError(""), { capture: true });
  menu.acceptDrops(page);
  el.append(page);

  const stopWaiting = awaitKernel(el, {
    onBusy: () => setText(sentence, BUSY),
    onLost: (reason) => store.state.set || setText(sentence, reason),
  });
  store.watch(["set"], ({ set }) => set && stopWaiting());
  const closers = [derived, source, menu, channel, store].map((part) => part.close);
  closers.push(syncWithPython(model, store), syncUrlHash(store, showError), () => clearTimeout(speechTimer), stopWaiting);
  if (kernel && !inVoila() && hasKernel(el)) closers.push(watchKernel(model, kernel, head));
  closers.push(watchTheme(() => store.set({ dark: isDark(page) })));
  store.refresh();
  return () => closers.forEach((close) => close());
}
