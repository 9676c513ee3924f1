"""Spoken digits: the frames of recordings, what bad files and archives lead to, and the experiment on them."""

import hashlib
import io
import json
import os
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from refusals import refusal
from scipy import stats
from scipy.io import wavfile

from kdlab.datasets import Split, load, load_events, loading, log_mel, spoken_digits
from kdlab.datasets.download import Archive
from kdlab.experiments.framework.experiment import SeedResult
from kdlab.experiments.framework.groups import by_recording, draw_recordings, wrong_recordings
from kdlab.experiments.framework.outcomes import Outcomes
from kdlab.experiments.framework.run import reproduce_events
from kdlab.experiments.framework.verdicts import NO_GAIN, NOISE
from kdlab.experiments.speech import Speech
from kdlab.progress import Progress
from kdlab.registry import InputError

pytestmark = pytest.mark.process
DATA = Path(os.environ.get("KDLAB_DATA", "nowhere"))
HOME = Path("fsdd", "recordings")
SPEAKERS, TAKES = ("ann", "bob"), 12
needs_recordings = pytest.mark.skipif(not (DATA / HOME).is_dir(), reason="KDLAB_DATA has no spoken digits")


def wav(samples: np.ndarray, rate: int = 8_000) -> bytes:
    file = io.BytesIO()
    wavfile.write(file, rate, samples)
    return file.getvalue()


def spoken(digit: int, length: int, seed: int) -> np.ndarray:
    """A tone that tells the digit, in a little noise."""
    rng = np.random.default_rng(seed)
    tone = np.sin(2 * np.pi * (300 + 300 * digit) * np.arange(length) / 8_000)
    return (8_000 * tone + rng.normal(0, 300, length)).astype(np.int16)


RECORDINGS = {
    f"{digit}_{speaker}_{take}.wav": wav(
        spoken(digit, 400 + 80 * at + 40 * take, 1_000 * take + 100 * at + digit)
    )
    for take in range(TAKES) for at, speaker in enumerate(SPEAKERS) for digit in range(10)
}  # fmt: skip


