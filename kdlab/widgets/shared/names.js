// Names of classes cut short without two that look alike; kdlab/figures/names.py does the same.

const WIDE = 0x2e80; // from here on letters, such as Chinese ones, take the room of two

const room = (letters) => letters.reduce((sum, letter) => sum + (letter.codePointAt(0) >= WIDE ? 2 : 1), 0);

// As many of the first letters as have room.
function fitting(letters, most) {
  let count = 0;
  while (count < letters.length && room(letters.slice(0, count + 1)) <= most) count += 1;
  return letters.slice(0, count);
}

// A long name by its beginning and its end: in "breed number 12" the end tells it from others.
function cut(letters, most) {
  if (room(letters) <= most) return letters.join("");
  const end = fitting([...letters].reverse(), Math.floor(most / 3)).reverse();
  return `${fitting(letters, most - 1 - room(end)).join("")}…${end.join("")}`;
}

// How many letters all of some names begin with.
function shared(names) {
  let count = 0;
  while (names.every((letters) => count < letters.length && letters[count] === names[0][count])) count += 1;
  return count;
}

// The places of different names that look alike, by how they look; of one that is not cut, its place first.
function alike(short, names) {
  const places = new Map();
  short.forEach((text, at) => places.set(text, [...(places.get(text) ?? []), at]));
  return [...places.values()]
    .filter((group) => new Set(group.map((at) => names[at])).size > 1)
    .map((group) => group.sort((a, b) => (names[a] !== short[a]) - (names[b] !== short[b]) || a - b));
}

const made = new WeakMap(); // by names, then by `most`: views ask for the same ones with every example

// Each name in the room of at most `most` letters; names that differ stay different. A long one keeps its beginning and its
// end, or the part where those differ that would look alike, or gets a number.
export function abbreviate(names, most) {
  if (!made.has(names)) made.set(names, new Map());
  const known = made.get(names);
  if (!known.has(most)) known.set(most, shortened(names, most));
  return known.get(most);
}

function shortened(names, most) {
  const all = names.map((name) => [...name]);
  const short = all.map((letters) => cut(letters, most));
  for (const group of alike(short, names)) {
    const from = shared(group.map((at) => all[at]));
    for (const at of group.filter((one) => short[one] !== names[one])) short[at] = `${all[at][0]}…${cut(all[at].slice(from), most - 2)}`;
  }
  const taken = new Set(short);
  for (const group of alike(short, names)) {
    let number = 2;
    for (const at of group.slice(1)) {
      const text = () => `${cut(all[at], most - 1 - String(number).length)} ${number}`;
      while (taken.has(text())) number += 1;
      taken.add((short[at] = text()));
      number += 1;
    }
  }
  return short;
}
