// Requests data from the kernel, or from an exported file, which has none (see standalone.js).

export function makeChannel(model) {
  const pending = new Map();
  const receive = ({ type, id, answer: reply }, buffers) => {
    if (type !== "answer" || !pending.has(id)) return;
    pending.get(id)({ ...reply, buffers });
    pending.delete(id);
  };
  model.on("msg:custom", receive);
  return {
    standalone: Boolean(model.standalone), // without a kernel
    // Resolves to {…, buffers}, or {error} with a sentence.
    ask(type, fields = {}, buffers = []) {
      // Unique, as all views of a widget receive every reply.
      const id = `${type}-${Math.random().toString(36).slice(2)}`;
      return new Promise((resolve) => {
        pending.set(id, resolve);
        model.send({ type, id, ...fields }, undefined, buffers);
      });
    },
    close() {
      model.off("msg:custom", receive);
    },
  };
}

export async function gunzip(buffer) {
  const stream = new Blob([buffer]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}
