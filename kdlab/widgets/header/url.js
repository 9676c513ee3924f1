// Sends the URL hash to Python, which parses it, and writes Python's choices to it.

import { claimUrlHash } from "../shared/url_hash.js";
import { OPEN_EVENT, inVoila, takeHandedOver } from "../shared/page_link.js";
import { visitor } from "./visitor.js";

const WRITE_DELAY = 400; // milliseconds without a change; browsers refuse to rewrite the URL hundreds of times a minute
const MAX_LENGTH = 4097; // characters sent to Python: more than it accepts, so that it can report an overlong hash

// Characters that are allowed in a hash stay readable.
const encodeReadably = (text) => encodeURIComponent(text).replace(/%(2C|2F|3A|3B|3D)/g, decodeURIComponent);

// The hash of the page in a notebook's cell, kept for the page that the next execution of the cell shows.
function makeMemory(key) {
  if (inVoila() || !key) return { read: () => "", write() {} };
  const name = `kdlab.hash.${key}`;
  return {
    read() {
      try {
        return sessionStorage.getItem(name) ?? "";
      } catch {
        return ""; // storage is blocked
      }
    },
    write(text) {
      try {
        sessionStorage.setItem(name, text);
      } catch {
        // storage is blocked
      }
    },
  };
}

// Whether this page was loaded again, so that its hash is one that it wrote itself.
const isReload = () => ["reload", "back_forward"].includes(performance.getEntriesByType("navigation")[0].type);

export function syncUrl(model) {
  const page = model.get("page");
  const memory = makeMemory(model.get("cell") && `${page}.${model.get("cell")}`);
  const send = (hash, source) =>
    model.send({ type: "address", text: hash.replace(/^#/, "").slice(0, MAX_LENGTH), source, visitor: visitor() });
  let timer = 0;
  const urlHash = claimUrlHash((hash) => {
    clearTimeout(timer); // the user's edit takes precedence over a pending write
    send(hash, "edit");
  });

  function write() {
    clearTimeout(timer);
    const parts = { ...model.get("choices"), ...(model.get("run") && { run: model.get("run") }) };
    const text = Object.entries(parts).map(([key, value]) => `${key}=${encodeReadably(value)}`);
    urlHash?.write(text.join("&"));
    memory.write(text.join("&"));
  }
  function writeSoon() {
    clearTimeout(timer);
    timer = setTimeout(write, WRITE_DELAY);
  }
  const onHandedOver = () => {
    const hash = takeHandedOver(page);
    if (hash) send(hash, "edit");
  };
  const onMessage = ({ type }) => type === "heard" && writeSoon(); // Python has parsed the hash
  model.on("change:choices", writeSoon);
  model.on("msg:custom", onMessage);
  model.on("change:run", write); // at once: the page may be reloaded right after a run has started
  globalThis.addEventListener(OPEN_EVENT, onHandedOver);

  const handedOver = takeHandedOver(page);
  const opening = handedOver || (urlHash?.opening ?? "");
  if (opening.length > 1) send(opening, !handedOver && isReload() ? "reload" : "link");
  else send(memory.read(), "memory");
  return () => {
    clearTimeout(timer);
    model.off("change:choices", writeSoon);
    model.off("msg:custom", onMessage);
    model.off("change:run", write);
    globalThis.removeEventListener(OPEN_EVENT, onHandedOver);
    urlHash?.release();
  };
}
