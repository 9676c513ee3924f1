// The URL hash. One page of a window claims it at a time, as several would overwrite each other's. Only the first page
// gets the hash that the window was opened with, so that a notebook cell that is rerun shows the values in its code.

const CLAIM = Symbol.for("kdlab.address");

// Returns null while another page has claimed the hash. `onChange(hash)` is called when the user changes it.
export function claimUrlHash(onChange) {
  const claim = (globalThis[CLAIM] ??= { owner: null, openingRead: false });
  if (claim.owner) return null;
  const page = (claim.owner = {});
  const opening = claim.openingRead ? null : openingHash();
  claim.openingRead = true;
  const onHashChange = () => onChange(location.hash);
  globalThis.addEventListener("hashchange", onHashChange);
  return {
    opening,
    write(text) {
      if (location.hash.slice(1) === text) return;
      history.replaceState(history.state, "", text ? `#${text}` : location.pathname + location.search);
    },
    release() {
      globalThis.removeEventListener("hashchange", onHashChange);
      if (claim.owner === page) claim.owner = null;
    },
  };
}

// From the navigation entry, as JupyterLab may have rewritten the URL since. In Firefox the entry of a file is named
// "document".
function openingHash() {
  const { name } = performance.getEntriesByType("navigation")[0];
  return URL.canParse(name) ? new URL(name).hash : location.hash;
}
