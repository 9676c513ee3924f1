// Statistics of a whole data set at one temperature; uses no DOM. Optimized: each move of the slider processes tens of
// thousands of rows.

import {
  BITS,
  angle,
  argmax,
  hardGradient,
  norm,
  softenInto,
  subtractInto,
} from "../../../widgets/shared/softening.js";

// Number of examples that the mean of several teachers misclassifies; `teachers`: flat logits of all examples, per
// teacher.
export function ensembleMistakes(teachers, labels, width, temperature, exponent) {
  const row = new Float64Array(width);
  const score = new Float64Array(width); // increases monotonically with the mean, so that both have the same argmax
  let mistakes = 0;
  for (let i = 0; i < labels.length; i++) {
    const start = i * width;
    score.fill(0);
    for (const logits of teachers) {
      const best = predictedClasses(logits, width)[i];
      const logSum = softenInto(row, logits, start, best, temperature);
      for (let j = 0; j < width; j++) {
        const log = (logits[start + j] - logits[start + best]) / temperature - logSum;
        score[j] += exponent > 0 ? Math.expm1(exponent * log) / exponent : log;
      }
    }
    mistakes += argmax(score, 0, width) !== labels[i];
  }
  return mistakes;
}

// Predicted class (argmax of the logits) of each row. No temperature changes it, so it is cached per network.
const predictionCache = new WeakMap();

function predictedClasses(logits, width) {
  if (!predictionCache.has(logits)) {
    const rows = logits.length / width;
    predictionCache.set(
      logits,
      Uint16Array.from({ length: rows }, (_, i) => argmax(logits, i * width, width)),
    );
  }
  return predictionCache.get(logits);
}

// Accumulates the statistics of a set at one temperature. Rows are added in parts, so that a long sweep can pause.
export function makeStatsAccumulator(set, temperature) {
  const { classes, labels, logits } = set;
  const width = classes.length;
  const roles = ["teacher", ...Object.keys(logits).filter((role) => role !== "teacher")];
  const student = roles.indexOf("student");
  const inverseTemperature = 1 / temperature;
  const factor = 1 / (width * temperature ** 2);
  const values = roles.map((role) => logits[role]);
  const best = values.map((logits) => predictedClasses(logits, width));
  const rows = roles.map(() => new Float64Array(width));
  const confusion = roles.map(() => new Float64Array(width * width));
  const [entropies, divergences, overlaps] = [1, 2, 3].map(() => new Float64Array(roles.length));
  const sums = { softNorm: 0, errorNorm: 0, angle: 0, compared: 0 }; // of the student's gradients

  // Adds the softened row of one network to its confusion matrix and entropy.
  function addRow(role, i, start, cell) {
    const [row, z, matrix] = [rows[role], values[role], confusion[role]];
    const logSum = softenInto(row, z, start, best[role][i], temperature);
    const top = z[start + best[role][i]];
    let mean = 0;
    for (let j = 0; j < width; j++) {
      mean += row[j] * (z[start + j] - top);
      matrix[cell + j] += row[j];
    }
    entropies[role] += logSum - mean / temperature;
    return logSum;
  }

  // `shift`: the difference between the log-sum-exp terms of both networks.
  function compare(role, start, shift) {
    const [p, q, v, z] = [rows[0], rows[role], values[0], values[role]];
    let kl = 0;
    let common = 0;
    for (let j = 0; j < width; j++) {
      kl += p[j] * ((v[start + j] - z[start + j]) * inverseTemperature + shift);
      common += p[j] < q[j] ? p[j] : q[j];
    }
    divergences[role] += kl > 0 ? kl : 0;
    overlaps[role] += common;
  }

  function addGradient(start, teacherBest) {
    const [v, z] = [values[0], values[student]];
    const soft = subtractInto(rows[student], rows[0], teacherBest);
    let offset = 0;
    for (let j = 0; j < width; j++) offset += z[start + j] - v[start + j];
    offset /= width;
    let exact = 0;
    let limit = 0;
    let product = 0;
    let errorSquared = 0;
    for (let j = 0; j < width; j++) {
      const gradient = soft[j] * inverseTemperature;
      const matching = (z[start + j] - v[start + j] - offset) * factor;
      exact += gradient * gradient;
      limit += matching * matching;
      product += gradient * matching;
      errorSquared += (gradient - matching) * (gradient - matching);
    }
    sums.softNorm += Math.sqrt(exact);
    sums.errorNorm += Math.sqrt(errorSquared);
    if (limit === 0) return;
    const degrees =
      exact > 1e-200
        ? (180 / Math.PI) * Math.acos(Math.min(1, Math.max(-1, product / Math.sqrt(exact * limit))))
        : angle(
            soft,
            soft.map((_, j) => z[start + j] - v[start + j] - offset),
          ); // the squares of tiny gradients underflow
    if (Number.isNaN(degrees)) return;
    sums.angle += degrees;
    sums.compared += 1;
  }

  function add(from, to) {
    for (let i = from; i < to; i++) {
      const start = i * width;
      const cell = labels[i] * width;
      const top = values[0][start + best[0][i]];
      const logSum = addRow(0, i, start, cell);
      for (let role = 1; role < roles.length; role++) {
        const otherLogSum = addRow(role, i, start, cell);
        const shift = (values[role][start + best[role][i]] - top) / temperature + otherLogSum - logSum;
        compare(role, start, shift);
      }
      addGradient(start, best[0][i]);
    }
  }

  function result() {
    const counts = new Float64Array(width);
    for (const label of labels) counts[label] += 1;
    const byRole = (statOf, from = 0) =>
      Object.fromEntries(roles.map((role, index) => [role, statOf(index)]).slice(from));
    return {
      temperature,
      // The row of a class without examples is NaN.
      confusion: byRole((index) => confusion[index].map((sum, cell) => sum / counts[(cell / width) | 0])),
      entropy: byRole((index) => (BITS * entropies[index]) / labels.length),
      divergence: byRole((index) => (BITS * divergences[index]) / labels.length, 1),
      overlap: byRole((index) => overlaps[index] / labels.length, 1),
      softGradient: sums.softNorm / labels.length,
      angle: sums.angle / sums.compared,
      // A ratio of sums: a mean of ratios would depend on the many examples on which both networks already agree.
      error: sums.errorNorm / sums.softNorm,
    };
  }

  return { add, result };
}

export function setStats(set, temperature) {
  const accumulator = makeStatsAccumulator(set, temperature);
  accumulator.add(0, set.labels.length);
  return accumulator.result();
}

// Statistics that do not depend on the temperature: mistakes, agreement with the teacher, and the hard gradient's norm.
export function temperatureInvariants(set) {
  const { classes, labels, logits } = set;
  const width = classes.length;
  const [mistakes, agreement] = [{}, {}];
  for (const role in logits) {
    mistakes[role] = agreement[role] = 0;
    for (let i = 0; i < labels.length; i++) {
      const predicted = predictedClasses(logits[role], width)[i];
      mistakes[role] += predicted !== labels[i];
      agreement[role] += (predicted === predictedClasses(logits.teacher, width)[i]) / labels.length;
    }
  }
  let hard = 0;
  for (let i = 0; i < labels.length; i++)
    hard += norm(hardGradient(logits.student.subarray(i * width, (i + 1) * width), labels[i])) / labels.length;
  return { mistakes, agreement, hardGradient: hard };
}
