"""Files that people bring and take: bytes become checked objects here, or one InputError that says why not.

Nothing is unpickled, no name becomes a path, and the size that a file states is checked before room is made for it.
Imports the records of training (`History`, `probabilities`).
"""

from kdlab.io.logits import read_logits
from kdlab.io.sanitize import check_size, file_title, tidy
from kdlab.io.weights import Weights, read_weights

__all__ = ["Weights", "check_size", "file_title", "read_logits", "read_weights", "tidy"]
