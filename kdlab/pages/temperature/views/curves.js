// Curves over the whole range of temperatures: entropy, divergence, agreement and gradients.

import { makeChart } from "./chart.js";
import { HIGHEST, LOWEST } from "./dial.js";
import { ROLES, roleNames } from "../../../widgets/shared/dom.js";
import {
  angle,
  divergence,
  entropy,
  matchingGradient,
  relativeError,
  softGradient,
} from "../../../widgets/shared/softening.js";
import { makeStatsAccumulator } from "../compute/set_stats.js";

const POINTS = 41;
const GRID_STRIDES = [8, 4, 2, 1]; // strides between the temperatures of each grid, coarse to fine
const TIME_SLICE = 4; // milliseconds of a frame that the sweep over a whole set may take
const TEMPERATURES = Array.from({ length: POINTS }, (_, i) => LOWEST * (HIGHEST / LOWEST) ** (i / (POINTS - 1)));
const EXAMPLE = { colour: "var(--kd-muted)", dash: "none", thin: true };
const SCALED = { colour: "var(--kd-rose)", dash: "9 3" };
const HARD = { colour: "var(--kd-ink)", dash: "7 3 2 3" };

// Computes a set's statistics at all temperatures without blocking a frame, from a coarse grid to finer ones; calls
// `onGrid(sweep)` after each grid. Returns a function that stops it.
export function startSweep(set, onGrid) {
  const rows = set.labels.length;
  const coarseness = (index) => GRID_STRIDES.findIndex((step) => index % step === 0);
  const order = [...TEMPERATURES.keys()].sort((a, b) => coarseness(a) - coarseness(b));
  const gridEnds = GRID_STRIDES.map((step) => Math.ceil(POINTS / step)); // number of temperatures up to each grid
  const done = new Map();
  let [accumulator, row, timer] = [null, 0, 0];
  function runSlice() {
    const until = performance.now() + TIME_SLICE;
    while (performance.now() < until) {
      accumulator ??= makeStatsAccumulator(set, TEMPERATURES[order[done.size]]);
      const next = Math.min(rows, row + Math.ceil(2000 / set.classes.length));
      accumulator.add(row, next);
      row = next;
      if (row < rows) continue;
      done.set(order[done.size], accumulator.result());
      [accumulator, row] = [null, 0];
      if (gridEnds.includes(done.size)) onGrid(orderedStats());
      if (done.size === POINTS) return;
    }
    timer = setTimeout(runSlice, 12);
  }
  const orderedStats = () => [...done.keys()].sort((a, b) => a - b).map((index) => done.get(index));
  timer = setTimeout(runSlice);
  return () => clearTimeout(timer);
}

const sweepPoints = (sweep, read) => sweep.map((stats) => [stats.temperature, read(stats)]);
const examplePoints = (read) => TEMPERATURES.map((temperature) => [temperature, read(temperature)]);

// Each chart: its lines from the `sweep`, the `invariants` and the shown example, and their values at the current
// temperature.
const CHARTS = {
  entropy: {
    title: "Entropy of the soft targets, bits",
    note: "0 bits: one class takes all. log₂ of the number of classes: all classes alike. Thick lines: mean of all examples.",
    lines: (set) => roleNames(set.logits).map((role) => ({ ...ROLES[role], read: (stats) => stats.entropy[role] })),
    example: { label: "Teacher, this example", read: ({ teacher }, t) => entropy(teacher, t) },
    highest: (set, shown) => Math.log2(Math.max(set.classes.length, shown.classes.length)),
  },
  divergence: {
    title: "KL(teacher ‖ student), bits",
    note: "What the soft loss punishes (in nats there). When T is high it falls as 1/T², as both soften towards the same uniform answer: hence the factor T² where labels are learnt from too. A single example's may rise first.",
    lines: (set) => learners(set).map((role) => ({ ...ROLES[role], read: (stats) => stats.divergence[role] })),
    example: { label: "Student, this example", read: ({ teacher, student }, t) => divergence(teacher, student, t) },
    scaled: true,
  },
  agreement: {
    title: "Agreement with the teacher",
    note: "Overlap: Σ min(p, q), which moves with T. Same answer: the share of examples with the same most probable class; no temperature changes it.",
    lines: (set) =>
      learners(set).flatMap((role) => [
        { ...ROLES[role], label: `${ROLES[role].label}, overlap`, read: (stats) => stats.overlap[role] },
        {
          ...ROLES[role],
          label: `${ROLES[role].label}, same answer`,
          thin: true,
          read: (_, invariants) => invariants.agreement[role],
        },
      ]),
    highest: () => 1,
  },
  angle: {
    title: "Angle between gradient and limit, degrees",
    note: "As T grows the soft gradient turns into (z − v)/(N T²): distillation becomes matching logits. In the mean each example counts alike.",
    lines: () => [{ ...ROLES.student, label: "Mean of all examples", read: (stats) => stats.angle }],
    example: {
      label: "This example",
      read: ({ teacher, student }, t) =>
        angle(softGradient(student, teacher, t), matchingGradient(student, teacher, t)),
    },
  },
  error: {
    title: "Relative error of the limit",
    note: "Length of the difference divided by the length of the exact gradient; for all examples, the sum of the one divided by the sum of the other. It falls as 1/T when T is high.",
    lines: () => [{ ...ROLES.student, label: "Sums over all examples", read: (stats) => stats.error }],
    example: {
      label: "This example",
      read: ({ teacher, student }, t) =>
        relativeError(softGradient(student, teacher, t), matchingGradient(student, teacher, t)),
    },
    log: true,
  },
  norm: {
    title: "Size of the gradients",
    note: "Mean over all examples. When T is high the soft gradient shrinks as 1/T²; with the factor T² its size levels off, so that its balance with the hard one, chosen at one high T, holds at another. Below that it still grows with T. Where soft targets alone are learnt from, Adam all but divides the factor out.",
    lines: () => [
      { ...ROLES.student, label: "Soft", read: (stats) => stats.softGradient },
      { ...SCALED, label: "Soft × T²", read: (stats) => stats.softGradient * stats.temperature ** 2 },
      { ...HARD, label: "Hard", read: (_, invariants) => invariants.hardGradient },
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
    setLines({ set, sweep, invariants, shown, scale }) {
      for (const [key, { lines, example, highest, scaled, log }] of Object.entries(CHARTS)) {
        const drawn = lines(set).map(({ read, ...look }) => ({
          ...look,
          points: sweepPoints(sweep, (stats) => read(stats, invariants)),
        }));
        if (example)
          drawn.push({ ...EXAMPLE, label: example.label, points: examplePoints((t) => example.read(shown.logits, t)) });
        charts[key].setLines(drawn, log || (scaled && scale === "log") ? "log" : "linear", highest?.(set, shown));
      }
    },
    setMarker({ set, stats, invariants, shown, temperature }) {
      for (const [key, { lines, example }] of Object.entries(CHARTS)) {
        const values = lines(set).map(({ read }) => read(stats, invariants));
        if (example) values.push(example.read(shown.logits, temperature));
        charts[key].setMarker(temperature, values);
      }
    },
  };
}