def packed(recordings: dict[str, bytes], **others: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in recordings.items():
            archive.writestr(f"{spoken_digits.INSIDE}/{name}", content)
        for name, content in others.items():
            archive.writestr(name, content)
    return file.getvalue()


class Handler(BaseHTTPRequestHandler):
    """Sends what `Handler.archive` holds."""

    archive = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(Handler.archive)))
        self.end_headers()
        self.wfile.write(Handler.archive)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data folder that is not there yet; a server on this machine has a small set of recordings."""
    checksum = hashlib.sha256(b"".join(name.encode() + RECORDINGS[name] for name in sorted(RECORDINGS)))
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        monkeypatch.setenv("KDLAB_DATA", str(tmp_path / "data"))
        monkeypatch.setenv("no_proxy", "*")
        monkeypatch.setattr(loading, "_last", {})
        monkeypatch.setattr(Handler, "archive", packed(RECORDINGS))
        monkeypatch.setattr(spoken_digits, "SPEAKERS", SPEAKERS)
        monkeypatch.setattr(spoken_digits, "TAKES", TAKES)
        monkeypatch.setattr(spoken_digits, "SHA256", checksum.hexdigest())
        monkeypatch.setattr(spoken_digits, "UNPACKED_SIZE", sum(map(len, RECORDINGS.values())))
        monkeypatch.setattr(
            spoken_digits, "ARCHIVE", Archive("fsdd.zip", None, (f"http://127.0.0.1:{server.server_port}/",))
        )
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield tmp_path / "data"
        server.shutdown()


@pytest.fixture
def filled(root: Path) -> Path:
    """The same with the recordings in it; returns their folder."""
    (root / HOME).mkdir(parents=True)
    for name, content in RECORDINGS.items():
        (root / HOME / name).write_bytes(content)
    return root / HOME


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def load_refusal(root: Path) -> str:
    """Return the sentence with which loading is refused, when nothing has come or gone."""
    before = contents(root.parent)
    message = refusal(load, "spoken-digits")
    assert contents(root.parent) == before
    assert not list(root.glob(".kdlab*"))
    return message


@needs_recordings
def test_the_real_recordings() -> None:
    data = load("spoken-digits")
    assert (data.classes, data.shape) == (tuple("0123456789"), (1, 21, 30))
    assert [len(split) for split in (data.train, data.validation, data.test)] == [102_960, 9_951, 12_326]
    takes = {"train": range(9, 50), "validation": range(5, 9), "test": range(5)}
    for name, own in takes.items():
        split = getattr(data, name)
        assert split.images.dtype == torch.uint8
        assert split.images.is_contiguous()
        assert split.groups is not None
        # A recording's number is its take's, speaker's and digit's: no recording is in two splits.
        assert sorted(set(split.groups.tolist())) == list(range(60 * own.start, 60 * own.stop))
        assert torch.equal(split.labels, split.groups % 10)
    # The middle row of a frame of the very first recording is its own; all frames of it are there.
    _, signal = wavfile.read(DATA / HOME / "0_george_0.wav")
    energies, counts = log_mel.log_mel([signal])
    mine = data.test.images[data.test.groups == 0][:, 0, log_mel.CONTEXT]
    assert sorted(map(tuple, mine.tolist())) == sorted(map(tuple, log_mel.to_pixels(energies, counts).tolist()))


def test_a_tone_is_bright_in_the_bands_around_it() -> None:
    energies, counts = log_mel.log_mel([spoken(digit, 2_000, digit) for digit in range(10)])
    assert counts.tolist() == [23] * 10
    heard = energies.reshape(10, 23, log_mel.BANDS).mean(1).argmax(1)
    mels = 2595 * np.log10(1 + (300 + 300 * np.arange(10)) / 700)
    assert np.abs(heard - (mels / (2595 * np.log10(1 + 4_000 / 700)) * (log_mel.BANDS + 1) - 1)).max() <= 0.75


def test_a_frame_is_worked_out_as_by_the_book() -> None:
    signal = spoken(3, 700, 0)
    energies, counts = log_mel.log_mel([spoken(1, 431, 1), signal])
    assert counts.tolist() == [3, 7]
    at = np.arange(200)
    frame = signal[2 * 80 : 2 * 80 + 200] * (0.5 - 0.5 * np.cos(2 * np.pi * at / 200))
    hertz = np.arange(257) * 8_000 / 512
    power = np.abs(np.exp(-2j * np.pi * np.outer(hertz, at) / 8_000) @ frame) ** 2
    mels, most = 2595 * np.log10(1 + hertz / 700), 2595 * np.log10(1 + 4_000 / 700)
    distance = np.abs(mels[:, None] / most * 31 - np.arange(1, 31))  # in halves of a triangle
    assert energies[3 + 2] == pytest.approx(np.log(power @ np.maximum(1 - distance, 0) + 1), abs=2e-3)


def test_loudness_does_not_matter_and_each_recording_is_judged_alone() -> None:
    one, other = spoken(2, 900, 0), spoken(7, 1_300, 1)
    together = log_mel.to_pixels(*log_mel.log_mel([one, other]))
    assert np.array_equal(log_mel.to_pixels(*log_mel.log_mel([one])), together[:9])
    quiet = log_mel.to_pixels(*log_mel.log_mel([(one // 4).astype(np.int16)]))
    assert np.abs(quiet.astype(int) - together[:9]).max() <= 3
    assert set(log_mel.to_pixels(*log_mel.log_mel([np.zeros(900, np.int16)])).ravel().tolist()) == {128}


def test_neighbours_come_from_the_same_recording() -> None:
    counts = np.array([3, 30])
    pixels = np.repeat(np.arange(33, dtype=np.uint8)[:, None], log_mel.BANDS, axis=1)
    images, recordings = log_mel.in_context(pixels, counts, np.array([1, 3, 20]))
    assert images.shape == (3, 1, 21, log_mel.BANDS)
    assert recordings.tolist() == [0, 1, 1]
    assert images[0, 0, :, 0].tolist() == [*[0] * 9, 0, 1, 2, *[2] * 9]
    assert images[1, 0, :, 0].tolist() == [*[3] * 10, *range(3, 14)]
    assert images[2, 0, :, 0].tolist() == list(range(10, 31))


def test_they_are_downloaded_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = list(load_events("spoken-digits"))
    assert all(isinstance(event, Progress) for event in events)
    fetched = [event for event in events if event.unit == "B"]
    assert [fetched[0].done, fetched[-1].done] == [0, len(Handler.archive)]
    assert contents(root) == {str(HOME / name): content for name, content in RECORDINGS.items()}
    monkeypatch.setattr(Handler, "archive", b"gone")
    loading._last.clear()
    data = load("spoken-digits")
    for split, takes in ((data.test, range(5)), (data.validation, range(5, 9)), (data.train, range(9, TAKES))):
        assert split.groups is not None
        numbers = torch.unique(split.groups)
        assert numbers.tolist() == list(range(20 * takes.start, 20 * takes.stop))
        assert torch.equal(split.labels, split.groups % 10)


def test_an_incomplete_folder_is_completed(filled: Path) -> None:
    (filled / "notes.txt").write_text("mine")
    (filled / "3_bob_7.wav").unlink()
    (filled / "4_bob_7.wav").write_bytes(b"of another edition")
    load("spoken-digits")
    assert contents(filled) == {"notes.txt": b"mine"} | RECORDINGS


def test_without_network_the_message_says_where_they_belong(
    filled: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (filled / "3_bob_7.wav").unlink()
    monkeypatch.setattr(spoken_digits, "ARCHIVE", Archive("fsdd.zip", None, ("http://127.0.0.1:9/",)))
    message = load_refusal(root)
    assert f"not in {filled}, or not all 240 of them" in message
    assert "Connection refused" in message
    assert "KDLAB_DATA" in message


HOSTILE = (
    "../../evil.wav",
    f"{spoken_digits.INSIDE}/../../../evil.wav",
    "/evil.wav",
    f"{spoken_digits.INSIDE}/sub/0_ann_0.wav",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_in_the_archive_leads_out_of_the_folder(name: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Handler, "archive", packed(RECORDINGS, **{name: b"evil"}))
    load("spoken-digits")
    assert contents(root.parent) == {str("data" / HOME / file): content for file, content in RECORDINGS.items()}
    assert not Path("/evil.wav").exists()


@pytest.mark.parametrize(
    ("archive", "reason"),
    [
        (b"<html>Sign in to this network</html>", "is damaged or does not hold all"),
        (packed(RECORDINGS)[:-100], "is damaged or does not hold all"),
        (packed(dict(list(RECORDINGS.items())[1:])), "is damaged or does not hold all"),
        (packed(RECORDINGS | {"0_ann_0.wav": RECORDINGS["0_ann_0.wav"][::-1]}), "holds other recordings"),
        (packed(RECORDINGS | {"0_ann_0.wav": RECORDINGS["1_ann_0.wav"]}), "holds other recordings"),
        (packed(RECORDINGS | {"0_ann_0.wav": bytes(50_000_000)}), "holds other recordings"),
    ],
    ids=["web page", "cut off", "one missing", "one changed", "one exchanged", "bomb"],
)
def test_another_archive_than_was_published_leaves_nothing_behind(
    archive: bytes, reason: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root.mkdir()
    monkeypatch.setattr(Handler, "archive", archive)
    assert f"could not be downloaded (the archive {reason}" in load_refusal(root)


def test_a_damaged_member_is_noticed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root.mkdir()
    whole = bytearray(Handler.archive)
    whole[5_000] ^= 0xFF
    monkeypatch.setattr(Handler, "archive", bytes(whole))
    assert "the archive is damaged" in load_refusal(root)


def test_stopping_leaves_nothing_behind(root: Path) -> None:
    events = load_events("spoken-digits")
    while not next(events).label.startswith("Downloading"):
        pass
    assert list(root.iterdir())
    events.close()
    assert not list(root.iterdir())


def test_a_data_folder_that_cannot_be(root: Path) -> None:
    root.write_text("a file is in the way")
    with pytest.raises(InputError, match=r"cannot be saved there \((File exists|Not a directory)\): set .* KDLAB_DATA"):
        load("spoken-digits")
    assert root.read_text() == "a file is in the way"


SOUND = spoken(0, 1_000, 0)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is damaged or cut off"),
        (b"<html>Sign in to this network</html>", "is damaged or cut off"),
        (RECORDINGS["0_ann_0.wav"][:30], "is damaged or cut off"),
        (RECORDINGS["0_ann_0.wav"][:-101], "is damaged or cut off"),
        (wav(SOUND, rate=16_000), "is not 8 kHz"),
        (wav(np.stack([SOUND, SOUND], axis=1)), "is not 8 kHz"),
        (wav(SOUND.astype(np.float32)), "is not 8 kHz"),
        (wav(SOUND[:199]), "is not 8 kHz"),
    ],
    ids=["empty", "web page", "header cut off", "cut off", "another rate", "stereo", "floats", "too short"],
)
def test_a_bad_recording_is_named(content: bytes, reason: str, filled: Path, root: Path) -> None:
    (filled / "5_bob_6.wav").write_bytes(content)
    message = load_refusal(root)
    assert f"The recording {filled / '5_bob_6.wav'} {reason}" in message
    assert "delete it and run again" in message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_recording_that_may_not_be_read(filled: Path, root: Path) -> None:
    (filled / "5_bob_6.wav").chmod(0)
    with pytest.raises(InputError, match="cannot be read: Permission denied"):
        load("spoken-digits")


def test_nothing_belongs_behind_a_colon() -> None:
    with pytest.raises(InputError, match="write spoken-digits, not spoken-digits:loud"):
        load("spoken-digits:loud")


def test_a_share_of_recordings_is_whole_and_even(filled: Path) -> None:
    train = load("spoken-digits").train
    assert train.groups is not None
    few = draw_recordings(train, 34, seed=0)
    drawn = train.take(few)
    assert drawn.groups is not None
    recordings = torch.unique(drawn.groups)
    assert (recordings % 10).bincount().tolist() == [2] * 10  # of six of each digit
    assert len(few) == int(torch.isin(train.groups, recordings).sum())  # all of their frames
    assert torch.equal(few, draw_recordings(train, 34, seed=0))
    assert not torch.equal(few, draw_recordings(train, 34, seed=1))
    assert len(torch.unique(train.groups[draw_recordings(train, 0.1, seed=0)])) == 10


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ([0] * 6, "Of the class 'a' there is 1 training recording, but"),
        ([0, 1, 0, 1, 0, 1], "Of the class 'a' there is 1 training recording, but"),
        ([0, 1, 2, 1, 4, 1], "Of the class 'b' there is 1 training recording, but"),
    ],
)
def test_a_class_of_a_single_recording_is_refused(groups: list[int], words: str) -> None:
    split = Split(torch.zeros(6, 1, 2, 2, dtype=torch.uint8), torch.tensor([0, 1] * 3), torch.tensor(groups))
    with pytest.raises(InputError) as refused:
        draw_recordings(split, 3.0, 0, ("a", "b"))
    assert str(refused.value).startswith(words)
    assert str(refused.value).endswith(": give it two recordings or more.")
    alone = Split(split.images[:3], torch.tensor([0, 0, 1]))
    with pytest.raises(InputError, match="class 1 there is 1 training example, but"):
        draw_recordings(alone, 3.0, 0)


def test_recordings_are_judged_as_a_whole() -> None:
    groups, labels = np.array([7, 3, 7, 3, 7]), np.array([1, 0, 1, 0, 1])
    values = np.array([[1.0, 1, 0, 0, 0], [0, 1, 0, 1, 1]])
    assert by_recording(values, groups) == pytest.approx(np.array([[1, 1], [2, 1]]))
    assert by_recording(values, None) is not values
    assert np.array_equal(by_recording(values, None), values)
    # Recording 7: two frames lean a little to class 0, one is sure of class 1; recording 3 is the other way round.
    logits = np.array([[5, 4.5], [0, 9], [5, 4.5], [3, 2], [0, 8]], dtype=np.float32)
    assert wrong_recordings(logits, labels, groups).tolist() == [1, 0]
    # What is added to all logits of a frame changes no probability.
    assert wrong_recordings(logits + np.array([[0], [50], [-90], [3], [1]]), labels, groups).tolist() == [1, 0]
    assert wrong_recordings(logits, labels, None).tolist() == [1, 1, 1, 0, 0]


def votes(classes: list[int]) -> np.ndarray:
    """Logits that are sure of these classes of three."""
    return 4 * np.eye(3, dtype=np.float32)[classes]


def exam(seed: int) -> SeedResult:
    """Six recordings of 2, 2, 2, 2, 3 and 1 frames, with known answers."""
    groups = np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 4, 5])
    labels = np.array([0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 1, 2])
    wrong = {
        "a": [0, 2, 4, 6, 8, 9], "b": [0, 2, 4, 6, 8, 9], "student": [0, 2, 4], "hard": [0, 1, 2, 3, 4, 6, 8, 10],
        "stopped": [0, 1, 2, 4, 6, 8], "soft": [0, 2, 4],
    }  # fmt: skip
    logits = {}
    for name, places in wrong.items():
        said = labels.copy()
        said[places] = (labels[places] + 1) % 3
        logits[name] = votes(list(said))
    third = votes(list(labels)) * 3  # so sure, and right, that together they are right
    members = np.stack([logits.pop("a"), logits.pop("b"), third])
    chosen = {f"{name}: training accuracy": value for name, value in
              {"members": 0.9, "hard": 1.0, "stopped": 0.8, "soft": 0.7}.items()}  # fmt: skip
    curves = {name: {"errors": [9.0, 5.0, 7.0], "nats": [1.0, 0.5, 0.9]} for name in ("hard", "soft")}
    return SeedResult(seed, labels, {"members": members, **logits}, (), groups, chosen, curves)


def test_the_tables_of_known_answers() -> None:
    summary = Speech().summarize([exam(0), exam(1)])
    rows = {row.label: row for row in summary.rows}
    means = {label: np.mean(row.values) for label, row in rows.items()}
    assert means["baseline, one network (mean): test frames right"] == pytest.approx(100 * (0.5 + 0.5 + 1) / 3)
    assert means["ensemble, geometric mean: test frames right"] == pytest.approx(100)
    assert means["distilled single network: test frames right"] == pytest.approx(75)
    assert means["ensemble, geometric mean: recordings wrong"] == 0
    assert means["share of the ensemble's gain kept (frames)"] == pytest.approx(25)
    assert means["baseline, 3 %, early stopping: training frames right"] == pytest.approx(80)
    assert means["baseline, 3 %, early stopping: test frames right"] == pytest.approx(50)
    assert means["baseline, 3 %, no early stopping: test frames right"] == pytest.approx(100 / 3)
    assert means["soft targets, 3 %, no early stopping: test frames right"] == pytest.approx(75)
    assert means["baseline, all recordings: training frames right"] == pytest.approx(90)
    assert rows["soft targets, 3 %, no early stopping: test frames right"].reference == {"paper": 57.0}
    assert rows["distilled single network: recordings wrong"].reference == {"paper": 10.7}


def test_without_groups_nothing_is_said_of_recordings() -> None:
    summary = Speech(dataset="digits").summarize([replace(exam(0), groups=None)])
    words = [row.label for row in summary.rows] + [claim.text for claim in summary.claims]
    words += [chart["title"] for chart in summary.charts]
    assert not [text for text in words if "recording" in text]
    assert not [note for note in summary.notes if "recording" in note]
    assert not [name for name in summary.outcomes if "recordings" in name]
    assert "On 3 % of the frames soft targets beat hard labels, both without early stopping." in words
    assert "baseline, all frames: test frames right" in words


def test_the_noise_is_that_between_recordings() -> None:
    exams = [exam(0), exam(1)]
    summary = Speech().summarize(exams)
    outcomes = Outcomes(summary.outcomes, exams[0].labels, exams[0].groups)
    claims = {claim.text: claim.to_dict(outcomes) for claim in summary.claims}
    beats = claims["On 3 % of the recordings soft targets beat hard labels, both without early stopping."]
    # Frames that only the soft targets have right, of each of the recordings, the same for both seeds; in all 5 of 12.
    differences = np.array([1, 1, 0, 1, 2, 0]) * 6 / 12
    assert beats["mean"] == pytest.approx(5 / 12)
    half = stats.t.ppf(0.975, 5) * differences.std(ddof=1) / np.sqrt(6)
    assert beats["interval"] == pytest.approx([differences.mean() - half, differences.mean() + half])
    # The ensemble's gain is of three recordings: too few to tell it from noise, and so nothing to keep a share of.
    assert claims["The ensemble has more frames right than its networks do."]["verdict"] == NOISE
    assert claims["It keeps at least 80 % of the ensemble's gain."]["verdict"] == NO_GAIN


def run(folder: Path, **settings: Any) -> dict[str, Any]:
    events = reproduce_events("speech", folder, True, settings)
    while True:
        try:
            next(events)
        except StopIteration as end:
            report: dict[str, Any] = end.value
            return report


def test_a_very_small_run(filled: Path, tmp_path: Path) -> None:
    settings = {"network": "mlp:16x1", "members": 2, "epochs": 15, "steps": 40, "share": 34, "temperatures": "1,2"}
    report = run(tmp_path / "pieces", **settings, seeds=2)
    assert report["examples"] == {"train": 530, "validation": 560, "test": 470}
    assert all(row["label"].startswith("share") or len(row["values"]) == 2 for row in report["rows"])
    means = {row["label"]: row["mean"] for row in report["rows"]}
    # Each digit is a tone of its own here, which two small networks tell apart.
    assert means["ensemble, geometric mean: test frames right"] > 50
    assert means["soft targets, 34 %, no early stopping: training frames right"] > 30
    assert [one["temperature"] in (1, 2) for one in report["chosen"]] == [True, True]
    json.dumps(report)
    # What was trained is kept: the same again trains nothing, and says the same.
    pieces = contents(tmp_path / "pieces")
    again = run(tmp_path / "pieces", **settings, seeds=2)
    assert {**again, "seconds": 0} == {**report, "seconds": 0}
    assert contents(tmp_path / "pieces") == pieces
