// The view as a link: the state in the URL hash, so that it reaches no server and works in an exported file too.

import { HIGHEST, LOWEST } from "../views/dial.js";
import { validateLogits } from "../views/custom_logits.js";
import { claimUrlHash } from "../../../widgets/shared/url_hash.js";

const WRITE_DELAY = 400; // milliseconds without a change; browsers refuse to rewrite the URL hundreds of times a minute
export const NETWORKS = ["teacher", "student", "difference"];

const numberBetween = (text, low, high) => {
  const value = Number(text);
  if (text === "" || !(value >= low && value <= high)) throw new Error(`a number from ${low} to ${high}`);
  return value;
};
const wholeNumber = (text) => {
  if (!/^\d{1,9}$/.test(text)) throw new Error("a whole number");
  return Number(text);
};
const oneOf = (names) => (text) => {
  if (!names.includes(text)) throw new Error(names.join(" or "));
  return text;
};
const numbers = (text) => text.split(",").map((value) => (value === "" ? NaN : Number(value)));

// Name, writer and reader of each part of the state; a reader throws a description of valid values.
const PARTS = {
  T: ["temperature", String, (text) => numberBetween(text, LOWEST, HIGHEST)],
  data: ["dataset", String, (text) => text],
  example: ["example", String, wholeNumber],
  scale: ["scale", String, oneOf(["linear", "log"])],
  mean: ["exponent", String, (text) => numberBetween(text, 0, 1)],
  source: ["source", String, oneOf(["example", "own", "drawn"])],
  cell: [
    "cell",
    (cell) => cell && `${cell.network}.${cell.true}.${cell.predicted}`,
    (text) => {
      const [network, ...classTexts] = text.split(".");
      const [row, column] = classTexts.map(wholeNumber);
      if (classTexts.length !== 2) throw new Error("a network and two class numbers, as in teacher.4.9");
      return { network: oneOf(NETWORKS)(network), true: row, predicted: column };
    },
  ],
  own: [
    "own",
    ({ classes, teacher, student }) =>
      [classes.map(encodeURIComponent), teacher, student].map((list) => list.join()).join(";"),
    (text) => {
      const [classes, teacher, student] = text.split(";");
      const logits = {
        classes: (classes ?? "").split(",").map(decodeURIComponent),
        teacher: numbers(teacher ?? ""),
        student: numbers(student ?? ""),
      };
      if (validateLogits(logits)) throw new Error(`names;logits;logits (${validateLogits(logits)})`);
      return logits;
    },
  ],
};

export function toHash(state) {
  return Object.entries(PARTS)
    .filter(([key, [name]]) => state[name] !== null && (key !== "own" || state.source === "own"))
    .map(
      ([key, [name, write]]) =>
        `${key}=${encodeURIComponent(write(state[name])).replace(/%2C/g, ",").replace(/%3B/g, ";")}`,
    )
    .join("&");
}

// Changes of the state from a hash, and an error message for each invalid part; unknown parts are ignored.
function parseHash(hash) {
  const [changes, errors] = [{}, []];
  for (const part of hash.replace(/^#/, "").split("&")) {
    const [key, text = ""] = part.split(/=(.*)/s);
    if (!Object.hasOwn(PARTS, key)) continue;
    const [name, , read] = PARTS[key];
    try {
      changes[name] = read(decodeURIComponent(text));
    } catch (error) {
      errors.push(`The link's ${key}=${text} cannot be used: it needs ${error.message}.`);
    }
  }
  return { changes, errors };
}

// Keeps the state and the URL hash in sync, unless another page of this window has claimed the hash.
export function syncUrlHash(store, showError) {
  function read(hash) {
    const { changes, errors } = parseHash(hash);
    store.set(changes);
    showError("");
    showError(errors.join(" "));
  }
  const urlHash = claimUrlHash(read);
  if (!urlHash) return () => {};
  let timer = 0;
  const write = () => urlHash.write(toHash(store.state));
  store.watch(
    Object.values(PARTS).map(([name]) => name),
    () => {
      clearTimeout(timer);
      timer = setTimeout(write, WRITE_DELAY);
    },
  );
  if (urlHash.opening !== null) read(urlHash.opening);
  return () => {
    clearTimeout(timer);
    urlHash.release();
  };
}
