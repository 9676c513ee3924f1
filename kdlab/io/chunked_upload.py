"""A file that the browser uploads in chunks."""

from kdlab.io import check_size
from kdlab.registry import InputError

__all__ = ["ChunkedUpload"]

MAX_FILE_NAME = 1_000  # characters


class ChunkedUpload:
    """Joins the chunks of one file; a new file replaces an incomplete one."""

    def __init__(self) -> None:
        self._file = ""
        self._content = bytearray()

    def add_chunk(self, file: str, name: str, size: int, offset: int, chunk: bytes, limit: int) -> bytes | None:
        """Add the chunk at `offset` to the `file` (a unique id) and return the whole content once it is complete.

        `limit`: the maximum size of the file in bytes. Raises InputError, after which the upload must begin again.
        """
        check_size(name[-MAX_FILE_NAME:], size, limit)
        if offset == 0:
            self._file, self._content = file, bytearray()
        received = len(self._content) + len(chunk)
        if file != self._file or offset != len(self._content) or not chunk or received > size:
            self._file, self._content = "", bytearray()
            raise InputError("The file did not come whole: open it again.")
        self._content += chunk
        if received < size:
            return None
        content, self._file, self._content = bytes(self._content), "", bytearray()
        return content
