// A random id of the visitor, stored in this browser: the server finds a visitor's runs by it.

const STORAGE_KEY = "kdlab.visitor";
const CACHED = Symbol.for(STORAGE_KEY);

function createId() {
  // Unlike `crypto.randomUUID`, this works on plain http too.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function readOrCreate() {
  try {
    const stored = localStorage.getItem(STORAGE_KEY);
    if (/^[0-9a-f]{32}$/.test(stored)) return stored;
    const created = createId();
    localStorage.setItem(STORAGE_KEY, created);
    return created;
  } catch {
    return createId(); // storage is blocked: a new id for as long as this page is open
  }
}

export const visitor = () => (globalThis[CACHED] ??= readOrCreate());
