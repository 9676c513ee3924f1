// A run's files as one file of the browser's: fetched piece by piece, as the kernel's answers come one after another.

import { element } from "../../widgets/shared/view.js";

export async function save(run, ask, tell) {
  const { error, name, size } = await ask("save", { run });
  if (error) return;
  const pieces = [];
  for (let got = 0; got < size;) {
    tell(got / size);
    const answer = await ask("piece", { run, at: got });
    if (answer.error) return;
    pieces.push(answer.buffers[0]);
    got += answer.buffers[0].byteLength;
  }
  const address = URL.createObjectURL(new Blob(pieces, { type: "application/zip" }));
  element("a", { href: address, download: name }).click();
  URL.revokeObjectURL(address);
}
