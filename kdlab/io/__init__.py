"""Files of people: bytes become checked objects here, or raise one InputError with the reason.

Nothing is unpickled, no name becomes a path, and a size that a file states is checked before memory is allocated.
Imports the records of training (`History`, `probabilities`).
"""

from kdlab.io.logits import read_logits
from kdlab.io.sanitize import check_size, file_title, sanitize_text
from kdlab.io.weights import WeightsFile, read_weights

__all__ = ["WeightsFile", "check_size", "file_title", "read_logits", "read_weights", "sanitize_text"]
