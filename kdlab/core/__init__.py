"""The PyTorch core: data, models, objectives, training and evaluation; it knows no screen.

Only `training`, `evaluation` and `checkpoints` import torch when they are imported; the other modules, which the pages
import too, do so inside their functions.
"""
