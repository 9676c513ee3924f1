// A small network that predicts in the browser, made of the plain layers of kdlab.io.portable_network. Uses no DOM.

// weights: a Float32Array; shape: [channels, height, width] of an image. Returns predict(pixels in [0, 1]) -> logits.
// All buffers are allocated here, once. Stored values are float32; sums accumulate in float64.
export function makeNetwork(layers, weights, shape) {
  let offset = 0;
  let size = shape;
  const takeWeights = (count) => weights.subarray(offset, (offset += count));
  const steps = layers.map((layer) => {
    const step = STEPS[layer.kind](layer, size, takeWeights);
    size = step.size;
    return step.run;
  });
  if (offset !== weights.length) throw new Error(`The layers need ${offset} weights; there are ${weights.length}.`);
  return (pixels) => Array.from(steps.reduce((values, run) => run(values), pixels));
}

// By kind: (layer, input size, takeWeights(count)) -> { size: output size, run(values) -> values }.
const STEPS = { convolution, linear, relu, pool };

function convolution({ inputs, outputs }, [, height, width], takeWeights) {
  const kernels = takeWeights(outputs * inputs * 9);
  const biases = takeWeights(outputs);
  // Zero padding around each channel, so that no loop tests for the image's border.
  const stride = width + 2;
  const area = (height + 2) * stride;
  const padded = new Float32Array(inputs * area);
  const sums = new Float64Array(height * width);
  const result = new Float32Array(outputs * height * width);

  function run(values) {
    for (let channel = 0, from = 0; channel < inputs; channel++)
      for (let y = 1; y <= height; y++, from += width)
        padded.set(values.subarray(from, from + width), channel * area + y * stride + 1);
    for (let output = 0; output < outputs; output++) {
      sums.fill(biases[output]);
      for (let input = 0; input < inputs; input++) add(input * area, (output * inputs + input) * 9);
      result.set(sums, output * sums.length);
    }
    return result;
  }

  // Adds one input channel convolved with one 3 × 3 kernel; the nine weights stay in local variables.
  function add(start, k) {
    const [a, b, c, d, e, f, g, h, i] = kernels.subarray(k, k + 9);
    for (let y = 0, pixel = 0; y < height; y++) {
      let top = start + y * stride;
      for (let x = 0; x < width; x++, pixel++, top++) {
        const middle = top + stride;
        const bottom = middle + stride;
        sums[pixel] +=
          a * padded[top] +
          b * padded[top + 1] +
          c * padded[top + 2] +
          d * padded[middle] +
          e * padded[middle + 1] +
          f * padded[middle + 2] +
          g * padded[bottom] +
          h * padded[bottom + 1] +
          i * padded[bottom + 2];
      }
    }
  }

  return { size: [outputs, height, width], run };
}

function linear({ inputs, outputs }, _, takeWeights) {
  const rows = takeWeights(outputs * inputs);
  const biases = takeWeights(outputs);
  const result = new Float32Array(outputs);

  function run(values) {
    for (let output = 0, weight = 0; output < outputs; output++) {
      let sum = biases[output];
      for (let input = 0; input < inputs; input++, weight++) sum += rows[weight] * values[input];
      result[output] = sum;
    }
    return result;
  }

  return { size: [outputs, 1, 1], run };
}

function relu(_, size) {
  const result = new Float32Array(size[0] * size[1] * size[2]);

  function run(values) {
    for (let i = 0; i < result.length; i++) result[i] = Math.max(0, values[i]);
    return result;
  }

  return { size, run };
}

// Max pooling over 2 × 2 values; for an odd side the last row or column is pooled alone.
function pool(_, [channels, height, width]) {
  const size = [channels, Math.ceil(height / 2), Math.ceil(width / 2)];
  const result = new Float32Array(size[0] * size[1] * size[2]);

  function run(values) {
    let output = 0;
    for (let channel = 0; channel < channels; channel++)
      for (let y = 0; y < height; y += 2)
        for (let x = 0; x < width; x += 2) {
          const corner = (channel * height + y) * width + x;
          const right = x + 1 < width ? 1 : 0;
          const below = y + 1 < height ? width : 0;
          const upper = Math.max(values[corner], values[corner + right]);
          const lower = Math.max(values[corner + below], values[corner + below + right]);
          result[output++] = Math.max(upper, lower);
        }
    return result;
  }

  return { size, run };
}
