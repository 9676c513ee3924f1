// Sends the URL hash to Python, which parses it, and writes Python's choices to it.

import { claimUrlHash } from "../shared/url_hash.js";
import { visitor } from "./visitor.js";

const WRITE_DELAY = 400; // milliseconds without a change; browsers refuse to rewrite the URL hundreds of times a minute
const MAX_LENGTH = 4097; // characters sent to Python: more than it accepts, so that it can report an overlong hash

// Characters that are allowed in a hash stay readable.
const encodeReadably = (text) => encodeURIComponent(text).replace(/%(2C|2F|3A|3B|3D)/g, decodeURIComponent);

export function render({ model, el }) {
  el.style.display = "none";
  const sendHash = (hash) => model.send({ type: "address", text: hash.slice(1, MAX_LENGTH + 1), visitor: visitor() });
  let timer = 0;
  const urlHash = claimUrlHash((hash) => {
    clearTimeout(timer); // the user's edit takes precedence over a pending write
    sendHash(hash);
  });

  function write() {
    clearTimeout(timer);
    const parts = { ...model.get("choices"), ...(model.get("run") && { run: model.get("run") }) };
    const text = Object.entries(parts).map(([key, value]) => `${key}=${encodeReadably(value)}`);
    urlHash?.write(text.join("&"));
  }
  function writeSoon() {
    clearTimeout(timer);
    timer = setTimeout(write, WRITE_DELAY);
  }
  model.on("change:choices msg:custom", writeSoon); // a message: Python has parsed the hash
  model.on("change:run", write); // at once: the page may be reloaded right after a run has started
  if (urlHash && urlHash.opening === null) write(); // the hash is that of an earlier page of this window
  sendHash(urlHash?.opening ?? "");
  return () => {
    clearTimeout(timer);
    model.off("change:choices msg:custom", writeSoon);
    model.off("change:run", write);
    urlHash?.release();
  };
}
