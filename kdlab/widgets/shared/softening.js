// Softened predictions, their measures and gradients; uses no DOM. The same formulas as kdlab.metrics.softened, as a
// test checks.

export const BITS = 1 / Math.LN2;

// Writes softmax(logits / T) of the row at `start` to `out`. Returns log Σ exp((logit − top) / T), where `top`, the
// largest logit, is at index `best`.
export function softenInto(out, logits, start, best, temperature) {
  const classes = out.length;
  const top = logits[start + best];
  let sum = 0;
  const inverseTemperature = 1 / temperature; // a product costs a quarter of a division
  for (let j = 0; j < classes; j++) sum += out[j] = Math.exp((logits[start + j] - top) * inverseTemperature);
  const share = 1 / sum;
  for (let j = 0; j < classes; j++) out[j] *= share;
  return Math.log(sum);
}

// The class with the largest logit in the row at `start`.
export function argmax(logits, start, width) {
  let best = 0;
  for (let j = 1; j < width; j++) if (logits[start + j] > logits[start + best]) best = j;
  return best;
}

export function soften(logits, temperature) {
  const out = new Float64Array(logits.length);
  softenInto(out, logits, 0, argmax(logits, 0, logits.length), temperature);
  return out;
}

export function logSoften(logits, temperature) {
  const best = argmax(logits, 0, logits.length);
  const logSum = softenInto(new Float64Array(logits.length), logits, 0, best, temperature);
  return Float64Array.from(logits, (logit) => (logit - logits[best]) / temperature - logSum);
}

// Entropy of the softened prediction, in bits.
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

// Writes q − p to q. The result sums to 0. At `best`, where p may be almost 1, the difference would cancel: it is
// computed from the others.
export function subtractInto(q, p, best) {
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
  const best = argmax(teacher, 0, teacher.length);
  return subtractInto(q, soften(teacher, temperature), best).map((difference) => difference / temperature);
}

// (z − v)/(N T²) with zero-mean logits: the limit of that gradient for high T (eq. 4).
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
  return subtractInto(soften(student, 1), truth, label);
}

export function norm(vector) {
  return Math.hypot(...vector); // squares of tiny gradients would underflow
}

// Degrees between two gradients; NaN where one of them is zero.
export function angle(a, b) {
  const [normA, normB] = [norm(a), norm(b)];
  const [sum, difference] = [new Float64Array(a.length), new Float64Array(a.length)];
  for (let j = 0; j < a.length; j++) {
    sum[j] = a[j] / normA + b[j] / normB;
    difference[j] = a[j] / normA - b[j] / normB;
  }
  return (360 / Math.PI) * Math.atan2(norm(difference), norm(sum)); // exact near 0, unlike acos
}

export function relativeError(exact, limit) {
  const exactNorm = norm(exact);
  return exactNorm > 0 ? norm(exact.map((value, j) => value - limit[j])) / exactNorm : NaN;
}

// The mean distribution of several teachers: arithmetic at exponent 1, geometric at 0, power mean between.
export function powerMean(logProbabilities, exponent) {
  const classes = logProbabilities[0].length;
  const logs = new Float64Array(classes);
  for (let j = 0; j < classes; j++) {
    const column = logProbabilities.map((teacher) => teacher[j]);
    const mean = column.reduce((sum, log) => sum + log, 0) / column.length;
    const top = Math.max(...column);
    // Relative to the largest, to avoid underflow; expm1 and log1p keep a small exponent exact.
    const excess = column.reduce((sum, log) => sum + Math.expm1(exponent * (log - top)), 0) / column.length;
    logs[j] = exponent > 0 ? top + Math.log1p(excess) / exponent : mean;
  }
  return soften(logs, 1);
}
