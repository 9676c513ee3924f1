// Saves a run's files as one file: fetched in chunks, one reply of the kernel after another.

import { element } from "../../widgets/shared/view.js";

export async function save(run, ask, onProgress) {
  const { error, name, size } = await ask("save", { run });
  if (error) return;
  const chunks = [];
  for (let received = 0; received < size;) {
    onProgress(received / size);
    const reply = await ask("piece", { run, at: received });
    if (reply.error) return;
    chunks.push(reply.buffers[0]);
    received += reply.buffers[0].byteLength;
  }
  const address = URL.createObjectURL(new Blob(chunks, { type: "application/zip" }));
  element("a", { href: address, download: name }).click();
  URL.revokeObjectURL(address);
}
