"""Scripts of pages in two cacheable files: Voilà alone loads about ninety before it shows a page."""

import gzip
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from tornado.web import HTTPError, RequestHandler

from kdlab.figures.plotly_js import plotly_script

__all__ = ["Script", "ScriptHandler", "chunks", "plotly"]

# Larger chunks of Voilà are for formulas, Vega and terminals, which our pages do not have.
MAX_CHUNK_BYTES = 400_000


class Script:
    """A script, compressed once for all visitors; `name` has a hash of the content, so browsers may cache it."""

    def __init__(self, content: bytes) -> None:
        self.packed = gzip.compress(content, 6, mtime=0)
        self.name = f"{hashlib.sha256(content).hexdigest()[:16]}.js"


def chunks(static_paths: Iterable[str], labextensions: list[str], names: Iterable[str]) -> Script:
    """Return the chunks of Voilà and of its extensions in one script, so that a page need not load them singly.

    A page still loads a chunk that is missing here, for example after a change of Voilà.
    """
    files = [file for folder in static_paths for file in sorted(Path(folder).glob("[0-9]*.voila.js"))]
    files = [file for file in files if file.stat().st_size < MAX_CHUNK_BYTES]
    extensions = [Path(folder) / name / "static" for name in names for folder in labextensions]
    files += [file for folder in extensions for file in sorted(folder.glob("[0-9]*.js"))]
    return Script(b"\n;".join(file.read_bytes() for file in files))


def plotly() -> Script:
    """Return plotly.js."""
    return Script(plotly_script().encode())


class ScriptHandler(RequestHandler):
    """Serves compressed scripts by name; every supported browser decompresses them."""

    def initialize(self, scripts: Mapping[str, Script]) -> None:
        """Set the scripts to serve."""
        self._scripts = scripts

    def get(self, name: str) -> None:
        """Answer with a script."""
        if name not in self._scripts:
            raise HTTPError(404)
        self.set_header("Content-Type", "text/javascript; charset=utf-8")
        self.set_header("Content-Encoding", "gzip")
        self.set_header("Cache-Control", "public, max-age=31536000, immutable")
        self.write(self._scripts[name].packed)
