// The temperature lab: one state, and views of it that follow within the frame. Runs in JupyterLab, Voilà and in a file.

import { followAddress, NETWORKS } from "./address.js";
import { makeAlike } from "./alike.js";
import { makeBars } from "./bars.js";
import { makeChannel } from "./channel.js";
import { makeCurves, startSweep } from "./curves.js";
import { makeDial } from "./dial.js";
import { button, element, formatNumber, formatShare, formatTemperature, labelled, nameWidth } from "./dom.js";
import { makeEnsemble } from "./ensemble.js";
import { makeExport } from "./export.js";
import { makeBehind } from "./behind.js";
import { makeGradient } from "./gradient.js";
import { makeLadder } from "./ladder.js";
import { makeMatrix } from "./matrix.js";
import { makeSets } from "./sets.js";
import { entropy, soften, survey, unmoved } from "./softening.js";
import { makeSource } from "./source.js";
import { makeStore } from "./store.js";

// What Python knows of the state, as traits of these names.
const SHARED = ["temperature", "dataset", "example", "scale", "exponent", "source", "own", "cell"];
const PAUSE = 150; // milliseconds without a change after which Python hears of it
const DIGITS = [..."0123456789"];

function section(title, words, ...children) {
  return element("section", { class: "kd-section" }, element("h2", {}, title), element("p", { class: "kd-lead" }, words), ...children);
}

const grid = (name, ...children) => element("div", { class: `kd-grid-of kd-${name}` }, ...children);

