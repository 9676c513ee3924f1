// Light and dark: the scheme in which a part of the page is shown, and a dark colour for each light one.

// The light colours of kdlab.figures and their dark counterparts, as in theme.css.
const DARK = {
  "#1d2733": "#e4e9ef", // text
  "#5b6775": "#a4b0bd", // text of less weight
  "#b8c2ce": "#4d5a68", // borders
  "#e6eaef": "#28323d", // grids
  "#dfe5ec": "#303b47", // right answers of a matrix
  "#f4f6f8": "#1e2731", // cells without a mistake
  "#ffffff": "#171e27", // the ground of a figure
  "#0072b2": "#4aa8e8", // teacher
  "#009e73": "#2ec79b", // baseline
  "#d55e00": "#ff8c42", // student
  "#cc79a7": "#e39ac4",
  "#e69f00": "#f0b030",
  "#56b4e9": "#a5dcfa",
  "#7a5195": "#b993d6",
  "#6a3d9a": "#b68fe6",
  "#8c6d1f": "#c8a94e",
};
const RGBA = /^rgba\((\d+), ?(\d+), ?(\d+), ?([\d.]+)\)$/;
const MEDIA = ["(prefers-color-scheme: dark)", "(forced-colors: active)"];
const JUPYTERLAB = ["data-jp-theme-light", "data-jp-theme-name"];

// Whether a node of the page is shown in dark colours: theme.css decides.
export function isDark(node) {
  const scheme = getComputedStyle(node).colorScheme;
  return scheme.includes("dark") && (!scheme.includes("light") || matchMedia(MEDIA[0]).matches);
}

// A light colour as it is or in the dark; "#rrggbb" or "rgba(r,g,b,a)".
export function shade(colour, dark) {
  if (!dark) return colour;
  const [, red, green, blue, alpha] = RGBA.exec(colour) ?? [];
  if (alpha === undefined) return DARK[colour] ?? colour;
  const hex = [red, green, blue].map((value) => Number(value).toString(16).padStart(2, "0")).join("");
  const counterpart = DARK[`#${hex}`]?.slice(1).match(/../g);
  return counterpart ? `rgba(${counterpart.map((value) => parseInt(value, 16)).join()},${alpha})` : colour;
}

// Calls `redraw` whenever the scheme may have changed. Returns a function that ends it.
export function watchTheme(redraw) {
  const queries = MEDIA.map((query) => matchMedia(query));
  for (const query of queries) query.addEventListener("change", redraw);
  // JupyterLab hides its page while it changes the theme, until the next frame.
  const observer = new MutationObserver(() => requestAnimationFrame(redraw));
  observer.observe(document.body, { attributes: true, attributeFilter: JUPYTERLAB });
  return () => {
    for (const query of queries) query.removeEventListener("change", redraw);
    observer.disconnect();
  };
}
