// Who is looking, as a random number that this browser keeps: it is how a visitor's runs are known again.

const NAME = "kdlab.visitor";
const HERE = Symbol.for(NAME);

function make() {
  // Unlike `crypto.randomUUID` this is there on plain http as well.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function kept() {
  try {
    const known = localStorage.getItem(NAME);
    if (/^[0-9a-f]{32}$/.test(known)) return known;
    const made = make();
    localStorage.setItem(NAME, made);
    return made;
  } catch {
    return make(); // storage is refused: one for as long as this page is open
  }
}

export const visitor = () => (globalThis[HERE] ??= kept());
