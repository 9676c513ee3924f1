"""A file that comes from the browser piece by piece."""

from kdlab.io import check_size
from kdlab.registry import InputError

__all__ = ["Incoming"]

MOST_NAME = 1_000  # characters


class Incoming:
    """Puts one file together; another one that begins takes the place of one half come."""

    def __init__(self) -> None:
        self._file = ""
        self._content = bytearray()

    def take(self, file: str, name: str, size: int, at: int, piece: bytes, limit: int) -> bytes | None:
        """Add the piece that begins `at` to the `file` (letters of its own) and return all of it once it is whole.

        `limit`: the most bytes that the file may have. Raises InputError, after which the file has to come anew.
        """
        check_size(name[-MOST_NAME:], size, limit)
        if at == 0:
            self._file, self._content = file, bytearray()
        whole = len(self._content) + len(piece)
        if file != self._file or at != len(self._content) or not piece or whole > size:
            self._file, self._content = "", bytearray()
            raise InputError("The file did not come whole: open it again.")
        self._content += piece
        if whole < size:
            return None
        content, self._file, self._content = bytes(self._content), "", bytearray()
        return content
