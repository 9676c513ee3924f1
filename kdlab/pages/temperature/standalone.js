// The lab in an exported file: the kernel's responses are embedded in the page, as base64.

import { gunzip } from "../../widgets/shared/channel.js";
import { render } from "./lab.js";

const decodeBytes = (id) =>
  Uint8Array.from(atob(document.getElementById(id).textContent), (letter) => letter.charCodeAt(0));

// answers: {"set:mnist": {…}, …}; the buffers of a response are in elements with the ids "set:mnist:0", ….
export function open(root, { traits, answers: responses }) {
  const listeners = [];
  const pixelsBySet = new Map(); // pictures by data set

  function respond({ type, dataset, indices }) {
    const key = dataset === undefined ? type : `${type}:${dataset}`;
    const { count, ...fields } = responses[key] ?? {
      count: 0,
      error: `There is no data set ${JSON.stringify(dataset)} in this file.`,
    };
    const buffers = Array.from({ length: count }, (_, index) => decodeBytes(`${key}:${index}`));
    return type === "pictures" ? selectPictures(key, fields, buffers, indices) : { fields, buffers };
  }

  async function selectPictures(key, { indices, size }, buffers, requested) {
    if (!pixelsBySet.has(key)) pixelsBySet.set(key, gunzip(buffers[0]));
    const pixels = new Uint8Array(await pixelsBySet.get(key));
    const positions = new Map(indices.map((example, index) => [example, index]));
    const available = requested.filter((example) => positions.has(example));
    const chosen = new Uint8Array(available.length * size);
    available.forEach((example, index) =>
      chosen.set(pixels.subarray(positions.get(example) * size, (positions.get(example) + 1) * size), index * size),
    );
    return { fields: { indices: available }, buffers: [chosen] };
  }

  render({
    el: root,
    model: {
      standalone: true,
      get: (name) => traits[name],
      set() {},
      save_changes() {},
      on: (name, listener) => name === "msg:custom" && listeners.push(listener),
      off() {},
      async send({ id, ...question }) {
        const { fields, buffers } = await respond(question);
        for (const listener of listeners) listener({ type: "answer", id, answer: fields }, buffers);
      },
    },
  });
}
