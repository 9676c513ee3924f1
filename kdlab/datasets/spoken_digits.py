"""The Free Spoken Digit Dataset: ten digits, six speakers, fifty takes of each; an example is a frame of a recording.

Recordings: Zohar Jackson and others, github.com/Jakobovski/free-spoken-digit-dataset, CC BY-SA 4.0. They are downloaded
on first use.
"""

from __future__ import annotations

import hashlib
import struct
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kdlab.datasets.dataset import Dataset, Split
from kdlab.datasets.download import Archive, BrokenDownloadError, download
from kdlab.datasets.log_mel import RATE, WINDOW, in_context, log_mel, to_pixels
from kdlab.lazy import torch
from kdlab.paths import data_folder
from kdlab.progress import Progress
from kdlab.registry import DATASETS, InputError

__all__ = ["spoken_digits"]

SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
DIGITS, TAKES = 10, 50
TEST_TAKES, VALIDATION_TAKES = 5, 4  # the first five are the official test set, the next four are for validation

FOLDER = Path("fsdd", "recordings")
INSIDE = "free-spoken-digit-dataset-1.0.10/recordings"  # the folder's name in the archive
# GitHub regenerates such archives, so the archive's checksum may change; the checksum of its contents does not.
ARCHIVE = Archive(
    "fsdd.zip", None, ("https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.zip",)
)
ARCHIVE_SIZE, UNPACKED_SIZE = 16_419_872, 21_128_848  # bytes
# SHA-256 of names and bytes, sorted by name; published elsewhere too (github.com/pchambet/hmm-from-scratch).
SHA256 = "45a9b976ba3397a2fd5c70a9f2e43c34f442a3a6be47392ecfc41174b678f37e"

PROGRESS_STEP = 250  # recordings between two progress events


@DATASETS.add(
    "spoken-digits",
    label="Spoken digits",
    help="125,237 frames of 3,000 recordings, 21×30; 16 MB to download",
    suggested={
        "teacher": "mlp:800x2:dropout=0.2", "student": "mlp:128x2", "batch_size": 256, "learning_rate": 2e-3,
    },
)  # fmt: skip
def spoken_digits(argument: str) -> Generator[Progress, None, Dataset]:
    """Return the frames of all recordings, each with its neighbours, and with its recording's digit as its label.

    All frames of a recording are in one split, and `Split.groups` has the recording's number: takes 0 to 4 are the test
    set, 5 to 8 the validation set. Raises InputError when the recordings can be neither read nor downloaded.
    """
    if argument:
        raise InputError(
            f"The data set 'spoken-digits' takes nothing behind a colon; write spoken-digits, not "
            f"spoken-digits:{argument}."
        )
    home = data_folder() / FOLDER
    yield Progress("Reading spoken digits", 0, 0, "recordings")
    yield from _ensure(home)
    signals = yield from _read(home)
    energies, counts = log_mel(signals)
    pixels = to_pixels(energies, counts)
    # The recordings are sorted by take, so the frames of each split are contiguous.
    recordings = len(SPEAKERS) * DIGITS * np.array([TEST_TAKES, TEST_TAKES + VALIDATION_TAKES])
    splits = np.split(np.arange(len(pixels)), np.cumsum(counts)[recordings - 1])
    test, validation, train = (_split(pixels, counts, frames) for frames in splits)
    return Dataset(
        "spoken-digits", tuple("0123456789"), train, validation, test, example_unit="frames", group_unit="recordings"
    )


def _names() -> list[str]:
    """Return the recordings' file names by take, speaker and digit: a recording's number modulo 10 is its digit."""
    return [f"{digit}_{speaker}_{take}.wav" for take in range(TAKES) for speaker in SPEAKERS for digit in range(DIGITS)]


def _split(pixels: NDArray[np.uint8], counts: NDArray[np.int64], frames: NDArray[np.int64]) -> Split:
    """Return the frames in a fixed random order: any contiguous part is a fair sample."""

    images, recordings = in_context(pixels, counts, np.random.default_rng(0).permutation(frames))
    groups = torch.from_numpy(recordings)
    return Split(torch.from_numpy(images), groups % DIGITS, groups)


def _read(home: Path) -> Generator[Progress, None, list[NDArray[np.int16]]]:
    from scipy.io import wavfile

    names, signals = _names(), []
    for index, name in enumerate(names):
        if index % PROGRESS_STEP == 0:
            yield Progress("Reading spoken digits", index, len(names), "recordings")
        try:
            with warnings.catch_warnings(action="error"):  # SciPy only warns about a file that is cut off
                rate, signal = wavfile.read(home / name)
        except OSError as error:
            raise InputError(f"The recording {home / name} cannot be read: {error.strerror or error}.") from error
        except (ValueError, Warning, struct.error, EOFError, IndexError) as error:
            raise InputError(
                f"The recording {home / name} is damaged or cut off: delete it and run again to fetch all anew."
            ) from error
        if rate != RATE or signal.ndim != 1 or signal.dtype != np.int16 or len(signal) < WINDOW:
            raise InputError(
                f"The recording {home / name} is not {RATE / 1000:g} kHz, 16 bits, one channel and at least "
                f"{1000 * WINDOW // RATE} ms long, as all must be: delete it and run again to fetch all anew."
            )
        signals.append(signal)
    yield Progress("Reading spoken digits", len(names), len(names), "recordings")
    return signals


def _ensure(home: Path) -> Iterator[Progress]:
    """Download all recordings where one is missing: unpack into a temporary folder, then move the complete set."""
    names = _names()
    try:
        if all((home / name).is_file() for name in names):
            return
        root = data_folder()
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".kdlab-download-", dir=root) as scratch:
            yield from download([ARCHIVE], Path(scratch), "Downloading spoken digits", ARCHIVE_SIZE)
            for name, content in _unpack(Path(scratch, ARCHIVE.name), names).items():
                Path(scratch, name).write_bytes(content)
            home.mkdir(parents=True, exist_ok=True)
            # Move missing files last: until the last one is in place the set counts as incomplete.
            for name in sorted(names, key=lambda name: not (home / name).exists()):
                Path(scratch, name).replace(home / name)
    except BrokenDownloadError as error:
        raise InputError(
            f"The spoken digits are not in {home}, or not all {len(names):,} of them, and could not be downloaded "
            f"({error}): connect to the network, put the recordings of the Free Spoken Digit Dataset there, or set "
            f"KDLAB_DATA to a folder that has {FOLDER}."
        ) from error
    except OSError as error:
        raise InputError(
            f"The spoken digits are not in {home} and cannot be saved there ({error.strerror or error}): set the "
            f"environment variable KDLAB_DATA to a folder that can be written or that has {FOLDER}."
        ) from error


def _unpack(path: Path, names: list[str]) -> dict[str, bytes]:
    """Return the recordings in the archive by name; raises BrokenDownloadError where they are not the published ones.

    Only these names are read, so no name in the archive can point to another folder.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.getinfo(f"{INSIDE}/{name}") for name in names}
            if sum(member.file_size for member in members.values()) != UNPACKED_SIZE:
                raise BrokenDownloadError("the archive holds other recordings than were published")
            contents = {name: archive.read(member) for name, member in members.items()}
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, NotImplementedError, RuntimeError) as error:
        raise BrokenDownloadError("the archive is damaged or does not hold all recordings") from error
    checksum = hashlib.sha256()
    for name in sorted(contents):
        checksum.update(name.encode() + contents[name])
    if checksum.hexdigest() != SHA256:
        raise BrokenDownloadError("the archive holds other recordings than were published")
    return contents
