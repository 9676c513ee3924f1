// Answers from data that are kept in the page itself, in place of a kernel's.

import { gunzip } from "../../../widgets/shared/channel.js";

// read(key) returns {…fields, buffers} for a key such as "set:mnist" or "networks", or undefined where nothing is kept;
// `missing` is the error sentence for that. Returns answer(question) → a promise of {…fields, buffers} or {error}.
export function makeStoredAnswers(read, missing) {
  const pixelsBySet = new Map(); // pictures by data set

  async function selectPictures(key, { indices, size, buffers }, requested) {
    if (!pixelsBySet.has(key)) pixelsBySet.set(key, gunzip(buffers[0]));
    const pixels = new Uint8Array(await pixelsBySet.get(key));
    const positions = new Map(indices.map((example, index) => [example, index]));
    const available = requested.filter((example) => positions.has(example));
    const chosen = new Uint8Array(available.length * size);
    available.forEach((example, index) =>
      chosen.set(pixels.subarray(positions.get(example) * size, (positions.get(example) + 1) * size), index * size),
    );
    return { indices: available, buffers: [chosen] };
  }

  return async function answer({ type, dataset, indices }) {
    const key = dataset === undefined ? type : `${type}:${dataset}`;
    const stored = read(key);
    if (!stored) return { error: missing(dataset) };
    return type === "pictures" ? selectPictures(key, stored, indices) : stored;
  };
}
