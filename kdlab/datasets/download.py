"""Download archives, with checksums, completely or not at all.

The download is a generator, unlike torchvision's: it can be stopped at any moment, has a time limit, prints nothing and
yields its progress. Torchvision only supplies the URLs and unpacks the archives.
"""

import hashlib
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from kdlab.progress import Progress
from kdlab.registry import InputError

__all__ = ["Archive", "BrokenDownloadError", "download"]

CHUNK_BYTES = 1 << 16
READ_TIMEOUT = 30.0  # seconds without a byte from the server
PROGRESS_INTERVAL = 0.1  # seconds between two progress events


@dataclass(frozen=True, slots=True)
class Archive:
    """A file to download from the first of `urls` that has it.

    `md5`: its checksum, or None where the checksum may change, so that the caller must check the contents.
    """

    name: str
    md5: str | None
    urls: tuple[str, ...]


class BrokenDownloadError(InputError):
    """No server sent the complete, undamaged file; the message has the reason for each server."""


def download(archives: Sequence[Archive], folder: Path, label: str, total: int) -> Iterator[Progress]:
    """Download the archives into `folder`, yielding the received bytes (of `total`) several times a second.

    Raises BrokenDownloadError when no server has a file, and OSError when it cannot be written.
    """
    finished, last_event = 0, time.monotonic()
    yield Progress(label, finished, total, "B")
    for archive in archives:
        reasons = []
        for url in archive.urls:
            received = 0
            checksum = hashlib.md5(usedforsecurity=False)
            try:
                with (folder / archive.name).open("wb") as file:
                    for chunk in _read(url):
                        file.write(chunk)
                        checksum.update(chunk)
                        received += len(chunk)
                        if time.monotonic() - last_event >= PROGRESS_INTERVAL:
                            last_event = time.monotonic()
                            yield Progress(label, finished + received, total, "B")
                if archive.md5 is not None and checksum.hexdigest() != archive.md5:
                    raise BrokenDownloadError(f"{archive.name} came with a wrong checksum")
            except BrokenDownloadError as error:
                reasons.append(f"{urlsplit(url).netloc}: {error}")
                continue
            finished += received
            break
        else:
            raise BrokenDownloadError(", ".join(reasons))
    yield Progress(label, finished, total, "B")


def _read(url: str) -> Iterator[bytes]:
    """Yield the file at `url` in chunks; raises BrokenDownloadError for every failure of the network."""
    request = urllib.request.Request(url, headers={"User-Agent": "kdlab"})
    try:
        with urllib.request.urlopen(request, timeout=READ_TIMEOUT) as response:
            expected, received = response.length, 0
            while chunk := response.read(CHUNK_BYTES):
                received += len(chunk)
                yield chunk
    except urllib.error.HTTPError as error:
        error.close()
        raise BrokenDownloadError(str(error)) from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)  # URLError wraps the system's error
        raise BrokenDownloadError(getattr(reason, "strerror", None) or str(reason)) from error
    # http.client treats a connection that breaks early as the end of the file.
    if expected is not None and received < expected:
        raise BrokenDownloadError(f"the connection broke after {received:,} of {expected:,} bytes")
