// The part of the page's address after "#", which one page of a window holds at a time: several would overwrite it for
// each other. Only the first of all is told what the address was opened with, so that a cell of a notebook that is run
// again shows what its code says.

const HELD = Symbol.for("kdlab.address");

// Returns null while another page holds the address. `follow` is told of each change that a person makes.
export function holdAddress(follow) {
  const held = (globalThis[HELD] ??= { by: null, told: false });
  if (held.by) return null;
  const mine = (held.by = {});
  // As the browser was asked for it: JupyterLab may have rewritten the address since.
  const opening = held.told ? null : new URL(performance.getEntriesByType("navigation")[0].name).hash;
  held.told = true;
  const changed = () => follow(location.hash);
  globalThis.addEventListener("hashchange", changed);
  return {
    opening,
    write(text) {
      if (location.hash.slice(1) === text) return;
      history.replaceState(history.state, "", text ? `#${text}` : location.pathname + location.search);
    },
    release() {
      globalThis.removeEventListener("hashchange", changed);
      if (held.by === mine) held.by = null;
    },
  };
}
