"""The experiments of the paper and its readers, each a command and a page.

Here live their programs, and in `framework/` what all of them use; they import training, distillation, specialists and
everything below these, but neither widgets nor pages.

To add one, write a file like `ensemble.py` here: it is found by itself, and listed after those that are named below.
"""

from importlib import import_module
from pkgutil import iter_modules

LISTED = (
    "mnist",
    "early_stopping",
    "ensemble",
    "speech",
    "three_percent",
    "missing_class",
    "unlabelled",
    "width_temperature",
    "high_temperature",
    "cnn_to_mlp",
    "specialists",
)

for name in dict.fromkeys((*LISTED, *(module.name for module in iter_modules(__path__) if not module.ispkg))):
    import_module(f"{__name__}.{name}")
