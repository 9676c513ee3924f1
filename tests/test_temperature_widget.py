"""The temperature lab from Python: its traits, what it answers the browser, and the file that `kdlab export` writes."""

import base64
import dataclasses
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from refusals import command_refusal
from traitlets import TraitError

from kdlab.cli import main
from kdlab.datasets.mnist_pixels import mnist_validation_images
from kdlab.io import read_logits
from kdlab.io.predictions import Predictions
from kdlab.metrics.classification import telling_example
from kdlab.metrics.softened import entropy
from kdlab.pages import Temperature
from kdlab.pages.temperature.data_server import DataServer
from kdlab.pages.temperature.html_export import HEAD
from kdlab.registry import InputError

BUDGET = 8_000_000


@pytest.fixture
def lab() -> Temperature:
    return Temperature()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder as `kdlab distill --out` writes it."""
    with as_file(files("kdlab.assets") / "opening") as opening:
        return Path(shutil.copytree(opening, tmp_path / "My first run"))


def some(key: str = "mine", **others: Any) -> Predictions:
    rng = np.random.default_rng(0)
    logits = {role: rng.normal(size=(40, 3), scale=4) for role in ("teacher", "student")}
    return Predictions(key, "Mine", ("a", "b", "c"), np.arange(40) % 3, logits, **others)


def ask(
    lab: Temperature, question: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> tuple[dict[str, Any], list[bytes]]:
    """Send a question as the browser does; return the answer and its buffers."""
    sent: list[tuple[dict[str, Any], list[bytes]]] = []
    monkeypatch.setattr(lab, "send", lambda content, buffers=None: sent.append((content, buffers)))
    lab._handle_custom_msg({"id": "question-1", **question}, [])
    ((content, buffers),) = sent
    assert (content["type"], content["id"]) == ("answer", "question-1")
    json.dumps(content)
    return content["answer"], buffers


def floats(packed: bytes) -> np.ndarray:
    return np.frombuffer(gzip.decompress(packed), np.float32)


def held(page: str) -> dict[str, Any]:
    """Return what a file holds beside its code."""
    return json.loads(re.search(r"^const HELD = (.*);$", page, re.MULTILINE)[1])


def buffer(page: str, name: str) -> bytes:
    found = re.search(rf'<script type="text/plain" id="{name}">([^<]*)</script>', page)
    return base64.b64decode(found[1], validate=True)


# --- traits -----------------------------------------------------------------------------------------------------------


def test_it_opens_with_mnist_at_a_telling_example(lab: Temperature) -> None:
    assert [one["key"] for one in lab.sets] == ["mnist", "digits"]
    assert (lab.temperature, lab.scale, lab.exponent, lab.source, lab.cell) == (4.0, "linear", 1.0, "example", None)
    for chosen in (lab, Temperature(dataset="digits")):
        one = chosen._data_server.sets[chosen.dataset]
        assert chosen.example == telling_example(one.logits, one.labels)
    assert Temperature(dataset="digits").dataset == "digits"
    mine = Temperature(some(), temperature=20, example=7)
    assert (mine.dataset, mine.temperature, mine.example, [one["key"] for one in mine.sets]) == (
        "mine", 20, 7, ["mine", "mnist", "digits"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "low", "high", "beyond"),
    [
        ("temperature", 0.5, 100.0, (0.49, 100.1, 0, -1, float("nan"), "warm", None)),
        ("exponent", 0.0, 1.0, (-0.01, 1.01, float("nan"), "x")),
    ],
)
def test_numbers_have_limits(lab: Temperature, name: str, low: float, high: float, beyond: tuple[Any, ...]) -> None:
    for value in (low, high, (low + high) / 2):
        setattr(lab, name, value)
        assert getattr(lab, name) == value
    for value in beyond:
        with pytest.raises(TraitError):
            setattr(lab, name, value)
        with pytest.raises(TraitError):
            Temperature(**{name: value})
    assert getattr(lab, name) == (low + high) / 2


@pytest.mark.parametrize(
    "choice",
    [
        {"scale": "cubic"}, {"source": "moon"}, {"example": -1}, {"example": 5_000}, {"example": 1.5},
        {"dataset": "nope"}, {"dataset": ""}, {"dataset": "digits", "example": 143}, {"cell": 3}, {"own": []},
        {"own": {"classes": ["a"], "teacher": [1], "student": [1]}},
        {"own": {"classes": ["a", "b"], "teacher": [1, 2], "student": [1]}},
        {"own": {"classes": ["a", "b"], "teacher": [1, float("nan")], "student": [1, 2]}},
        {"own": {"classes": ["a", "b"], "teacher": ["x", 2], "student": [1, 2]}},
        {"own": {"classes": list("abcdefghijklm"), "teacher": [0] * 13, "student": [0] * 13}},
    ],
    ids=str,
)  # fmt: skip
def test_a_choice_that_cannot_be_is_refused(lab: Temperature, choice: dict[str, Any]) -> None:
    before = {name: getattr(lab, name) for name in choice}
    with pytest.raises(TraitError):
        Temperature(**choice)
    if len(choice) == 1:
        ((name, value),) = choice.items()
        with pytest.raises(TraitError):
            setattr(lab, name, value)
    assert {name: getattr(lab, name) for name in choice} == before


def test_good_choices_are_taken(lab: Temperature) -> None:
    own = {"classes": ["a", "b"], "teacher": [1e4, -1e4], "student": [0, 0.5]}
    lab.own, lab.scale, lab.source, lab.example = own, "log", "own", 4_999
    assert lab.own == own
    lab.dataset = "digits"
    assert lab.example < 143
    lab.cell = {"network": "student", "true": 1, "predicted": 9}
    lab.cell = None


def test_two_sets_of_one_name_are_refused() -> None:
    for others in ([some("mnist")], [some(), some()]):
        with pytest.raises(InputError, match="Two sets have the key"):
            Temperature(*others)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, run: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere", "nowhere"):
        with pytest.raises(InputError, match="no run in"):
            Temperature(folder)
    (run / "history.npz").write_bytes((run / "history.npz").read_bytes()[:1000])
    with pytest.raises(InputError, match="damaged"):
        Temperature(run)


@pytest.mark.process
def test_the_page_does_without_torch() -> None:
    code = """import sys; from kdlab.pages import Temperature; Temperature().page()
