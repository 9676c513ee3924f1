// Fetches what the views need – logits of sets, pictures, networks – each once.

import { unpack } from "../../../widgets/shared/channel.js";
import { makeNetwork } from "../compute/network.js";

// Jupyter gives a DataView, a file a Uint8Array.
const asBytes = ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength);
const row = (values, at, width) => values.subarray(at * width, (at + 1) * width);

export function makeSets(channel) {
  const sets = new Map();
  const pictures = new Map(); // of one set after the other: {example: pixels}
  let networks;

  async function load(key) {
    const { error, roles, buffers, ...about } = await channel.ask("set", { dataset: key });
    if (error) throw new Error(error);
    const values = new Float32Array(await unpack(buffers[0]));
    const labels = new Int32Array(await unpack(buffers[1]));
    const size = labels.length * about.classes.length;
    const logits = Object.fromEntries(roles.map((role, at) => [role, values.subarray(at * size, (at + 1) * size)]));
    return { ...about, labels, logits };
  }

  return {
    // {key, label, note, classes, labels, logits by role, shape of a picture, …}; rejects with a sentence.
    get(key) {
      if (!sets.has(key)) sets.set(key, load(key));
      return sets.get(key);
    },
    // The logits of further teachers, after the first views are drawn.
    async teachers(set) {
      const { buffers } = await channel.ask("teachers", { dataset: set.key });
      const size = set.labels.length * set.classes.length;
      const values = new Float32Array(await unpack(buffers[0]));
      return Array.from({ length: values.length / size }, (_, at) => values.subarray(at * size, (at + 1) * size));
    },
    // A map from example to its pixels; those that there are no pictures of are missing.
    async pictures(set, examples) {
      if (!pictures.has(set.key)) pictures.set(set.key, new Map());
      const known = pictures.get(set.key);
      const wanted = set.shape ? examples.filter((example) => !known.has(example)) : [];
      if (wanted.length) {
        const { indices, buffers } = await channel.ask("pictures", { dataset: set.key, indices: wanted });
        const size = set.shape.reduce((product, side) => product * side);
        const bytes = asBytes(buffers[0]);
        indices.forEach((example, at) => known.set(example, bytes.subarray(at * size, (at + 1) * size)));
      }
      return known;
    },
    // What a drawn digit is given to: {teacher, student, …} as functions from pixels to logits.
    networks() {
      networks ??= channel.ask("networks").then(async ({ layers, shape, buffers }) => {
        const weights = await Promise.all(buffers.map(unpack));
        return Object.fromEntries(
          Object.entries(layers).map(([name, kinds], at) => [
            name,
            makeNetwork(kinds, new Float32Array(weights[at]), shape),
          ]),
        );
      });
      return networks;
    },
    // One example as it is shown.
    example(set, at) {
      const width = set.classes.length;
      const logits = Object.fromEntries(
        Object.entries(set.logits).map(([role, values]) => [role, [...row(values, at, width)]]),
      );
      const teachers = [logits.teacher, ...(set.teachers ?? []).map((values) => [...row(values, at, width)])];
      return { classes: set.classes, truth: set.labels[at], logits, teachers, name: `example ${at}` };
    },
  };
}
