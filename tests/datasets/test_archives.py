"""People's own images in an archive: unpacked for as long as they are read, and nothing ever left behind."""

import errno
import io
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from refusals import refusal

from kdlab.datasets import load, load_events
from kdlab.registry import InputError

CIFAR = Path(os.environ.get("KDLAB_DATA", "nowhere"), "cifar10.tar")
SUFFIXES = [suffix for _, suffixes, _ in shutil.get_unpack_formats() for suffix in suffixes]


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where archives are unpacked."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def picture(colour: tuple[int, int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(file, "png")
    return file.getvalue()


def tree(top: str = "", count: int = 10) -> dict[str, bytes]:
    """The files of two classes by name."""
    files = {f"{top}red/{number}.png": picture((200, number, 0)) for number in range(count)}
    return files | {f"{top}blue/{number}.png": picture((0, number, 200)) for number in range(count)}


def halves(top: str = "") -> dict[str, bytes]:
    return tree(f"{top}train/", 20) | tree(f"{top}test/", 3)


def pack(path: Path, files: dict[str, bytes]) -> Path:
    """Write an archive of the kind that the name says."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return path
    mode = {"ar": "", "gz": "gz", "z2": "bz2", "xz": "xz", "st": "zst"}[path.suffix[-2:]]
    with tarfile.open(path, f"w:{mode}") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def archive_refusal(path: Path, scratch: Path) -> str:
    """Return the sentence with which an archive is refused, of which nothing stays in `scratch`."""
    message = refusal(load, f"folder:{path}")
    assert str(scratch) not in message.replace(f"cannot be unpacked into {scratch}", "")
    assert not list(scratch.iterdir())
    return message


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_archive_is_read_as_the_folder_it_holds(tmp_path: Path, scratch: Path, suffix: str) -> None:
    archive = pack(tmp_path / f"pictures{suffix}", halves())
    before = archive.read_bytes()
    dataset = load(f"folder:{archive}")
    for name, data in halves("folder/").items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    plain = load(f"folder:{tmp_path / 'folder'}")
    assert dataset.name == f"folder:{archive}"
    assert dataset.classes == plain.classes == ("blue", "red")
    for split in ("train", "validation", "test"):
        mine, theirs = getattr(dataset, split), getattr(plain, split)
        assert torch.equal(mine.images, theirs.images)
        assert torch.equal(mine.labels, theirs.labels)
    assert archive.read_bytes() == before
    assert not list(scratch.iterdir())


@pytest.mark.parametrize("name", ["pictures.zip", "pictures.tar"])
@pytest.mark.parametrize(
    "files", [tree(), tree("pets/"), halves(), halves("pets/"), halves("./pets/"), tree("pets/") | {"README": b"hello"}]
)
def test_classes_alone_or_in_one_top_folder(tmp_path: Path, name: str, files: dict[str, bytes]) -> None:
    assert load(f"folder:{pack(tmp_path / name, files)}").classes == ("blue", "red")


@pytest.mark.parametrize("top", ["", "pets/"])
def test_what_macos_packs_too_is_no_class(tmp_path: Path, top: str) -> None:
    extra = {f"__MACOSX/{name.replace('.png', '')}": b"junk" for name in tree(top)}
    dataset = load(f"folder:{pack(tmp_path / 'pets.zip', tree(top) | extra)}")
    assert dataset.classes == ("blue", "red")
    assert len(dataset.train) + len(dataset.validation) + len(dataset.test) == 20


@pytest.mark.parametrize("top", ["", "pets/"])
def test_splits_of_other_names(tmp_path: Path, scratch: Path, top: str) -> None:
    files = tree(f"{top}Training/", 20) | tree(f"{top}Testing/", 3) | tree(f"{top}Valid/", 4)
    files[f"{top}overview.png"] = picture((0, 0, 0))
    archive = pack(tmp_path / "pictures.tar", files)
    dataset = load(f"folder:{archive}")
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (40, 8, 6)
    inside = f"{archive}/{top}".rstrip("/")
    assert f"Images beside the folders in {inside} were left out: 1." in dataset.notes
    assert str(scratch) not in "".join(dataset.notes)
    assert "has a folder Training but no test" in archive_refusal(pack(archive, tree(f"{top}Training/")), scratch)


def test_a_name_says_nothing_about_what_a_file_is(tmp_path: Path) -> None:
    archive = pack(tmp_path / "pictures.tar.gz", tree())
    assert load(f"folder:{archive.rename(tmp_path / 'pictures')}").classes == ("blue", "red")


def test_a_tar_that_ends_with_a_zip_is_a_tar(tmp_path: Path) -> None:
    inner = pack(tmp_path / "inner.zip", tree())
    files = tree() | {"inner.zip": inner.read_bytes()}
    assert load(f"folder:{pack(tmp_path / 'outer.tar', files)}").classes == ("blue", "red")


def test_names_with_dots_and_links_to_the_archive(tmp_path: Path) -> None:
    files = {name.replace(".png", "..a b.png"): data for name, data in tree().items()}
    for name in ("pictures.zip", "pictures.tar"):
        link = tmp_path / f"link to {name}"
        link.symlink_to(pack(tmp_path / name, files))
        dataset = load(f"folder:{link}")
        assert len(dataset.train) + len(dataset.validation) + len(dataset.test) == 20


def test_progress(tmp_path: Path) -> None:
    archive = pack(tmp_path / "pictures.tar", tree())
    events = list(load_events(f"folder:{archive}"))
    assert (events[0].label, events[0].done, events[0].total, events[0].unit) == (
        "Unpacking pictures.tar", 0, archive.stat().st_size, "B",
    )  # fmt: skip
    assert [event.done for event in events if event.label == "Unpacking pictures.tar"][-1] == archive.stat().st_size
    assert (events[-1].label, events[-1].done, events[-1].total) == ("Reading images", 20, 20)


@pytest.mark.parametrize("name", ["pictures.zip", "pictures.tgz"])
def test_closed_half_way(tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr("kdlab.datasets.archives.PROGRESS_INTERVAL", 0)
    monkeypatch.setattr("kdlab.datasets.image_files.PROGRESS_INTERVAL", 0)
    archive = pack(tmp_path / name, tree(count=50))
    total = sum(1 for _ in load_events(f"folder:{archive}"))
    assert total > 100
    seen = set()
    for stop in (1, 2, 60, total - 3, total - 1):
        events = load_events(f"folder:{archive}")
        for _ in range(stop):
            label = next(events).label
        seen.add((label, bool(list(scratch.iterdir()))))
        events.close()
        assert not list(scratch.iterdir())
    assert seen == {(f"Unpacking {name}", True), ("Reading images", True)}


# --- what is wrong inside ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("top", "below"), [("", ""), ("pets/", "/pets")])
def test_messages_name_the_archive(tmp_path: Path, scratch: Path, top: str, below: str) -> None:
    archive = pack(tmp_path / "a.zip", tree(top) | {f"{top}red/notes.txt": b"hello"})
    assert archive_refusal(archive, scratch).startswith(f"{archive}{below}/red/notes.txt is no image")
    archive = pack(tmp_path / "b.zip", tree(top) | {f"{top}red/{name}.txt": b"hello" for name in "ab"})
    sentence = f"2 files in {archive}{below} cannot be read as images: red/a.txt, red/b.txt (each is no image"
    assert archive_refusal(archive, scratch).startswith(sentence)
    archive = pack(tmp_path / "b.tar", tree(top, count=4))
    assert archive_refusal(archive, scratch).startswith(f"The class folder {archive}{below}/blue holds 4 images")
    archive = pack(tmp_path / "c.tar", tree(f"{top}train/"))
    assert f"{archive}{below} has a folder train but no test" in archive_refusal(archive, scratch)
    archive = pack(tmp_path / "d.tar", {"0.png": picture((0, 0, 0))})
    assert archive_refusal(archive, scratch).startswith(f"{archive} needs at least two folders")


# --- what is no archive -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"hello", bytes(range(256)) * 100, picture((0, 0, 0))])
@pytest.mark.parametrize("suffix", [".tar", ".zip", ".png"])
def test_no_archive(tmp_path: Path, scratch: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"pictures{suffix}"
    path.write_bytes(content)
    assert archive_refusal(path, scratch).startswith(
        f"{path} is no folder and no archive that can be unpacked (it is cut off"
    )


def test_no_file(tmp_path: Path, scratch: Path) -> None:
    path = tmp_path / "gone.tar"
    assert archive_refusal(path, scratch) == f"The image folder {path} cannot be opened: No such file or directory."


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tar.bz2", ".tar.xz", ".zip"])
def test_an_archive_that_is_cut_off_anywhere(tmp_path: Path, scratch: Path, suffix: str) -> None:
    archive = pack(tmp_path / f"pictures{suffix}", tree())
    whole = archive.read_bytes()
    # tarfile itself takes some of these for whole: those cut before a member, or in its header.
    member = 512 + 512  # header and one block of an image
    places = [1, 511, 512, 600, member, member + 1, 5 * member, 5 * member + 100, len(whole) // 2, 20 * member]
    if suffix != ".tar":
        places = [*range(1, len(whole) - 8, len(whole) // 20), len(whole) - 9]
    for place in places:
        archive.write_bytes(whole[:place])
        assert "it is cut off" in archive_refusal(archive, scratch)
    archive.write_bytes(whole)
    assert load(f"folder:{archive}").classes == ("blue", "red")


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tar.bz2", ".tar.xz", ".zip"])
def test_a_damaged_archive(tmp_path: Path, scratch: Path, suffix: str) -> None:
    archive = pack(tmp_path / f"pictures{suffix}", tree())
    damaged = bytearray(archive.read_bytes())
    # In a tar, the header of the sixth file: nothing else in it has a checksum.
    place = 5 * 1024 + 100 if suffix == ".tar" else len(damaged) // 2 if suffix != ".zip" else 60
    damaged[place : place + 20] = bytes(byte ^ 0x55 for byte in damaged[place : place + 20])
    archive.write_bytes(damaged)
    assert "damaged" in archive_refusal(archive, scratch)


def test_a_locked_zip(tmp_path: Path, scratch: Path) -> None:
    archive = pack(tmp_path / "pictures.zip", tree())
    data = bytearray(archive.read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(mark)
        while at >= 0:
            data[at + place] |= 1
            at = data.find(mark, at + 1)
    archive.write_bytes(data)
    assert "locked with a password" in archive_refusal(archive, scratch)


# --- what would do harm -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pictures.zip", "pictures.tar", "pictures.tar.gz"])
@pytest.mark.parametrize("where", ["../evil.png", "red/../../evil.png", "{}/evil.png", "./../evil.png"])
def test_a_member_that_leads_outside(tmp_path: Path, scratch: Path, name: str, where: str) -> None:
    where = where.format(tmp_path / "target")
    archive = pack(tmp_path / name, tree() | {where: b"evil"})
    before = set(tmp_path.rglob("*"))
    assert archive_refusal(archive, scratch).startswith(
        f"{archive} holds '{where}', which would be unpacked outside its folder"
    )
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
@pytest.mark.parametrize("target", ["/etc/hostname", "../../..", "red/0.png", "."])
def test_links_and_devices(tmp_path: Path, scratch: Path, kind: bytes, target: str) -> None:
    archive = pack(tmp_path / "pictures.tar", tree())
    with tarfile.open(archive, "a") as tar:
        member = tarfile.TarInfo("red/link.png")
        member.type, member.linkname = kind, target
        tar.addfile(member)
    assert archive_refusal(archive, scratch).startswith(f"{archive} holds 'red/link.png', which is no plain file")


def test_a_link_in_a_zip_is_a_file(tmp_path: Path, scratch: Path) -> None:
    archive = pack(tmp_path / "pictures.zip", tree())
    with zipfile.ZipFile(archive, "a") as packed:
        member = zipfile.ZipInfo("red/link.png")
        member.create_system, member.external_attr = 3, 0o120777 << 16
        packed.writestr(member, "/etc/hostname")
    assert archive_refusal(archive, scratch).startswith(f"{archive}/red/link.png is no image")


# --- where it cannot be unpacked --------------------------------------------------------------------------------------

LIMITED = """
import resource, signal, sys, tempfile
from kdlab.datasets import load
from kdlab.registry import InputError
load("digits")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
tempfile.tempdir = sys.argv[1]
for archive in sys.argv[2:]:
    try:
        load("folder:" + archive)
    except InputError as error:
        print(error)
