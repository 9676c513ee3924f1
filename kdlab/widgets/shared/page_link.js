// Links to other pages.

export const OPEN_EVENT = "kdlab:open"; // on the window: a hash was handed over to a page
const STORAGE_PREFIX = "kdlab.open.";

export const inVoila = () => document.body.dataset.voila === "voila";

// The folder of the notebooks in JupyterLab, or null elsewhere.
function labFolder() {
  const path = decodeURIComponent(location.pathname);
  const match = /\/(?:lab|doc)(?:\/workspaces\/[^/]+)?\/tree\/(.*\/)?[^/]*$/.exec(path);
  return match ? (match[1] ?? "") : null;
}

const stem = (file) => file.replace(/\.ipynb$/, "");

// Makes an anchor lead to `address`, such as "distil.ipynb#run=7". JupyterLab opens the notebook in a tab, as its own
// links do, instead of reloading the application; the part after # is handed over to the page in the notebook.
export function linkTo(anchor, address) {
  anchor.setAttribute("href", address);
  const folder = labFolder();
  if (folder === null) return anchor;
  const [file, hash = ""] = address.split("#");
  anchor.dataset.commandlinkerCommand = "docmanager:open";
  anchor.dataset.commandlinkerArgs = JSON.stringify({ path: folder + file });
  anchor.onclick = (event) => {
    if (!hash || event.ctrlKey || event.metaKey || event.shiftKey) return; // opened elsewhere
    sessionStorage.setItem(STORAGE_PREFIX + stem(file), hash);
    globalThis.dispatchEvent(new CustomEvent(OPEN_EVENT));
  };
  return anchor;
}

// The hash that a link handed over to this page, once; "" without any.
export function takeHandedOver(page) {
  try {
    const hash = sessionStorage.getItem(STORAGE_PREFIX + page) ?? "";
    sessionStorage.removeItem(STORAGE_PREFIX + page);
    return hash;
  } catch {
    return ""; // storage is blocked
  }
}
