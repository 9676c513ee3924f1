"""kdlab: see knowledge distillation with your own hands.

The names below are imported when they are first used, so that `import kdlab` is quick and loads no torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kdlab.distillation.distill import distill as distill
    from kdlab.distillation.distill import fit as fit
    from kdlab.distillation.many import distill_many as distill_many
    from kdlab.distillation.many import fit_many as fit_many
    from kdlab.io.predictions import Predictions as Predictions
    from kdlab.pages.distil import Distil as Distil
    from kdlab.pages.runs import Runs as Runs
    from kdlab.pages.temperature.page import Temperature as Temperature

    __version__: str

HOMES = {
    "Distil": "kdlab.pages.distil",
    "Predictions": "kdlab.io.predictions",
    "Runs": "kdlab.pages.runs",
    "Temperature": "kdlab.pages.temperature.page",
    "distill": "kdlab.distillation.distill",
    "distill_many": "kdlab.distillation.many",
    "fit": "kdlab.distillation.distill",
    "fit_many": "kdlab.distillation.many",
}
__all__ = ["Distil", "Predictions", "Runs", "Temperature", "__version__", "distill", "distill_many", "fit", "fit_many"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("kdlab")
    elif name in HOMES:
        value = getattr(importlib.import_module(HOMES[name]), name)
    else:
        raise AttributeError(f"module 'kdlab' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
