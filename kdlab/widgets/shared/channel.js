// Requests data from the kernel, or from an exported file, which has none (see standalone.js).

import { NO_KERNEL, awaitKernel } from "./kernel.js";

const ANSWER_TIMEOUT = 60_000; // milliseconds

export function makeChannel(model, el) {
  const pending = new Map();
  const receive = ({ type, id, answer: reply }, buffers) => {
    if (type === "answer") pending.get(id)?.({ ...reply, buffers });
  };
  model.on("msg:custom", receive);
  return {
    standalone: Boolean(model.standalone), // without a kernel
    // Resolves to {…, buffers}, or {error} with a sentence, also when no kernel is there to answer.
    ask(type, fields = {}, buffers = [], timeout = ANSWER_TIMEOUT) {
      // Unique, as all views of a widget receive every reply.
      const id = `${type}-${Math.random().toString(36).slice(2)}`;
      return new Promise((resolve) => {
        const stopWaiting = awaitKernel(el, { onLost: (error) => settle({ error }), timeout });
        function settle(reply) {
          stopWaiting();
          pending.delete(id);
          resolve(reply);
        }
        pending.set(id, settle);
        try {
          model.send({ type, id, ...fields }, undefined, buffers);
        } catch {
          settle({ error: NO_KERNEL }); // it was shut down
        }
      });
    },
    close() {
      model.off("msg:custom", receive);
      for (const settle of pending.values()) settle({ error: NO_KERNEL });
    },
  };
}

export async function gunzip(buffer) {
  const stream = new Blob([buffer]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}
