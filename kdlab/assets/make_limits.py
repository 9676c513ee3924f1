"""Writes `limits.toml`, the file that operators of a public kdlab copy: `python -m kdlab.assets.make_limits`."""

from dataclasses import fields
from pathlib import Path

from kdlab.registry import knob_fields
from kdlab.runs.limits import LISTS, Limits

__all__ = ["FILE", "text"]

FILE = Path(__file__).parent / "limits.toml"
HEAD = """\
# What `kdlab app --public` lets visitors do. Copy this file, change it and name it: kdlab app --public --limits FILE.
# A line that is left out keeps the value below; 0 means no limit where nothing else is said. Each can be given in the
# environment as well, before the file: KDLAB_LIMIT_EPOCHS=20.
"""


def text() -> str:
    """Return the file: the limits of --public, each under what it means."""
    limits, knobs, lines = Limits.public(), knob_fields(Limits), [HEAD]
    for field in fields(Limits):
        value = getattr(limits, field.name)
        if field.name in knobs:
            meaning, written = knobs[field.name].help, f"{value:_}"
        else:
            quoted = [f'"{name}"' for name in ([value] if isinstance(value, str) else value)]
            meaning, written = LISTS[field.name], quoted[0] if isinstance(value, str) else f"[{', '.join(quoted)}]"
        lines.append(f"# {field.name}: {meaning}\n{field.name} = {written}\n")
    return "\n".join(lines)


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
