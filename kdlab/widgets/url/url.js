// Tells Python what the page's address says after "#", and writes there what Python chose. It is read in Python.

import { holdAddress } from "../shared/url_hash.js";
import { visitor } from "./visitor.js";

const PAUSE = 400; // milliseconds without a change; browsers refuse to rewrite the address hundreds of times a minute
const MOST = 4097; // characters that Python is sent: one more than it reads, so that it can say that they are too many

// What may stand in an address as it is, stays legible.
const legible = (text) => encodeURIComponent(text).replace(/%(2C|2F|3A|3B|3D)/g, decodeURIComponent);

export function render({ model, el }) {
  el.style.display = "none";
  const say = (hash) => model.send({ type: "address", text: hash.slice(1, MOST + 1), visitor: visitor() });
  let timer = 0;
  const place = holdAddress((hash) => {
    clearTimeout(timer); // what a person writes comes before what was to be written
    say(hash);
  });

  function write() {
    clearTimeout(timer);
    const parts = { ...model.get("choices"), ...(model.get("run") && { run: model.get("run") }) };
    const text = Object.entries(parts).map(([key, value]) => `${key}=${legible(value)}`);
    place?.write(text.join("&"));
  }
  function writeSoon() {
    clearTimeout(timer);
    timer = setTimeout(write, PAUSE);
  }
  model.on("change:choices msg:custom", writeSoon); // a message: Python has heard what the address says
  model.on("change:run", write); // at once: a page may be reloaded just after a run has begun
  if (place && place.opening === null) write(); // the address is of a page that was here before
  say(place?.opening ?? "");
  return () => {
    clearTimeout(timer);
    model.off("change:choices msg:custom", writeSoon);
    model.off("change:run", write);
    place?.release();
  };
}
