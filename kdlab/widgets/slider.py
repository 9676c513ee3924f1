"""A knob of the registry as a slider or a switch."""

from pathlib import Path
from typing import Any

import anywidget
from traitlets import Dict, Float

from kdlab.registry import Knob

__all__ = ["Slider"]


class Slider(anywidget.AnyWidget):
    """Turns one knob; `value` follows every move, also when the page links it to another view without the kernel."""

    _esm = Path(__file__).parent / "slider.js"
    knob = Dict().tag(sync=True)
    value = Float().tag(sync=True)

    def __init__(self, knob: Knob, value: float, **traits: Any) -> None:
        about = {
            "key": knob.key,
            "label": knob.label,
            "minimum": knob.minimum,
            "maximum": knob.maximum,
            "scale": knob.scale,
            "kind": knob.kind.__name__,
            "help": knob.help,
        }
        super().__init__(knob=about, value=value, **traits)
