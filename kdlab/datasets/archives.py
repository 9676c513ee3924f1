"""Unpack an archive of images, completely or not at all, and never outside its target folder."""

import tarfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import BinaryIO

from kdlab.progress import Progress
from kdlab.registry import InputError

__all__ = ["unpack"]

PROGRESS_INTERVAL = 0.1  # seconds between two progress events


def unpack(archive: Path, folder: Path) -> Iterator[Progress]:
    """Unpack the tar (also compressed) or zip `archive` into `folder`, yielding the bytes read several times a second.

    Raises InputError for a file that cannot be opened, is no archive or is cut off, and for a member that may not be
    unpacked; OSError when the folder cannot be written.
    """
    try:
        opened_file = archive.open("rb")
    except OSError as error:
        raise InputError(f"{archive} cannot be opened: {error.strerror}.") from error
    with opened_file as file:
        label, size = f"Unpacking {archive.name}", archive.stat().st_size
        yield Progress(label, 0, size, "B")
        last_event = time.monotonic()
        try:
            # The tar test comes first: a zip is recognised by its end, and a tar file may end with a zip file.
            formats = ((tarfile.is_tarfile, _extract_tar), (zipfile.is_zipfile, _extract_zip))
            extract = next(extract for is_format, extract in formats if is_format(file))
            file.seek(0)
            for _ in extract(file, folder):
                if time.monotonic() - last_event >= PROGRESS_INTERVAL:
                    last_event = time.monotonic()
                    yield Progress(label, file.tell(), size, "B")
        except (InputError, MemoryError):
            raise
        except Exception as error:  # each format fails in its own way, from EOFError to RuntimeError
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise InputError(
                f"{archive} is no folder and no archive that can be unpacked (it is cut off, damaged, locked with a "
                "password, or something else): give a folder, or a whole tar, tar.gz or zip file."
            ) from error
    yield Progress(label, size, size, "B")


def _extract_tar(file: BinaryIO, folder: Path) -> Iterator[None]:
    with tarfile.open(fileobj=file) as archive:
        for member in archive:
            # Links are refused too: the filter of Python before 3.11.13 lets some lead outside.
            if not (member.isfile() or member.isdir()):
                raise InputError(f"{_name(file)} holds {member.name!r}, which is no plain file: pack it without links.")
            _check(file, member.name)
            archive.extract(member, folder, filter="data")
            yield
        # tarfile accepts an archive that is cut off between two members or followed by other bytes.
        assert archive.fileobj is not None
        archive.fileobj.seek(archive.offset)
        if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("no end mark")
        while archive.fileobj.read(1 << 20):  # decompression checks the checksum at the end of the stream
            pass


def _extract_zip(file: BinaryIO, folder: Path) -> Iterator[None]:
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            _check(file, member.filename)
            if not member.filename.startswith("__MACOSX/"):  # macOS packs metadata of the files there
                archive.extract(member, folder)
                yield


def _check(file: BinaryIO, name: str) -> None:
    """Raise InputError for a path outside the folder: the libraries would change the path or skip the file."""
    path = PurePath(name)
    if path.anchor or ".." in path.parts:
        raise InputError(
            f"{_name(file)} holds {name!r}, which would be unpacked outside its folder: do not trust this archive."
        )


def _name(file: BinaryIO) -> str:
    return str(file.name)
