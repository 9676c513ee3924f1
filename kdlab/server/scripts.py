"""Scripts of pages as two files that browsers keep: Voilà loads about ninety before it shows anything."""

import gzip
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from tornado.web import HTTPError, RequestHandler

from kdlab.figures.plotly_js import plotly_script

__all__ = ["Script", "ScriptHandler", "chunks", "plotly"]

# Voilà's chunks above this size draw what no page of ours has: formulas, Vega, terminals.
LARGEST = 400_000


class Script:
    """A script, packed once for all visitors; `name` changes with the contents: browsers may keep it for good."""

    def __init__(self, content: bytes) -> None:
        self.packed = gzip.compress(content, 6, mtime=0)
        self.name = f"{hashlib.sha256(content).hexdigest()[:16]}.js"


def chunks(static_paths: Iterable[str], labextensions: list[str], names: Iterable[str]) -> Script:
    """Return the chunks of Voilà and of its extensions in one: a page that has it asks for none of them any more.

    What is missing in it, after Voilà has changed, a page asks for as ever.
    """
    files = [file for folder in static_paths for file in sorted(Path(folder).glob("[0-9]*.voila.js"))]
    files = [file for file in files if file.stat().st_size < LARGEST]
    extensions = [Path(folder) / name / "static" for name in names for folder in labextensions]
    files += [file for folder in extensions for file in sorted(folder.glob("[0-9]*.js"))]
    return Script(b"\n;".join(file.read_bytes() for file in files))


def plotly() -> Script:
    """Return plotly.js."""
    return Script(plotly_script().encode())


class ScriptHandler(RequestHandler):
    """Serves scripts by their names; every browser that runs them unpacks."""

    def initialize(self, scripts: Mapping[str, Script]) -> None:
        """Take in the scripts to serve."""
        self._scripts = scripts

    def get(self, name: str) -> None:
        """Answer with a script."""
        if name not in self._scripts:
            raise HTTPError(404)
        self.set_header("Content-Type", "text/javascript; charset=utf-8")
        self.set_header("Content-Encoding", "gzip")
        self.set_header("Cache-Control", "public, max-age=31536000, immutable")
        self.write(self._scripts[name].packed)
