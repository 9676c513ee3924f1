// The lab in a file of its own: what the kernel would answer lies in the page, as base64.

import { unpack } from "../../widgets/shared/channel.js";
import { render } from "./lab.js";

const bytes = (id) => Uint8Array.from(atob(document.getElementById(id).textContent), (letter) => letter.charCodeAt(0));

// about: {traits, answers: {"set:mnist": {…}, …}}; the buffers of an answer are in elements with the ids "set:mnist:0", ….
export function open(root, { traits, answers }) {
  const listeners = [];
  const packed = new Map(); // pictures by data set

  function answer({ type, dataset, indices }) {
    const key = dataset === undefined ? type : `${type}:${dataset}`;
    const { count, ...about } = answers[key] ?? {
      count: 0,
      error: `There is no data set ${JSON.stringify(dataset)} in this file.`,
    };
    const buffers = Array.from({ length: count }, (_, at) => bytes(`${key}:${at}`));
    return type === "pictures" ? choose(key, about, buffers, indices) : { about, buffers };
  }

  async function choose(key, { indices, size }, buffers, wanted) {
    if (!packed.has(key)) packed.set(key, unpack(buffers[0]));
    const pixels = new Uint8Array(await packed.get(key));
    const places = new Map(indices.map((example, at) => [example, at]));
    const found = wanted.filter((example) => places.has(example));
    const chosen = new Uint8Array(found.length * size);
    found.forEach((example, at) =>
      chosen.set(pixels.subarray(places.get(example) * size, (places.get(example) + 1) * size), at * size),
    );
    return { about: { indices: found }, buffers: [chosen] };
  }

  render({
    el: root,
    model: {
      alone: true,
      get: (name) => traits[name],
      set() {},
      save_changes() {},
      on: (name, act) => name === "msg:custom" && listeners.push(act),
      off() {},
      async send({ id, ...question }) {
        const { about, buffers } = await answer(question);
        for (const act of listeners) act({ type: "answer", id, answer: about }, buffers);
      },
    },
  });
}
