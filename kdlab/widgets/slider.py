"""A knob of the registry as a slider or a switch."""

from pathlib import Path
from typing import Any

from traitlets import Dict, Float

from kdlab.registry import Knob
from kdlab.widgets.element import Element
from kdlab.widgets.esm import code

__all__ = ["Slider"]


class Slider(Element):
    """Sets one knob; `value` follows every move, also where the page links it to another widget without the kernel."""

    _code = code(Path(__file__).parent / "slider.js")
    knob = Dict().tag(sync=True)
    value = Float().tag(sync=True)

    def __init__(self, knob: Knob, value: float, **traits: Any) -> None:
        knob_traits = {
            "key": knob.key,
            "label": knob.label,
            "minimum": knob.minimum,
            "maximum": knob.maximum,
            "scale": knob.scale,
            "kind": knob.kind.__name__,
            "help": knob.help,
        }
        super().__init__(knob=knob_traits, value=value, **traits)
