"""Results of experiments: those that come with kdlab, and those of a run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from kdlab.experiments.framework.report_files import load

__all__ = ["Result", "load_bundled"]


@dataclass(frozen=True, eq=False)
class Result:
    """A report, and the arrays that are scored anew when sliders move."""

    report: Mapping[str, Any]
    arrays: Mapping[str, Any] = field(default_factory=dict)

    @property
    def split(self) -> str:
        """Which images the arrays are of: reports of the first rule kept answers on test images."""
        return "validation" if "rule" in self.report else "test"


def load_bundled(name: str) -> Result | None:
    """Return the result that comes with kdlab of the experiment called `name`, or None."""
    loaded = load(files("kdlab.assets") / "results", name)
    return Result(*loaded) if loaded else None
