"""Data sets by name: whole sets of small images as one tensor a split, in memory.

To add one, decorate a generator function that takes the argument behind the colon, yields `Progress` while it works and
returns a `Dataset`. Torch is imported inside the functions, because the pages only list the names.

Here live the readers of data sets and the checks of a person's images; they import paths, progress, lazy and the
registry.
"""

# These modules fill the registry, in this order.
from kdlab.datasets import digits, torchvision_sets, spoken_digits, image_folder  # noqa: F401, I001
from kdlab.datasets.loading import load, load_events
from kdlab.datasets.dataset import Dataset, Split

__all__ = ["Dataset", "Split", "load", "load_events"]
