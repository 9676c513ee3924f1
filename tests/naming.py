"""Counts vague names: `python tests/naming.py` lists them by file; `test_architecture.py` holds their share.

Every binding counts once: in Python each name that is stored and each parameter, in JavaScript each declared name and
each parameter. JavaScript is read by patterns, as there is no parser for it among the dependencies of the tests.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

__all__ = ["PACKAGE", "VAGUE", "bindings"]

PACKAGE = Path(__file__).parents[1] / "kdlab"
WORDS = (
    "one found own said told at way what rest here there known wanted kept seen given made taken most least same other "
    "both now before after later again item thing obj val stuff"
)
VAGUE = frozenset(WORDS.split())
NAME = re.compile(r"[A-Za-z_$][\w$]*")
DECLARED = re.compile(r"\b(?:const|let|var)\s+([^=;]+?)\s*(?:=(?!>)|;|\bof\b|\bin\b)")
PARAMETERS = re.compile(r"\bfunction\b[^(]*\(([^()]*)\)|\(((?:[^()]|\([^()]*\))*)\)\s*=>|([A-Za-z_$][\w$]*)\s*=>")
COMMENTS = re.compile(r"//[^\n]*|/\*.*?\*/|`(?:\\.|[^`\\])*`|\"(?:\\.|[^\"\\\n])*\"", re.DOTALL)
DEFAULTS = re.compile(r"=[^,})\]]*")
KEYS = re.compile(r"[\w$]+\s*:")


def bindings(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and name of each binding in a file."""
    text = path.read_text(encoding="utf-8")
    yield from _python(text) if path.suffix == ".py" else _javascript(text)


def _python(text: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg


def _javascript(text: str) -> Iterator[tuple[int, str]]:
    code = COMMENTS.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    for pattern in (DECLARED, PARAMETERS):
        for match in pattern.finditer(code):
            names = next(group for group in match.groups() if group is not None)
            for name in NAME.findall(KEYS.sub("", DEFAULTS.sub("", names))):
                yield code.count("\n", 0, match.start()) + 1, name


def files() -> list[Path]:
    """Return the Python and JavaScript files of the package."""
    return sorted(path for suffix in ("py", "js") for path in PACKAGE.rglob(f"*.{suffix}"))


if __name__ == "__main__":
    counts = {".py": [0, 0], ".js": [0, 0]}
    for file in files():
        for line, name in bindings(file):
            counts[file.suffix][0] += 1
            if name.strip("_") in VAGUE:
                counts[file.suffix][1] += 1
                print(f"{file.relative_to(PACKAGE.parent)}:{line}: {name}")
    for suffix, (total, vague) in counts.items():
        print(f"{suffix}: {vague} of {total} bindings are vague, {vague / total:.2%}")
