"""Bundle small ES modules into one and style sheets into one, for a widget or for a file without a server."""

import json
import os
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

__all__ = ["SHARED", "bundle", "stylesheet"]

SHARED = Path(__file__).parent / "shared"  # modules and styles that several widgets use

IMPORT = re.compile(r'\bfrom "(\.[\w./-]+\.js)"')

# Each module keeps its own scope: the page gives it a blob address, which replaces the relative path in the importing
# modules.
LOADER = """\
const addresses = {};
for (const [name, source] of Object.entries(SOURCES)) {
  const resolve = (path) => new URL(path, `https://kdlab/${name}`).pathname.slice(1);
  const linked = source.replace(/\\bfrom "(\\.[\\w./-]+\\.js)"/g, (_, path) => `from "${addresses[resolve(path)]}"`);
  const parts = [linked, `\\n//# sourceURL=kdlab/${name}`];
  addresses[name] = URL.createObjectURL(new Blob(parts, { type: "text/javascript" }));
}
export default await import(/* webpackIgnore: true */ addresses[ENTRY]);
"""


def stylesheet(*paths: Path) -> str:
    """Return the colours and styles of all pages, followed by the style sheets at `paths`."""
    return "\n".join(path.read_text(encoding="utf-8") for path in (SHARED / "theme.css", SHARED / "page.css", *paths))


def bundle(entry: Path) -> str:
    """Return the source of one ES module whose default export is the module `entry`, with all its imports.

    Modules import each other by relative paths, as in `from "../shared/name.js"`. Raises ValueError for a cycle.
    """
    sources: dict[Path, str] = {}
    imports: dict[Path, list[Path]] = {}
    pending = [entry.resolve()]
    while pending:
        path = pending.pop()
        if path not in sources:
            sources[path] = path.read_text(encoding="utf-8")
            imports[path] = [(path.parent / import_path).resolve() for import_path in IMPORT.findall(sources[path])]
            pending += imports[path]
    root = os.path.commonpath([path.parent for path in sources])
    names = {path: path.relative_to(root).as_posix() for path in sources}
    try:
        order = list(TopologicalSorter(imports).static_order())
    except CycleError as error:
        circle = " → ".join(names[path] for path in error.args[1])
        raise ValueError(f"The modules {circle} import each other in a circle.") from error
    # "<" is escaped because the module may be inside an HTML file, where "</script>" would end it.
    content = json.dumps({names[path]: sources[path] for path in order}).replace("<", "\\u003c")
    return f"const SOURCES = {content};\nconst ENTRY = {json.dumps(names[entry.resolve()])};\n{LOADER}"
