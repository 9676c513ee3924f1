// What whole sets say; knows no screen. Written for speed: tens of thousands of rows stand behind every move of the
// slider.

import { BITS, angle, hardGradient, largest, size, softenInto, subtract } from "../../../widgets/shared/softening.js";

// How many examples that mean of several teachers has wrong; `teachers`: the logits of all examples, each.
export function meanMistakes(teachers, labels, width, temperature, exponent) {
  const row = new Float64Array(width);
  const score = new Float64Array(width); // grows with the mean, so that its largest is the mean's
  let mistakes = 0;
  for (let i = 0; i < labels.length; i++) {
    const start = i * width;
    score.fill(0);
    for (const logits of teachers) {
      const best = winnersOf(logits, width)[i];
      const logSum = softenInto(row, logits, start, best, temperature);
      for (let j = 0; j < width; j++) {
        const log = (logits[start + j] - logits[start + best]) / temperature - logSum;
        score[j] += exponent > 0 ? Math.expm1(exponent * log) / exponent : log;
      }
    }
    mistakes += largest(score, 0, width) !== labels[i];
  }
  return mistakes;
}

// The class with the largest logit of each row, which no temperature changes: found once for each network.
const winners = new WeakMap();

function winnersOf(logits, width) {
  if (!winners.has(logits)) {
    const rows = logits.length / width;
    winners.set(
      logits,
      Uint16Array.from({ length: rows }, (_, i) => largest(logits, i * width, width)),
    );
  }
  return winners.get(logits);
}

// What a whole set says at one temperature. Rows may be added in parts, so that a long sweep can pause between them.
export function openSurvey(set, temperature) {
  const { classes, labels, logits } = set;
  const width = classes.length;
  const roles = ["teacher", ...Object.keys(logits).filter((role) => role !== "teacher")];
  const student = roles.indexOf("student");
  const coldness = 1 / temperature;
  const factor = 1 / (width * temperature ** 2);
  const values = roles.map((role) => logits[role]);
  const best = values.map((logits) => winnersOf(logits, width));
  const rows = roles.map(() => new Float64Array(width));
  const confusion = roles.map(() => new Float64Array(width * width));
  const [entropies, divergences, overlaps] = [1, 2, 3].map(() => new Float64Array(roles.length));
  const sums = { size: 0, apart: 0, angle: 0, compared: 0 }; // of the student's gradients

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

  // `shift`: what the logarithms of both sums differ by.
  function compare(role, start, shift) {
    const [p, q, v, z] = [rows[0], rows[role], values[0], values[role]];
    let kl = 0;
    let common = 0;
    for (let j = 0; j < width; j++) {
      kl += p[j] * ((v[start + j] - z[start + j]) * coldness + shift);
      common += p[j] < q[j] ? p[j] : q[j];
    }
    divergences[role] += kl > 0 ? kl : 0;
    overlaps[role] += common;
  }

  function addGradient(start, winner) {
    const [v, z] = [values[0], values[student]];
    const soft = subtract(rows[student], rows[0], winner);
    let gap = 0;
    for (let j = 0; j < width; j++) gap += z[start + j] - v[start + j];
    gap /= width;
    let exact = 0;
    let limit = 0;
    let product = 0;
    let apart = 0;
    for (let j = 0; j < width; j++) {
      const gradient = soft[j] * coldness;
      const matching = (z[start + j] - v[start + j] - gap) * factor;
      exact += gradient * gradient;
      limit += matching * matching;
      product += gradient * matching;
      apart += (gradient - matching) * (gradient - matching);
    }
    sums.size += Math.sqrt(exact);
    sums.apart += Math.sqrt(apart);
    if (limit === 0) return;
    const between =
      exact > 1e-200
        ? (180 / Math.PI) * Math.acos(Math.min(1, Math.max(-1, product / Math.sqrt(exact * limit))))
        : angle(
            soft,
            soft.map((_, j) => z[start + j] - v[start + j] - gap),
          ); // squares of tiny gradients vanish
    if (Number.isNaN(between)) return;
    sums.angle += between;
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
    const named = (of, from = 0) => Object.fromEntries(roles.map((role, at) => [role, of(at)]).slice(from));
    return {
      temperature,
      // The row of a class without examples is NaN.
      confusion: named((at) => confusion[at].map((sum, cell) => sum / counts[(cell / width) | 0])),
      entropy: named((at) => (BITS * entropies[at]) / labels.length),
      divergence: named((at) => (BITS * divergences[at]) / labels.length, 1),
      overlap: named((at) => overlaps[at] / labels.length, 1),
      softGradient: sums.size / labels.length,
      angle: sums.angle / sums.compared,
      // Of the sums: a mean of ratios would hang on the many examples on which both networks agree already.
      error: sums.apart / sums.size,
    };
  }

  return { add, result };
}

export function survey(set, temperature) {
  const open = openSurvey(set, temperature);
  open.add(0, set.labels.length);
  return open.result();
}

// What no temperature moves: mistakes, the share of examples on which two networks agree, and the hard gradient's size.
export function unmoved(set) {
  const { classes, labels, logits } = set;
  const width = classes.length;
  const [mistakes, agreement] = [{}, {}];
  for (const role in logits) {
    mistakes[role] = agreement[role] = 0;
    for (let i = 0; i < labels.length; i++) {
      const answer = winnersOf(logits[role], width)[i];
      mistakes[role] += answer !== labels[i];
      agreement[role] += (answer === winnersOf(logits.teacher, width)[i]) / labels.length;
    }
  }
  let hard = 0;
  for (let i = 0; i < labels.length; i++)
    hard += size(hardGradient(logits.student.subarray(i * width, (i + 1) * width), labels[i])) / labels.length;
  return { mistakes, agreement, hardGradient: hard };
}
