// The view as a link: the state behind "#" of the page's address, so that it reaches no server and works in a file too.

import { HIGHEST, LOWEST } from "../views/dial.js";
import { flaw } from "../views/custom_logits.js";
import { holdAddress } from "../../../widgets/shared/url_hash.js";

const PAUSE = 400; // milliseconds without a change; browsers refuse to rewrite the address hundreds of times a minute
export const NETWORKS = ["teacher", "student", "difference"];

const number = (text, low, high) => {
  const value = Number(text);
  if (text === "" || !(value >= low && value <= high)) throw new Error(`a number from ${low} to ${high}`);
  return value;
};
const whole = (text) => {
  if (!/^\d{1,9}$/.test(text)) throw new Error("a whole number");
  return Number(text);
};
const one = (names) => (text) => {
  if (!names.includes(text)) throw new Error(names.join(" or "));
  return text;
};
const numbers = (text) => text.split(",").map((value) => (value === "" ? NaN : Number(value)));

// How each part of the state is written and read; reading throws what would have been right.
const PARTS = {
  T: ["temperature", String, (text) => number(text, LOWEST, HIGHEST)],
  data: ["dataset", String, (text) => text],
  example: ["example", String, whole],
  scale: ["scale", String, one(["linear", "log"])],
  mean: ["exponent", String, (text) => number(text, 0, 1)],
  source: ["source", String, one(["example", "own", "drawn"])],
  cell: [
    "cell",
    (cell) => cell && `${cell.network}.${cell.true}.${cell.predicted}`,
    (text) => {
      const [network, ...places] = text.split(".");
      const [row, column] = places.map(whole);
      if (places.length !== 2) throw new Error("a network and two class numbers, as in teacher.4.9");
      return { network: one(NETWORKS)(network), true: row, predicted: column };
    },
  ],
  own: [
    "own",
    ({ classes, teacher, student }) =>
      [classes.map(encodeURIComponent), teacher, student].map((list) => list.join()).join(";"),
    (text) => {
      const [classes, teacher, student] = text.split(";");
      const own = {
        classes: (classes ?? "").split(",").map(decodeURIComponent),
        teacher: numbers(teacher ?? ""),
        student: numbers(student ?? ""),
      };
      if (flaw(own)) throw new Error(`names;logits;logits (${flaw(own)})`);
      return own;
    },
  ],
};

export function toAddress(state) {
  return Object.entries(PARTS)
    .filter(([key, [name]]) => state[name] !== null && (key !== "own" || state.source === "own"))
    .map(
      ([key, [name, write]]) =>
        `${key}=${encodeURIComponent(write(state[name])).replace(/%2C/g, ",").replace(/%3B/g, ";")}`,
    )
    .join("&");
}

// What an address says, and a sentence for each part that cannot be used; parts of others are left alone.
function fromAddress(hash) {
  const [changes, complaints] = [{}, []];
  for (const part of hash.replace(/^#/, "").split("&")) {
    const [key, text = ""] = part.split(/=(.*)/s);
    if (!Object.hasOwn(PARTS, key)) continue;
    const [name, , read] = PARTS[key];
    try {
      changes[name] = read(decodeURIComponent(text));
    } catch (error) {
      complaints.push(`The link's ${key}=${text} cannot be used: it needs ${error.message}.`);
    }
  }
  return { changes, complaints };
}

// Follows the address, and keeps it in step, where no other page of this window holds it.
export function followAddress(store, complain) {
  function read(hash) {
    const { changes, complaints } = fromAddress(hash);
    store.set(changes);
    complain("");
    complain(complaints.join(" "));
  }
  const place = holdAddress(read);
  if (!place) return () => {};
  let timer = 0;
  const write = () => place.write(toAddress(store.state));
  store.watch(
    Object.values(PARTS).map(([name]) => name),
    () => {
      clearTimeout(timer);
      timer = setTimeout(write, PAUSE);
    },
  );
  if (place.opening !== null) read(place.opening);
  return () => {
    clearTimeout(timer);
    place.release();
  };
}
