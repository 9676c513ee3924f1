"""Unpacking a person's archive of images, whole or not at all, and never outside the folder that is meant for it."""

import tarfile
import time
import zipfile
from collections.abc import Generator, Iterator
from pathlib import Path, PurePath
from typing import BinaryIO

from kdlab.progress import Progress
from kdlab.registry import InputError

__all__ = ["unpack"]

INTERVAL = 0.1  # seconds between two progress events


def unpack(archive: Path, folder: Path) -> Generator[Progress, None, None]:
    """Unpack the tar (also compressed) or zip `archive` into `folder`, yielding the bytes read several times a second.

    Raises InputError for a file that cannot be opened, is no archive or is cut off, and for a member that may not be
    unpacked; OSError when the folder cannot be written.
    """
    try:
        opened = archive.open("rb")
    except OSError as error:
        raise InputError(f"{archive} cannot be opened: {error.strerror}.") from error
    with opened as file:
        label, size = f"Unpacking {archive.name}", archive.stat().st_size
        yield Progress(label, 0, size, "B")
        shown = time.monotonic()
        try:
            # The zip second: it is looked for at the end of a file, where a tar may well hold one.
            way = next((way for known, way in ((tarfile.is_tarfile, _tar), (zipfile.is_zipfile, _zip)) if known(file)))
            file.seek(0)
            for _ in way(file, folder):
                if time.monotonic() - shown >= INTERVAL:
                    shown = time.monotonic()
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


def _tar(file: BinaryIO, folder: Path) -> Iterator[None]:
    with tarfile.open(fileobj=file) as archive:
        for member in archive:
            # Links too: the filter of Python before 3.11.13 lets some lead outside.
            if not (member.isfile() or member.isdir()):
                raise InputError(f"{_name(file)} holds {member.name!r}, which is no plain file: pack it without links.")
            _check(file, member.name)
            archive.extract(member, folder, filter="data")
            yield
        # tarfile takes a file that ends before a member, or goes on with nonsense, for a whole archive.
        assert archive.fileobj is not None
        archive.fileobj.seek(archive.offset)
        if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("no end mark")
        while archive.fileobj.read(1 << 20):  # a checksum stands at the end of what is compressed
            pass


def _zip(file: BinaryIO, folder: Path) -> Iterator[None]:
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            _check(file, member.filename)
            if not member.filename.startswith("__MACOSX/"):  # what macOS packs beside the files themselves
                archive.extract(member, folder)
                yield


def _check(file: BinaryIO, name: str) -> None:
    """Refuse a path that leads outside: unpackers would bend it into one that does not, or leave the file out."""
    path = PurePath(name)
    if path.anchor or ".." in path.parts:
        raise InputError(
            f"{_name(file)} holds {name!r}, which would be unpacked outside its folder: do not trust this archive."
        )


def _name(file: BinaryIO) -> str:
    return str(file.name)
