"""torch and its parts as names that load torch when they are first used.

Pages list models, losses and data sets without training any: they must open before torch, which takes seconds to load,
is needed. Modules that pages import write `from kdlab.lazy import torch` and use it by its ordinary names; with
`from __future__ import annotations` their annotations load nothing either. The names stand outside `sys.modules`,
because tracebacks, `inspect` and others look at everything in there and would load it. Modules that derive a class from
`nn.Module` import torch itself, and no page imports them.
"""

import importlib
from typing import TYPE_CHECKING, Any

__all__ = ["F", "nn", "torch"]


class LazyModule:
    """Stands for the module `name`, which is imported when one of its public attributes is first asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        # Debuggers and displays ask any object for names with underscores, to which a module would have no answer.
        if attribute.startswith("_"):
            raise AttributeError(f"{self!r} has no attribute {attribute!r}")
        return getattr(importlib.import_module(self._name), attribute)

    def __repr__(self) -> str:
        return f"<lazy module {self._name}>"


if TYPE_CHECKING:
    import torch as torch
    import torch.nn.functional as F
    from torch import nn as nn
else:
    torch, nn, F = LazyModule("torch"), LazyModule("torch.nn"), LazyModule("torch.nn.functional")
