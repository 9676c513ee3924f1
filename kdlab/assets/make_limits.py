"""Writes `limits.toml`, the file that operators of a public kdlab copy: `python -m kdlab.assets.make_limits`."""

import json
from pathlib import Path

from kdlab.runs.limits import DEFINITIONS

__all__ = ["FILE", "text"]

FILE = Path(__file__).parent / "limits.toml"
HEAD = """\
# What `kdlab app --public` lets visitors do. Copy this file, change it and name it: kdlab app --public --limits FILE.
# A line that is left out keeps the value below; 0 means no limit where nothing else is said. Each can be given in the
# environment as well, before the file: KDLAB_LIMIT_EPOCHS=20.
"""


def text() -> str:
    """Return the file: the limits of --public, each under what it means."""
    lines = [HEAD]
    for key, definition in DEFINITIONS.items():
        value = definition["public"]
        written = f"{value:_}" if isinstance(value, int) else json.dumps(value)
        lines.append(f"# {key}: {definition['help']}\n{key} = {written}\n")
    return "\n".join(lines)


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
