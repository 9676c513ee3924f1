// What temperature does to logits; knows no screen. The same formulas as kdlab.core.temperature, which a test holds.

const BITS = 1 / Math.LN2;

// Writes softmax(logits / T) of the row at `start` to `out`; returns the logarithm of the sum of exp((logit − top) / T),
// where `top`, the largest logit, is at `best`.
function softenInto(out, logits, start, best, temperature) {
  const classes = out.length;
  const top = logits[start + best];
  let sum = 0;
  const coldness = 1 / temperature; // a product costs a quarter of a division
  for (let j = 0; j < classes; j++) sum += out[j] = Math.exp((logits[start + j] - top) * coldness);
  const share = 1 / sum;
  for (let j = 0; j < classes; j++) out[j] *= share;
  return Math.log(sum);
}

// The class with the largest logit in the row at `start`.
export function largest(logits, start, width) {
  let best = 0;
  for (let j = 1; j < width; j++) if (logits[start + j] > logits[start + best]) best = j;
  return best;
}

export function soften(logits, temperature) {
  const out = new Float64Array(logits.length);
  softenInto(out, logits, 0, largest(logits, 0, logits.length), temperature);
  return out;
}

export function logSoften(logits, temperature) {
  const best = largest(logits, 0, logits.length);
  const logSum = softenInto(new Float64Array(logits.length), logits, 0, best, temperature);
  return Float64Array.from(logits, (logit) => (logit - logits[best]) / temperature - logSum);
}

// Bits of the softened prediction.
export function entropy(logits, temperature) {
  const logs = logSoften(logits, temperature);
  return -BITS * logs.reduce((sum, log) => sum + Math.exp(log) * log, 0);
}

// KL(teacher ‖ student) of the softened predictions, in bits.
export function divergence(teacher, student, temperature) {
  const p = logSoften(teacher, temperature);
  const q = logSoften(student, temperature);
  const nats = p.reduce((sum, log, j) => sum + Math.exp(log) * (log - q[j]), 0);
  return BITS * Math.max(0, nats);
}

// Writes q − p over q. It sums to 0, and where p is almost 1 the difference would cancel: what the others leave does not.
function subtract(q, p, best) {
  let others = 0;
  for (let j = 0; j < q.length; j++) {
    q[j] -= p[j];
    if (j !== best) others += q[j];
  }
  q[best] = -others;
  return q;
}

// (q − p)/T: the gradient of the soft loss in the student's logits (Hinton et al. 2015, eq. 2).
export function softGradient(student, teacher, temperature) {
  const q = soften(student, temperature);
  const best = largest(teacher, 0, teacher.length);
  return subtract(q, soften(teacher, temperature), best).map((difference) => difference / temperature);
}

// (z − v)/(N T²), logits zero-meaned: what that gradient tends to when T is high (eq. 4).
export function matchingGradient(student, teacher, temperature) {
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [z, v] = [mean(student), mean(teacher)];
  const factor = student.length * temperature ** 2;
  return Float64Array.from(student, (value, j) => (value - z - (teacher[j] - v)) / factor);
}

// softmax(z) at T = 1 minus the one-hot label.
export function hardGradient(student, label) {
  const truth = new Float64Array(student.length);
  truth[label] = 1;
  return subtract(soften(student, 1), truth, label);
}

export function size(vector) {
  return Math.hypot(...vector); // squares of tiny gradients would vanish
}

// Degrees between two gradients; NaN where one of them is zero.
export function angle(a, b) {
  const [along, across] = [size(a), size(b)];
  const [sum, difference] = [new Float64Array(a.length), new Float64Array(a.length)];
  for (let j = 0; j < a.length; j++) {
    sum[j] = a[j] / along + b[j] / across;
    difference[j] = a[j] / along - b[j] / across;
  }
  return (360 / Math.PI) * Math.atan2(size(difference), size(sum)); // exact near 0, where acos is not
}

