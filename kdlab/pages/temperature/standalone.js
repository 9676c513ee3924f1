// The lab in an exported file: the kernel's responses are embedded in the page, as base64.

import { render } from "./lab.js";
import { makeStoredAnswers } from "./state/stored_answers.js";

const decodeBytes = (id) =>
  Uint8Array.from(atob(document.getElementById(id).textContent), (letter) => letter.charCodeAt(0));

// answers: {"set:mnist": {…}, …}; the buffers of a response are in elements with the ids "set:mnist:0", ….
export function open(root, { traits, answers: responses }) {
  const listeners = [];

  function read(key) {
    if (!responses[key]) return undefined;
    const { count, ...fields } = responses[key];
    return { ...fields, buffers: Array.from({ length: count }, (_, index) => decodeBytes(`${key}:${index}`)) };
  }
  const answer = makeStoredAnswers(read, (dataset) => `There is no data set ${JSON.stringify(dataset)} in this file.`);

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
        const { buffers = [], ...fields } = await answer(question);
        for (const listener of listeners) listener({ type: "answer", id, answer: fields }, buffers);
      },
    },
  });
}