"""


@pytest.mark.process
@pytest.mark.skipif(sys.platform == "win32", reason="no limits there")
def test_no_room(tmp_path: Path, scratch: Path) -> None:
    files = tree() | {"red/large.png": bytes(100_000)}
    archives = [pack(tmp_path / name, files) for name in ("pictures.zip", "pictures.tar.gz")]
    command = [sys.executable, "-c", LIMITED, scratch, *archives]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    for archive, line in zip(archives, done.stdout.splitlines(), strict=True):
        reason = f"({os.strerror(errno.EFBIG)}): make room"
        assert line.startswith(f"{archive} cannot be unpacked into {scratch} {reason}")
    assert not list(scratch.iterdir())


def test_no_folder_for_it(tmp_path: Path, scratch: Path) -> None:
    archive = pack(tmp_path / "pictures.tar", tree())
    scratch.rmdir()
    with pytest.raises(InputError, match=r"No such file or directory\): make room there, set the environment"):
        load(f"folder:{archive}")


@pytest.mark.parametrize("make", [pack, lambda path, _: path.mkdir() or path], ids=["archive", "folder"])
def test_what_may_not_be_opened(tmp_path: Path, make: Callable[[Path, dict[str, bytes]], Path]) -> None:
    path = make(tmp_path / "pictures.tar", tree())
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may open everything")
    with pytest.raises(InputError, match="cannot be opened: Permission denied"):
        load(f"folder:{path}")


@pytest.mark.skipif(not CIFAR.is_file(), reason="KDLAB_DATA has no cifar10.tar")
def test_a_sample_of_cifar10(tmp_path: Path) -> None:
    """Its members as they are, though only some: on a slow disk the whole of it takes minutes."""
    wanted: dict[str, int] = {}
    with tarfile.open(CIFAR) as whole, tarfile.open(tmp_path / "sample.tar", "w") as sample:
        for member in whole:
            part = member.name.rpartition("/")[0]
            if wanted.setdefault(part, 0) < 20:
                wanted[part] += 1
                sample.addfile(member, whole.extractfile(member))
    dataset = load(f"folder:{tmp_path / 'sample.tar'}")
    assert dataset.shape == (3, 32, 32)
    assert dataset.classes[0] == "airplane"
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (180, 20, 200)