export function relativeError(exact, limit) {
  const length = size(exact);
  return length > 0 ? size(exact.map((value, j) => value - limit[j])) / length : NaN;
}

// One distribution from those of several teachers: their arithmetic mean at exponent 1, geometric at 0, power mean between.
export function powerMean(logProbabilities, exponent) {
  const classes = logProbabilities[0].length;
  const logs = new Float64Array(classes);
  for (let j = 0; j < classes; j++) {
    const column = logProbabilities.map((teacher) => teacher[j]);
    const mean = column.reduce((sum, log) => sum + log, 0) / column.length;
    const top = Math.max(...column);
    // Around the largest, so that nothing underflows; expm1 and log1p keep a small exponent exact.
    const excess = column.reduce((sum, log) => sum + Math.expm1(exponent * (log - top)), 0) / column.length;
    logs[j] = exponent > 0 ? top + Math.log1p(excess) / exponent : mean;
  }
  return soften(logs, 1);
}

// How many test examples that mean of several teachers has wrong; `teachers`: the logits of all examples, each.
export function meanMistakes(teachers, labels, width, temperature, exponent) {
  const row = new Float64Array(width);
  const score = new Float64Array(width); // grows with the mean, so that its largest is the mean's
  let mistakes = 0;
  for (let i = 0; i < labels.length; i++) {
    const start = i * width;
    score.fill(0);
    for (const logits of teachers) {
      const best = largest(logits, start, width);
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

// What a whole test set says at one temperature. Rows may be added in parts, so that a long sweep can pause between them.
export function openSurvey(set, temperature) {
  const { classes, labels, logits } = set;
  const width = classes.length;
  const roles = ["teacher", ...Object.keys(logits).filter((role) => role !== "teacher")];
  const student = roles.indexOf("student");
  const coldness = 1 / temperature;
  const factor = 1 / (width * temperature ** 2);
  const values = roles.map((role) => logits[role]);
  const rows = roles.map(() => new Float64Array(width));
  const confusion = roles.map(() => new Float64Array(width * width));
  const [entropies, divergences, overlaps] = [1, 2, 3].map(() => new Float64Array(roles.length));
  const sums = { size: 0, apart: 0, angle: 0, compared: 0 }; // of the student's gradients

  // Adds the softened row of one network to its confusion matrix and entropy.
  function addRow(role, start, best, cell) {
    const [row, z, matrix] = [rows[role], values[role], confusion[role]];
    const logSum = softenInto(row, z, start, best, temperature);
    const top = z[start + best];
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

  function addGradient(start, best) {
    const [v, z] = [values[0], values[student]];
    const soft = subtract(rows[student], rows[0], best);
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
        : angle(soft, soft.map((_, j) => z[start + j] - v[start + j] - gap)); // squares of tiny gradients vanish
    if (Number.isNaN(between)) return;
    sums.angle += between;
    sums.compared += 1;
  }

  function add(from, to) {
    for (let i = from; i < to; i++) {
      const start = i * width;
      const cell = labels[i] * width;
      const best = largest(values[0], start, width);
      const top = values[0][start + best];
      const logSum = addRow(0, start, best, cell);
      for (let role = 1; role < roles.length; role++) {
        const peak = largest(values[role], start, width);
        const otherLogSum = addRow(role, start, peak, cell);
        compare(role, start, (values[role][start + peak] - top) / temperature + otherLogSum - logSum);
      }
      addGradient(start, best);
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
      // Of the sums: a mean of ratios would hang on the few examples on which both networks agree already.
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
      const answer = largest(logits[role], i * width, width);
      mistakes[role] += answer !== labels[i];
      agreement[role] += (answer === largest(logits.teacher, i * width, width)) / labels.length;
    }
  }
  let hard = 0;
  for (let i = 0; i < labels.length; i++)
    hard += size(hardGradient(logits.student.subarray(i * width, (i + 1) * width), labels[i])) / labels.length;
  return { mistakes, agreement, hardGradient: hard };
}
