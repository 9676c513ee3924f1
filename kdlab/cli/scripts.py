"""The scripts of a page as one: Voilà loads about ninety, one after another, before a page shows anything."""

import gzip
import hashlib
from collections.abc import Iterable
from pathlib import Path

from tornado.web import RequestHandler

__all__ = ["Scripts", "ScriptsHandler"]

# Voilà's chunks above this size draw what no page of ours has: formulas, Vega, terminals.
LARGEST = 400_000


class Scripts:
    """The chunks of Voilà and of its extensions in one file: a page that has it asks for none of them any more.

    What is missing in it, after Voilà has changed, a page asks for as ever. `name` changes with the contents, so that
    browsers may keep it for good.
    """

    def __init__(self, static_paths: Iterable[str], labextensions: list[str], names: Iterable[str]) -> None:
        files = [file for folder in static_paths for file in sorted(Path(folder).glob("[0-9]*.voila.js"))]
        files = [file for file in files if file.stat().st_size < LARGEST]
        extensions = [Path(folder) / name / "static" for name in names for folder in labextensions]
        files += [file for folder in extensions for file in sorted(folder.glob("[0-9]*.js"))]
        plain = b"\n;".join(file.read_bytes() for file in files)
        self.packed = gzip.compress(plain, 6, mtime=0)
        self.name = f"kdlab/{hashlib.sha256(plain).hexdigest()[:16]}.js"


class ScriptsHandler(RequestHandler):
    """Serves them, packed once for all visitors."""

    def initialize(self, scripts: Scripts) -> None:
        """Take in the scripts to serve."""
        self._scripts = scripts

    def get(self) -> None:
        """Answer with the scripts; every browser that runs them unpacks."""
        self.set_header("Content-Type", "text/javascript; charset=utf-8")
        self.set_header("Content-Encoding", "gzip")
        self.set_header("Cache-Control", "public, max-age=31536000, immutable")
        self.write(self._scripts.packed)
