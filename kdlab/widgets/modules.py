"""A folder of small ES modules as one, so that a widget or a file without a server can hold them all."""

import json
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

__all__ = ["FOLDER", "bundle"]

FOLDER = Path(__file__).parent / "lab"

IMPORT = re.compile(r'\bfrom "\./([\w-]+\.js)"')

# Each module stays one of its own, with its own names: it is given an address in the page, which stands in for "./x.js"
# in the modules that import it.
LOADER = """\
const addresses = {};
for (const [name, source] of Object.entries(SOURCES)) {
  const linked = source.replace(/\\bfrom "\\.\\/([\\w-]+\\.js)"/g, (_, other) => `from "${addresses[other]}"`);
  const parts = [linked, `\\n//# sourceURL=kdlab/${name}`];
  addresses[name] = URL.createObjectURL(new Blob(parts, { type: "text/javascript" }));
}
export default await import(/* webpackIgnore: true */ addresses[ENTRY]);
"""


def bundle(folder: Path, entry: str, *others: Path) -> str:
    """Return the source of one ES module whose default export is the module `entry` of `folder`, with what it imports.

    Modules are imported as `from "./name.js"`, and not in a circle (ValueError). What is not in `folder` is looked for
    in the `others`, in their order.
    """
    sources: dict[str, str] = {}
    imports: dict[str, list[str]] = {}
    wanted = [entry]
    while wanted:
        name = wanted.pop()
        if name not in sources:
            home = next((place for place in (folder, *others) if (place / name).is_file()), folder)
            sources[name] = (home / name).read_text(encoding="utf-8")
            imports[name] = IMPORT.findall(sources[name])
            wanted += imports[name]
    try:
        order = list(TopologicalSorter(imports).static_order())
    except CycleError as error:
        raise ValueError(f"The modules {' → '.join(error.args[1])} import each other in a circle.") from error
    # "<" is escaped because the module may stand in an HTML file, where "</script>" would end it.
    held = json.dumps({name: sources[name] for name in order}).replace("<", "\\u003c")
    return f"const SOURCES = {held};\nconst ENTRY = {json.dumps(entry)};\n{LOADER}"