print(sorted({"torch", "torchvision", "sklearn", "pandas"} & set(sys.modules)))"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- answers to the browser -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["mnist", "digits"])
def test_a_set_comes_as_names_and_numbers(lab: Temperature, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one = lab._data_server.sets[key]
    about, (logits, labels) = ask(lab, {"type": "set", "dataset": key}, monkeypatch)
    assert about["roles"] == ["teacher", "student", "baseline"]
    np.testing.assert_array_equal(floats(logits), np.concatenate([one.logits[role].ravel() for role in about["roles"]]))
    np.testing.assert_array_equal(np.frombuffer(gzip.decompress(labels), np.int32), one.labels)
    assert (about["key"], about["label"], list(about["classes"])) == (key, one.label, list(one.classes))
    assert about["telling"] == telling_example(one.logits, one.labels)
    assert about["examples"] == "validation examples"
    if one.images is not None:
        assert tuple(about["shape"]) == one.images.shape[1:]
    assert len(logits) + len(labels) < 1_500_000


def test_examples_are_of_a_split_only_where_that_is_known(
    tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some().save(tmp_path / "mine.npz")
    dataclasses.replace(Predictions.read(run), key="saved").save(tmp_path / "run.npz")
    given = [some(), Predictions.load(tmp_path / "mine.npz"), Predictions.load(tmp_path / "run.npz")]
    lab = Temperature(dataclasses.replace(given[0], key="own"), *given[1:], run)
    questions = {key: {"type": "set", "dataset": key} for key in lab._data_server.sets}
    texts = {key: ask(lab, question, monkeypatch)[0]["examples"] for key, question in questions.items()}
    assert texts == {
        "own": "examples", "mine": "examples", "my-first-run": "validation examples", "mnist": "validation examples",
        "digits": "validation examples", "saved": "validation examples",
    }  # fmt: skip
    # What comes by the browser says nothing of itself.
    uploaded = read_logits("run.npz", (tmp_path / "run.npz").read_bytes(), 8_000_000)
    assert uploaded.split == ""


def test_further_teachers_come_later(lab: Temperature, monkeypatch: pytest.MonkeyPatch) -> None:
    about, _ = ask(lab, {"type": "set", "dataset": "mnist"}, monkeypatch)
    more = lab._data_server.sets["mnist"].more_teachers
    assert about["more"] == len(more) == 2
    _, (teachers,) = ask(lab, {"type": "teachers", "dataset": "mnist"}, monkeypatch)
    np.testing.assert_array_equal(floats(teachers), np.concatenate([one.ravel() for one in more]))


def test_pictures_come_as_they_are_asked_for(lab: Temperature, monkeypatch: pytest.MonkeyPatch) -> None:
    about, (pixels,) = ask(lab, {"type": "pictures", "dataset": "digits", "indices": [7, 0, 142]}, monkeypatch)
    assert about["indices"] == [7, 0, 142]
    assert bytes(pixels) == lab._data_server.sets["digits"].images[[7, 0, 142]].tobytes()


def test_networks_come_with_their_weights(lab: Temperature, monkeypatch: pytest.MonkeyPatch) -> None:
    about, weights = ask(lab, {"type": "networks"}, monkeypatch)
    assert list(about["layers"]) == ["teacher", "teacher 2", "teacher 3", "student"]
    assert list(about["shape"]) == [1, 28, 28]
    for (layers, expected), packed in zip(lab._data_server._networks.values(), weights, strict=True):
        np.testing.assert_array_equal(floats(packed), expected)
        assert layers in about["layers"].values()


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ({"type": "set", "dataset": "nope"}, "There is no data set 'nope' here; there are mnist, digits."),
        ({"type": "page"}, "The lab does not know the question 'page'."),
        ({}, "The lab does not know the question None."),
    ],
    ids=str,
)
def test_a_question_without_an_answer_gets_a_sentence(
    lab: Temperature, question: dict[str, Any], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    about, buffers = ask(lab, question, monkeypatch)
    assert about == {"error": sentence}
    assert buffers == []


def test_the_browser_is_given_the_view_it_asks_to_export(lab: Temperature, monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"classes": ["</script>", "b"], "teacher": [1.5, 2], "student": [3, 4]}
    state = {
        "temperature": 33.0, "dataset": "digits", "example": 5, "scale": "log", "exponent": 0.5, "source": "own",
        "own": own, "cell": {"network": "student", "true": 1, "predicted": 2},
    }  # fmt: skip
    about, (page,) = ask(lab, {"type": "export", **state}, monkeypatch)
    assert about == {"name": "kdlab-temperature.html"}
    assert held(page.decode())["traits"] == {**state, "sets": lab.sets, "head": HEAD}
    assert lab.temperature == 4  # what is exported is what the browser shows


# --- the file ---------------------------------------------------------------------------------------------------------


def test_the_file_holds_everything(lab: Temperature, tmp_path: Path) -> None:
    lab.temperature, lab.example, lab.cell = 8, 17, {"network": "teacher", "true": 4, "predicted": 9}
    path = tmp_path / "lab.html"
    lab.export(path)
    page = path.read_text(encoding="utf-8")
    assert page == lab.page()
    assert path.stat().st_size < BUDGET
    assert [file.name for file in tmp_path.iterdir()] == ["lab.html"]
    about = held(page)
    traits = about["traits"]
    assert (traits["temperature"], traits["example"], traits["cell"]["true"], traits["dataset"]) == (8, 17, 4, "mnist")
    for question, answer in lab._data_server.everything(3_000_000).items():
        assert about["answers"][question] == json.loads(json.dumps({**answer.fields, "count": len(answer.buffers)}))
        for at, expected in enumerate(answer.buffers):
            assert buffer(page, f"{question}:{at}") == expected
    assert re.findall(r"""(?:src|href)=["'](?!data:)[^"']*""", page.split("const SOURCES")[0]) == []
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")


def test_the_same_lab_gives_the_same_file(lab: Temperature) -> None:
    assert lab.page() == Temperature().page()


def test_a_file_is_replaced_and_a_bad_name_is_refused(
    lab: Temperature, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lab.HTM").write_text("old")
    lab.export("lab.HTM")
    assert (tmp_path / "lab.HTM").read_text(encoding="utf-8").startswith("<!doctype html>")
    (tmp_path / "folder.html").mkdir()
    for name, reason in (
        ("lab.txt", "ends in .html"), ("lab", "ends in .html"), (tmp_path / "nowhere/lab.html", "cannot be written"),
        ("folder.html", "cannot be written"), ("x" * 300 + ".html", "cannot be written"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=reason):
            lab.export(name)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["folder.html", "lab.HTM"]


@pytest.mark.parametrize("budget", [30_000, 10_000_000])
def test_pictures_keep_within_a_budget(budget: int) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40, 3, 20, 20), dtype=np.uint8)  # noise, which does not shrink: 48 kB
    one = some(images=images)
    answer = DataServer([one, some("other")], {}).everything(2 * budget)["pictures:mine"]
    (packed,) = answer.buffers
    assert len(packed) <= budget
    kept = answer.fields["indices"]
    assert len(kept) == 40 if budget > 50_000 else 20 < len(kept) < 30
    assert kept == np.argsort(-entropy(one.logits["teacher"], 4), kind="stable")[: len(kept)].tolist()
    assert answer.fields["size"] == 1200
    assert gzip.decompress(packed) == images[kept].tobytes()


@pytest.mark.skipif(mnist_validation_images() is None, reason="KDLAB_DATA has no MNIST")
def test_the_file_keeps_the_doubtful_pictures_of_mnist(lab: Temperature) -> None:
    about = held(lab.page())["answers"]
    assert len(about["pictures:digits"]["indices"]) == 143
    kept = about["pictures:mnist"]["indices"]
    assert 2_500 < len(kept) <= 5_000
    assert set(np.argsort(-entropy(lab._data_server.sets["mnist"].logits["teacher"], 4))[:1000].tolist()) <= set(kept)


# --- kdlab export -----------------------------------------------------------------------------------------------------


def export(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["export", "temperature", *map(str, arguments)])


def test_export_writes_a_file_and_says_where(tmp_path: Path) -> None:
    path = tmp_path / "lab.html"
    result = export("--out", path)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{path}: {path.stat().st_size / 1e6:.1f} MB\n"
    assert (result.stderr == "") == (mnist_validation_images() is not None)
    assert 1_000_000 < path.stat().st_size < BUDGET
    assert path.read_text(encoding="utf-8") == Temperature().page()


def test_export_says_when_there_are_no_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDLAB_DATA", str(tmp_path / "empty"))
    result = export("--out", tmp_path / "lab.html")
    assert result.exit_code == 0
    assert result.stderr.startswith("It has no pictures of MNIST")
    assert result.stderr.count("\n") == 1
    answers = held((tmp_path / "lab.html").read_text(encoding="utf-8"))["answers"]
    assert "pictures:mnist" not in answers
    assert answers["set:mnist"]["shape"] is None
    assert len(answers["set:mnist"]["pictures"]) > 20


def test_export_shows_runs_of_ones_own_first(tmp_path: Path, run: Path) -> None:
    other = Path(shutil.copytree(run, tmp_path / "another"))
    path = tmp_path / "lab.html"
    result = export("--out", path, "--run", run, "--run", other)
    assert result.exit_code == 0, result.output
    about = held(path.read_text(encoding="utf-8"))
    assert [one["key"] for one in about["traits"]["sets"]] == ["my-first-run", "another", "mnist", "digits"]
    assert about["traits"]["dataset"] == "my-first-run"
    assert "mlp:32x1 taught by mlp:256x2" in about["answers"]["set:my-first-run"]["note"]
    assert path.stat().st_size < BUDGET


@pytest.mark.parametrize(
    ("out", "reason"),
    [("lab.txt", "ends in .html"), ("nowhere/lab.html", "cannot be written"), ("folder.html", "cannot be written")],
)
def test_export_refuses_a_bad_name(tmp_path: Path, out: str, reason: str) -> None:
    (tmp_path / "folder.html").mkdir()
    assert reason in command_refusal(export("--out", tmp_path / out))
    assert [file.name for file in tmp_path.iterdir()] == ["folder.html"]


def test_export_refuses_what_is_no_run(tmp_path: Path, run: Path) -> None:
    path = tmp_path / "lab.html"
    assert "no run in" in command_refusal(export("--out", path, "--run", tmp_path / "nowhere"))
    assert "Two sets have the key 'my-first-run'" in command_refusal(export("--out", path, "--run", run, "--run", run))
    (run / "history.npz").write_bytes(os.urandom(1000))
    assert "damaged" in command_refusal(export("--out", path, "--run", run))
    assert not path.exists()


def test_export_needs_a_name(tmp_path: Path) -> None:
    result = export()
    assert result.exit_code == 2
    assert "--out" in result.stderr
