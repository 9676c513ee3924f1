// Asking for what a view needs: of the kernel, or of the file itself when there is none (see standalone.js).

export function makeChannel(model) {
  const waiting = new Map();
  const receive = ({ type, id, answer }, buffers) => {
    if (type !== "answer" || !waiting.has(id)) return;
    waiting.get(id)({ ...answer, buffers });
    waiting.delete(id);
  };
  model.on("msg:custom", receive);
  return {
    alone: Boolean(model.alone), // no kernel behind it
    // Resolves to {…, buffers}, or {error} with a sentence.
    ask(what, about = {}, buffers = []) {
      const id = `${what}-${Math.random().toString(36).slice(2)}`; // several views of one widget hear all answers
      return new Promise((resolve) => {
        waiting.set(id, resolve);
        model.send({ type: what, id, ...about }, undefined, buffers);
      });
    },
    close() {
      model.off("msg:custom", receive);
    },
  };
}

export async function unpack(buffer) {
  const packed = new Blob([buffer]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(packed).arrayBuffer();
}
