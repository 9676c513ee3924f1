"""The losses of the student: a loss returns its parts, and the sum of their weighted values is minimised.

To add one, write a file like `hinton.py` here: a function that takes a batch's logits and labels and its
knobs, and returns its `Part`s. The command line, the sliders, the curves and the contract tests find it by themselves.
Only tensor methods are used here, so that a page can import this package without torch. When many students train at
once, a knob (except switches and whole numbers) is a tensor without dimensions instead of a number, so do not branch on
it. Imports the registry.
"""

import importlib
import pkgutil

from kdlab.losses.base import Part, cross_entropy, log_softmax, soft_divergence

__all__ = ["Part", "cross_entropy", "log_softmax", "soft_divergence"]

for _module in pkgutil.iter_modules(__path__):  # each file adds its losses to the registry
    importlib.import_module(f"{__name__}.{_module.name}")
