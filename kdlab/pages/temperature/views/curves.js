// What changes along the whole range of temperatures: entropy, divergence, agreement and gradients.

import { makeChart } from "./chart.js";
import { HIGHEST, LOWEST } from "./dial.js";
import { ROLES, roleNames } from "../../../widgets/shared/dom.js";
import { angle, divergence, entropy, matchingGradient, relativeError, softGradient } from "../../../widgets/shared/softening.js";
import { openSurvey } from "../compute/set_stats.js";

const POINTS = 41;
const GRIDS = [8, 4, 2, 1]; // every how many-th temperature
const SLICE = 4; // milliseconds of a frame that the sweep over a whole set may take
const TEMPERATURES = Array.from({ length: POINTS }, (_, at) => LOWEST * (HIGHEST / LOWEST) ** (at / (POINTS - 1)));
const EXAMPLE = { colour: "#5b6775", dash: "none", thin: true };
const SCALED = { colour: "#cc79a7", dash: "9 3" };
const HARD = { colour: "#1d2733", dash: "7 3 2 3" };

// Sweeps the temperatures over a set without holding up a frame, from a coarse grid of them to finer ones;
// `tell(surveys)` after each grid.
export function startSweep(set, tell) {
  const rows = set.labels.length;
  const coarseness = (at) => GRIDS.findIndex((step) => at % step === 0);
  const order = [...TEMPERATURES.keys()].sort((a, b) => coarseness(a) - coarseness(b));
  const ends = GRIDS.map((step) => Math.ceil(POINTS / step)); // how many temperatures each grid has
  const done = new Map();
  let [open, row, timer] = [null, 0, 0];
  function go() {
    const until = performance.now() + SLICE;
    while (performance.now() < until) {
      open ??= openSurvey(set, TEMPERATURES[order[done.size]]);
      const next = Math.min(rows, row + Math.ceil(2000 / set.classes.length));
      open.add(row, next);
      row = next;
      if (row < rows) continue;
      done.set(order[done.size], open.result());
      [open, row] = [null, 0];
      if (ends.includes(done.size)) tell(ordered());
      if (done.size === POINTS) return;
    }
    timer = setTimeout(go, 12);
  }
  const ordered = () => [...done.keys()].sort((a, b) => a - b).map((at) => done.get(at));
  timer = setTimeout(go);
  return () => clearTimeout(timer);
}

const along = (surveys, read) => surveys.map((survey) => [survey.temperature, read(survey)]);
const each = (read) => TEMPERATURES.map((temperature) => [temperature, read(temperature)]);

// Each chart: its lines from what is swept (`surveys`), what never moves (`fixed`) and the shown example, and their values now.
const CHARTS = {
  entropy: {
    title: "Entropy of the soft targets, bits",
    note: "0 bits: one class takes all. log₂ of the number of classes: all classes alike. Thick lines: mean of all examples.",
    lines: (set) => roleNames(set.logits).map((role) => ({ ...ROLES[role], read: (survey) => survey.entropy[role] })),
    example: { label: "Teacher, this example", read: ({ teacher }, t) => entropy(teacher, t) },
    highest: (set, shown) => Math.log2(Math.max(set.classes.length, shown.classes.length)),
  },
  divergence: {
    title: "KL(teacher ‖ student), bits",
    note: "What the soft loss punishes (in nats there). When T is high it falls as 1/T², as both soften towards the same uniform answer: hence the factor T² where labels are learnt from too. A single example's may rise first.",
    lines: (set) => learners(set).map((role) => ({ ...ROLES[role], read: (survey) => survey.divergence[role] })),
    example: { label: "Student, this example", read: ({ teacher, student }, t) => divergence(teacher, student, t) },
    scaled: true,
  },
  agreement: {
    title: "Agreement with the teacher",
    note: "Overlap: Σ min(p, q), which moves with T. Same answer: the share of examples with the same most probable class; no temperature changes it.",
    lines: (set) =>
      learners(set).flatMap((role) => [
        { ...ROLES[role], label: `${ROLES[role].label}, overlap`, read: (survey) => survey.overlap[role] },
        {
          ...ROLES[role],
          label: `${ROLES[role].label}, same answer`,
          thin: true,
          read: (_, fixed) => fixed.agreement[role],
        },
      ]),
    highest: () => 1,
  },
  angle: {
    title: "Angle between gradient and limit, degrees",
    note: "As T grows the soft gradient turns into (z − v)/(N T²): distillation becomes matching logits. In the mean each example counts alike.",
    lines: () => [{ ...ROLES.student, label: "Mean of all examples", read: (survey) => survey.angle }],
    example: {
      label: "This example",
      read: ({ teacher, student }, t) =>
        angle(softGradient(student, teacher, t), matchingGradient(student, teacher, t)),
    },
  },
  error: {
    title: "Relative error of the limit",
    note: "Length of the difference divided by the length of the exact gradient; for all examples, the sum of the one divided by the sum of the other. It falls as 1/T when T is high.",
    lines: () => [{ ...ROLES.student, label: "Sums over all examples", read: (survey) => survey.error }],
    example: {
      label: "This example",
      read: ({ teacher, student }, t) =>
        relativeError(softGradient(student, teacher, t), matchingGradient(student, teacher, t)),
    },
    log: true,
  },
  size: {
    title: "Size of the gradients",
    note: "Mean over all examples. When T is high the soft gradient shrinks as 1/T²; with the factor T² its size levels off, so that its balance with the hard one, chosen at one high T, holds at another. Below that it still grows with T. Where soft targets alone are learnt from, Adam all but divides the factor out.",
    lines: () => [
      { ...ROLES.student, label: "Soft", read: (survey) => survey.softGradient },
      { ...SCALED, label: "Soft × T²", read: (survey) => survey.softGradient * survey.temperature ** 2 },
      { ...HARD, label: "Hard", read: (_, fixed) => fixed.hardGradient },
    ],
    log: true,
  },
};

function learners(set) {
  return roleNames(set.logits).filter((role) => role !== "teacher");
}

export function makeCurves() {
  const charts = Object.fromEntries(
    Object.entries(CHARTS).map(([key, { title, note }]) => [key, makeChart({ title, note })]),
  );
  return {
    charts,
    setLines({ set, surveys, fixed, shown, scale }) {
      for (const [key, { lines, example, highest, scaled, log }] of Object.entries(CHARTS)) {
        const drawn = lines(set).map(({ read, ...look }) => ({
          ...look,
          points: along(surveys, (survey) => read(survey, fixed)),
        }));
        if (example)
          drawn.push({ ...EXAMPLE, label: example.label, points: each((t) => example.read(shown.logits, t)) });
        charts[key].setLines(drawn, log || (scaled && scale === "log") ? "log" : "linear", highest?.(set, shown));
      }
    },
    setMarker({ set, survey, fixed, shown, temperature }) {
      for (const [key, { lines, example }] of Object.entries(CHARTS)) {
        const values = lines(set).map(({ read }) => read(survey, fixed));
        if (example) values.push(example.read(shown.logits, temperature));
        charts[key].setMarker(temperature, values);
      }
    },
  };
}
