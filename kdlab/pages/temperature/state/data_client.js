// Fetches the views' data (logits of sets, pictures, networks), each once.

import { gunzip } from "../../../widgets/shared/channel.js";
import { makeNetwork } from "../compute/network.js";

// Jupyter provides a DataView, an exported file a Uint8Array.
const asBytes = ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength);
const rowAt = (values, index, width) => values.subarray(index * width, (index + 1) * width);

export function makeDataClient(channel) {
  const sets = new Map();
  const pictures = new Map(); // by set: a map from example to pixels
  let networks;

  async function load(key) {
    const { error, roles, buffers, ...fields } = await channel.ask("set", { dataset: key });
    if (error) throw new Error(error);
    const values = new Float32Array(await gunzip(buffers[0]));
    const labels = new Int32Array(await gunzip(buffers[1]));
    const size = labels.length * fields.classes.length;
    const logits = Object.fromEntries(
      roles.map((role, index) => [role, values.subarray(index * size, (index + 1) * size)]),
    );
    return { ...fields, labels, logits };
  }

  return {
    // {key, label, note, classes, labels, logits by role, shape of a picture, …}; rejects with a sentence.
    get(key) {
      if (!sets.has(key)) sets.set(key, load(key));
      return sets.get(key);
    },
    // The logits of further teachers, requested after the first views are drawn.
    async teachers(set) {
      const { buffers } = await channel.ask("teachers", { dataset: set.key });
      const size = set.labels.length * set.classes.length;
      const values = new Float32Array(await gunzip(buffers[0]));
      return Array.from({ length: values.length / size }, (_, index) =>
        values.subarray(index * size, (index + 1) * size),
      );
    },
    // A map from example to pixels; examples without a picture are missing.
    async pictures(set, examples) {
      if (!pictures.has(set.key)) pictures.set(set.key, new Map());
      const cached = pictures.get(set.key);
      const missing = set.shape ? examples.filter((example) => !cached.has(example)) : [];
      if (missing.length) {
        const { indices, buffers } = await channel.ask("pictures", { dataset: set.key, indices: missing });
        const size = set.shape.reduce((product, side) => product * side);
        const bytes = asBytes(buffers[0]);
        indices.forEach((example, index) => cached.set(example, bytes.subarray(index * size, (index + 1) * size)));
      }
      return cached;
    },
    // The networks for drawn digits: {teacher, student, …} as functions from pixels to logits.
    networks() {
      networks ??= channel.ask("networks").then(async ({ layers, shape, buffers }) => {
        const weights = await Promise.all(buffers.map(gunzip));
        return Object.fromEntries(
          Object.entries(layers).map(([name, kinds], index) => [
            name,
            makeNetwork(kinds, new Float32Array(weights[index]), shape),
          ]),
        );
      });
      return networks;
    },
    // One example in the form that the views show.
    example(set, index) {
      const width = set.classes.length;
      const logits = Object.fromEntries(
        Object.entries(set.logits).map(([role, values]) => [role, [...rowAt(values, index, width)]]),
      );
      const teachers = [logits.teacher, ...(set.teachers ?? []).map((values) => [...rowAt(values, index, width)])];
      return { classes: set.classes, truth: set.labels[index], logits, teachers, name: `example ${index}` };
    },
  };
}
