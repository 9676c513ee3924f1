// Fetches the views' data (logits of sets, pictures, networks), each once.

import { gunzip } from "../../../widgets/shared/channel.js";
import { makeNetwork } from "../compute/network.js";

// Jupyter provides a DataView, an exported file a Uint8Array.
const asBytes = ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength);
const rowAt = (values, index, width) => values.subarray(index * width, (index + 1) * width);

// ask(type, fields) → a promise of {…, buffers} or {error}; the functions reject with its sentence.
export function makeDataClient(ask) {
  const sets = new Map();
  const pictures = new Map(); // by set: a map from example to pixels
  const networks = new Map();

  async function request(type, fields) {
    const { error, ...reply } = await ask(type, fields);
    if (error) throw new Error(error);
    return reply;
  }

  // What failed is requested again the next time.
  function getOnce(cache, key, request) {
    if (!cache.has(key)) {
      cache.set(key, request());
      cache.get(key).catch(() => cache.delete(key));
    }
    return cache.get(key);
  }

  async function load(key) {
    const { roles, buffers, ...fields } = await request("set", { dataset: key });
    const values = new Float32Array(await gunzip(buffers[0]));
    const labels = new Int32Array(await gunzip(buffers[1]));
    const size = labels.length * fields.classes.length;
    const logits = Object.fromEntries(
      roles.map((role, index) => [role, values.subarray(index * size, (index + 1) * size)]),
    );
    return { ...fields, labels, logits };
  }

  async function loadNetworks() {
    const { layers, shape, buffers } = await request("networks");
    const weights = await Promise.all(buffers.map(gunzip));
    return Object.fromEntries(
      Object.entries(layers).map(([name, kinds], index) => [
        name,
        makeNetwork(kinds, new Float32Array(weights[index]), shape),
      ]),
    );
  }

  return {
    // {key, label, note, classes, labels, logits by role, shape of a picture, …}; rejects with a sentence.
    get: (key) => getOnce(sets, key, () => load(key)),
    // The logits of further teachers, requested after the first views are drawn.
    async teachers(set) {
      const { buffers } = await request("teachers", { dataset: set.key });
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
        const { indices, buffers } = await request("pictures", { dataset: set.key, indices: missing });
        const size = set.shape.reduce((product, side) => product * side);
        const bytes = asBytes(buffers[0]);
        indices.forEach((example, index) => cached.set(example, bytes.subarray(index * size, (index + 1) * size)));
      }
      return cached;
    },
    // The networks for drawn digits: {teacher, student, …} as functions from pixels to logits.
    networks: () => getOnce(networks, "networks", loadNetworks),
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
