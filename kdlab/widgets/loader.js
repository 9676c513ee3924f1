// Loads small ES modules from their sources, each once a page: a browser never frees a module, and a notebook makes its
// widgets many times.

// Addresses of modules by their sources, shared through globalThis, because each widget gets a copy of this module.
const addresses = (globalThis[Symbol.for("kdlab.modules")] ??= new Map());

// `sources` by name, each after all that it imports. A module keeps its own scope: it gets a blob address, which
// replaces the relative path in the modules that import it.
function load(sources, entry) {
  const linkedAddresses = {};
  for (const [name, source] of Object.entries(sources)) {
    const resolve = (path) => new URL(path, `https://kdlab/${name}`).pathname.slice(1);
    const linked = source.replace(/\bfrom "(\.[\w./-]+\.js)"/g, (_, path) => `from "${linkedAddresses[resolve(path)]}"`);
    if (!addresses.has(linked)) {
      const parts = [linked, `\n//# sourceURL=kdlab/${name}`];
      addresses.set(linked, URL.createObjectURL(new Blob(parts, { type: "text/javascript" })));
    }
    linkedAddresses[name] = addresses.get(linked);
  }
  return import(/* webpackIgnore: true */ linkedAddresses[entry]);
}