export function render({ model, el }) {
  const channel = makeChannel(model);
  const sets = makeSets(channel);
  const start = Object.fromEntries(SHARED.map((key) => [key, model.get(key)]));
  const store = makeStore({ set: null, shown: null, survey: null, surveys: [], fixed: null, drawn: null, complaint: "", ...start });
  const shared = () => Object.fromEntries(SHARED.map((key) => [key, store.state[key]]));
  const complain = (complaint) => store.set({ complaint });
  const closing = [() => store.close(), () => channel.close()];

  // --- what is worked out from the choices, in this order -------------------------------------------------------------

  store.derive(["dataset"], async ({ dataset, set }) => {
    try {
      const loaded = await sets.get(dataset);
      if (store.state.dataset !== dataset) return; // another one was chosen meanwhile
      store.set({ set: loaded });
    } catch (error) {
      complain(`${error.message} Shown: ${set?.label ?? "nothing"}.`);
      if (set) store.set({ dataset: set.key });
    }
  });
  let stopSweep = () => {};
  closing.push(() => stopSweep());
  store.derive(["set"], ({ set, example, cell }) => {
    if (!set) return;
    stopSweep();
    const [examples, classes] = [set.labels.length, set.classes.length];
    if (example >= examples) complain(`There is no test example ${example} in ${set.label}, which has ${examples.toLocaleString("en")}; shown: example 0.`);
    store.set({
      surveys: [],
      fixed: unmoved(set),
      example: example < examples ? example : 0,
      cell: cell && cell.true < classes && cell.predicted < classes ? cell : null,
    });
    stopSweep = startSweep(set, (surveys) => store.set({ surveys }));
    if (!set.teachers && set.more)
      sets.teachers(set).then((teachers) => {
        set.teachers = teachers;
        if (store.state.set === set) store.set({ teachers });
      });
  });
  async function draw(pixels) {
    const image = pixels ?? new Float32Array(784); // to an empty pad too the networks say something
    const answers = Object.entries(await sets.networks()).map(([name, predict]) => [name, Array.from(predict(image))]);
    store.set({ drawn: { ...Object.fromEntries(answers), empty: !pixels } });
  }
  store.derive(["source"], ({ source, drawn }) => source === "drawn" && !drawn && draw(null));
  store.derive(["set", "teachers", "example", "source", "own", "drawn"], ({ set, example, source, own, drawn }) => {
    if (!set) return;
    if (source === "own") {
      const logits = { teacher: own.teacher, student: own.student };
      store.set({ shown: { classes: own.classes, truth: -1, logits, teachers: [own.teacher], name: "these logits" } });
    } else if (source === "drawn" && drawn) {
      const { teacher, student } = drawn;
      const teachers = Object.keys(drawn).filter((name) => name.startsWith("teacher")).map((name) => drawn[name]);
      store.set({ shown: { classes: DIGITS, truth: -1, logits: { teacher, student }, teachers, name: drawn.empty ? "the empty pad" : "this drawing" } });
    } else if (source === "example") store.set({ shown: sets.example(set, example) });
  });
  store.derive(["set", "temperature"], ({ set, temperature }) => set && store.set({ survey: survey(set, temperature) }));

  // --- the views --------------------------------------------------------------------------------------------------------

  const pictures = (set, examples) => sets.pictures(set, examples);
  const source = makeSource({ store, pictures, draw });
  closing.push(source.close);
  const bars = makeBars();
  const sentence = element("p", { class: "kd-sentence" }, "Loading the logits …");
  const spoken = element("p", { class: "kd-spoken", role: "status", "aria-live": "polite" });
  const alarm = element("p", { class: "kd-error", role: "alert", hidden: true });
  const choose = (network) => (place) => store.set({ cell: { network, ...place } });
  const points = (value) => `${value > 0 ? "+" : "−"}${formatNumber(Math.abs(100 * value))} points`;
  const matrices = {
    teacher: makeMatrix({ title: "Teacher", onChoose: choose("teacher"), describe: (share) => formatShare(share) }),
    student: makeMatrix({ title: "Student", onChoose: choose("student"), describe: (share) => formatShare(share) }),
    difference: makeMatrix({
      title: "Student − teacher", kind: "difference", onChoose: choose("difference"),
      describe: (share, other) => `student ${formatShare(share)}, teacher ${formatShare(other)}: ${points(share - other)}`,
    }),
  };
  const still = element("p", { class: "kd-note kd-still" });
  const alike = makeAlike({ onChoose: (cell) => store.set({ cell }) });
  const behind = makeBehind({ store, pictures });
  const gradient = makeGradient();
  const curves = makeCurves();
  const ensemble = makeEnsemble(store);
  const ladder = makeLadder();
  const { charts } = curves;

  store.watch(["complaint"], ({ complaint }) => {
    alarm.textContent = complaint;
    alarm.hidden = !complaint;
  });
  store.watch(["shown", "temperature", "scale"], ({ shown, temperature, scale, exponent }) => {
    if (!shown) return;
    page.style.setProperty("--kd-names", nameWidth(shown.classes));
    bars.draw(shown, temperature, scale);
    gradient.draw(shown, temperature);
    ladder.draw(shown, temperature, scale);
    ensemble.draw(shown, temperature, exponent, scale);
    sentence.textContent = describe(shown, temperature);
  });
  store.watch(["exponent"], ({ shown, temperature, exponent, scale }) => shown && ensemble.draw(shown, temperature, exponent, scale));
  let speaking = 0;
  store.watch(["shown", "temperature"], () => {
    clearTimeout(speaking);
    speaking = setTimeout(() => (spoken.textContent = sentence.textContent), 700); // once the slider rests
  });
  closing.push(() => clearTimeout(speaking));
  store.watch(["set"], ({ set, fixed }) => {
    if (!set) return;
    for (const matrix of Object.values(matrices)) matrix.setClasses(set.classes);
    const count = (role, name) => `${name} makes ${fixed.mistakes[role].toLocaleString("en")} mistakes`;
    still.textContent =
      "Why is there no hard confusion matrix here? It stands still: dividing all logits of an example by T keeps their order, " +
      `so the most probable class is the same at every T. Of ${set.labels.length.toLocaleString("en")} test examples ` +
      `${count("teacher", "the teacher")} and ${count("student", "the student")}, whatever the temperature.`;
  });
  store.watch(["survey", "scale", "cell"], ({ survey: now, scale, cell, set }) => {
    if (!now) return;
    const { teacher, student } = now.confusion;
    matrices.difference.setTitle(scale === "log" ? "Student ÷ teacher" : "Student − teacher, points");
    for (const network of NETWORKS) {
      const place = cell?.network === network ? cell : null;
      matrices[network].draw(network === "teacher" ? teacher : student, teacher, scale, place);
    }
    alike.draw(set.classes, teacher);
  });
  store.watch(["surveys", "shown", "scale"], ({ set, surveys, fixed, shown, scale }) => {
    if (shown) curves.setLines({ set, surveys, fixed, shown, scale });
  });
  store.watch(["survey", "surveys", "shown", "scale"], ({ set, survey: now, fixed, shown, temperature }) => {
    if (now && shown) curves.setMarker({ set, survey: now, fixed, shown, temperature });
  });

  // --- the page ---------------------------------------------------------------------------------------------------------

  const menu = element("select", {}, ...model.get("sets").map(({ key, label }) => element("option", { value: key }, label)));
  menu.addEventListener("change", async () => {
    const set = await sets.get(menu.value);
    const source = store.state.source === "own" ? "own" : "example";
    store.set({ dataset: set.key, set, example: set.telling, cell: null, source });
  });
  store.watch(["dataset"], ({ dataset }) => (menu.value = dataset));
  const log = element("input", { type: "checkbox" });
  log.addEventListener("change", () => store.set({ scale: log.checked ? "log" : "linear" }));
  store.watch(["scale"], ({ scale }) => (log.checked = scale === "log"));
  const about = element("p", { class: "kd-note" });
  store.watch(["set"], ({ set }) => (about.textContent = set?.note ?? "Loading the logits …"));

  const top = element(
    "div", { class: "kd-top" },
    makeDial(store),
    element("div", { class: "kd-tools" }, labelled("Log scale", log, { class: "kd-labelled kd-check" }), labelled("Data", menu), ...makeExport({ channel, store, shared, complain })),
  );
  const side = element("div", { class: "kd-side" }, source.element, element("section", { class: "kd-card" }, sentence, bars.element, element("p", { class: "kd-note" }, "Bars: at this T. Ticks: at T = 1. ●: the true class.")), spoken, alarm);
  const main = element(
    "div", { class: "kd-main" },
    section("The whole test set, softened", "Each row: the mean prediction for one true class, in percent. As T rises the right answers fade and the wrong ones come up: that is the dark knowledge. Click a cell for its examples.",
      grid("matrices3", ...NETWORKS.map((network) => matrices[network].element)), still, behind.element, alike.element, about),
    section("Entropy, divergence, agreement", "The line marks the temperature; the numbers are what holds there.", grid("charts", charts.entropy.element, charts.divergence.element, charts.agreement.element)),
    section("The gradient", "What pulls at the student's logits z, with the teacher's v: exactly, and as it becomes when T is high. There distillation turns into matching logits.",
      gradient.element, grid("charts", charts.angle.element, charts.error.element, charts.size.element)),
    section("Several temperatures, several teachers", "One temperature beside another, and one teacher beside another.", ladder.element, ensemble.element),
  );
  const page = element("div", { class: "kd-page kd-lab" }, top, element("div", { class: "kd-body" }, side, main));
  // Or JupyterLab takes the arrow keys for its notebook; it looks at the element that has the focus only.
  page.addEventListener("focusin", ({ target }) => (target.dataset.lmSuppressShortcuts = "true"));
  // The temperature that every view shows, for those who time or test it.
  store.watch(["temperature", "survey", "shown"], ({ temperature, survey: now }) => now && (page.dataset.drawn = temperature));
  // A sentence about what could not be done goes with the next thing one does.
  for (const what of ["input", "click"]) page.addEventListener(what, () => complain(""), { capture: true });
  el.append(page);

  // --- Python and the address -------------------------------------------------------------------------------------------

  let telling = 0;
  store.watch(SHARED, () => {
    clearTimeout(telling);
    telling = setTimeout(() => {
      for (const [key, value] of Object.entries(shared())) model.set(key, value);
      model.save_changes();
    }, PAUSE);
  });
  for (const key of SHARED) {
    const hear = () => store.set({ [key]: model.get(key) });
    model.on(`change:${key}`, hear);
    closing.push(() => model.off(`change:${key}`, hear));
  }
  closing.push(() => clearTimeout(telling), followAddress(store, complain));
  store.refresh();
  return () => closing.forEach((close) => close());
}

function describe({ classes, logits, name }, temperature) {
  const shares = soften(logits.teacher, temperature);
  const best = [...classes.keys()].sort((a, b) => shares[b] - shares[a]).slice(0, 3);
  const said = best.map((at) => `${classes[at]}: ${formatShare(shares[at])}`).join(", ");
  const [bits, most] = [entropy(logits.teacher, temperature), Math.log2(classes.length)];
  return `At T = ${formatTemperature(temperature)} the teacher's soft target for ${name} is ${said}; ${bits.toFixed(2)} of at most ${most.toFixed(2)} bits.`;
}
