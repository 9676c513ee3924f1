// What temperature does to logits; knows no screen. The same formulas as kdlab.metrics.softened, which a test holds.

export const BITS = 1 / Math.LN2;

// Writes softmax(logits / T) of the row at `start` to `out`; returns the logarithm of the sum of exp((logit − top) / T),
// where `top`, the largest logit, is at `best`.
export function softenInto(out, logits, start, best, temperature) {
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
export function subtract(q, p, best) {
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
