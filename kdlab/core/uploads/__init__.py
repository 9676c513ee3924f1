"""What people send: bytes become checked objects here, or one sentence (InputError) that says why not.

Nothing is unpickled, no name becomes a path, and what a file says of its size is checked before room is made for it.
"""

from kdlab.core.uploads.logits import read_logits
from kdlab.core.uploads.names import check_size, file_title, tidy
from kdlab.core.uploads.weights import Weights, read_weights

__all__ = ["Weights", "check_size", "file_title", "read_logits", "read_weights", "tidy"]
