"""Bundle small ES modules into one and style sheets into one, for a widget or for a file without a server."""

import gzip
import json
import os
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from traitlets import Bytes

__all__ = ["SHARED", "WIDGET", "bundle", "code", "stylesheet"]

SHARED = Path(__file__).parent / "shared"  # modules and styles that several widgets use

IMPORT = re.compile(r'\bfrom "(\.[\w./-]+\.js)"')

FOLDER = Path(__file__).parent
LOADER = (FOLDER / "loader.js").read_text(encoding="utf-8")
# The module of every widget; its own code is the trait `_code`.
WIDGET = LOADER + (FOLDER / "widget.js").read_text(encoding="utf-8")


def code(entry: Path) -> Bytes:
    """Return a trait for a widget's code, compressed: the module `entry`, which exports `render`, and all its imports.

    A page has dozens of widgets, each with the trait: compressed they are a third of what the sources would be.
    """
    return Bytes(gzip.compress(json.dumps(_sources(entry)).encode(), mtime=0)).tag(sync=True)


def stylesheet(*paths: Path) -> str:
    """Return the colours and styles of all pages, followed by the style sheets at `paths`."""
    return "\n".join(path.read_text(encoding="utf-8") for path in (SHARED / "theme.css", SHARED / "page.css", *paths))


def bundle(entry: Path) -> str:
    """Return the source of one ES module whose default export is the module `entry`, with all its imports."""
    sources, name = _sources(entry)
    # "<" is escaped because the module may be inside an HTML file, where "</script>" would end it.
    content = json.dumps(sources).replace("<", "\\u003c")
    return (
        f"const SOURCES = {content};\nconst ENTRY = {json.dumps(name)};\n{LOADER}\n"
        "export default await load(SOURCES, ENTRY);\n"
    )


def _sources(entry: Path) -> tuple[dict[str, str], str]:
    """Return the sources of a module and of all that it imports by name, in order of their imports, and its name.

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
    return {names[path]: sources[path] for path in order}, names[entry.resolve()]
