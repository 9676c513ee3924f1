// Abbreviates class names such that no two become equal; kdlab/figures/names.py does the same.

const WIDE_LETTERS_FROM = 0x2e80; // letters from here on, such as Chinese ones, are two columns wide

const displayWidth = (letters) =>
  letters.reduce((sum, letter) => sum + (letter.codePointAt(0) >= WIDE_LETTERS_FROM ? 2 : 1), 0);

// The longest prefix that fits.
function prefixWithin(letters, maxWidth) {
  let count = 0;
  while (count < letters.length && displayWidth(letters.slice(0, count + 1)) <= maxWidth) count += 1;
  return letters.slice(0, count);
}

// The beginning and the end of a long name: in "breed number 12" the end distinguishes it.
function ellipsize(letters, maxWidth) {
  if (displayWidth(letters) <= maxWidth) return letters.join("");
  const end = prefixWithin([...letters].reverse(), Math.floor(maxWidth / 3)).reverse();
  return `${prefixWithin(letters, maxWidth - 1 - displayWidth(end)).join("")}…${end.join("")}`;
}

// Length of the common prefix of all names.
function commonPrefixLength(names) {
  let count = 0;
  while (names.every((letters) => count < letters.length && letters[count] === names[0][count])) count += 1;
  return count;
}

// Groups of indices of different names with the same abbreviation; in each group, names that are not cut come first.
function lookalikes(short, names) {
  const positions = new Map();
  short.forEach((text, index) => positions.set(text, [...(positions.get(text) ?? []), index]));
  return [...positions.values()]
    .filter((group) => new Set(group.map((index) => names[index])).size > 1)
    .map((group) => group.sort((a, b) => (names[a] !== short[a]) - (names[b] !== short[b]) || a - b));
}

const cache = new WeakMap(); // by names, then by `maxWidth`: views request the same names for every example

// Each name in at most `maxWidth` columns; different names stay different. A long name keeps its beginning and its end,
// or the part where ambiguous names differ, or gets a number.
export function abbreviate(names, maxWidth) {
  if (!cache.has(names)) cache.set(names, new Map());
  const byWidth = cache.get(names);
  if (!byWidth.has(maxWidth)) byWidth.set(maxWidth, abbreviateAll(names, maxWidth));
  return byWidth.get(maxWidth);
}

function abbreviateAll(names, maxWidth) {
  const letterLists = names.map((name) => [...name]);
  const short = letterLists.map((letters) => ellipsize(letters, maxWidth));
  for (const group of lookalikes(short, names)) {
    const prefixLength = commonPrefixLength(group.map((index) => letterLists[index]));
    for (const index of group.filter((i) => short[i] !== names[i]))
      short[index] = `${letterLists[index][0]}…${ellipsize(letterLists[index].slice(prefixLength), maxWidth - 2)}`;
  }
  const used = new Set(short);
  for (const group of lookalikes(short, names)) {
    let number = 2;
    for (const index of group.slice(1)) {
      const text = () => `${ellipsize(letterLists[index], maxWidth - 1 - String(number).length)} ${number}`;
      while (used.has(text())) number += 1;
      used.add((short[index] = text()));
      number += 1;
    }
  }
  return short;
}
