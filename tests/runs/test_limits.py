"""Limits: where they come from, what they refuse, and that each is explained."""

import asyncio
from pathlib import Path

import pytest

from kdlab import datasets  # noqa: F401  (it fills the registry)
from kdlab.assets import make_limits
from kdlab.pages import Runs
from kdlab.registry import DATASETS, InputError
from kdlab.runs import client
from kdlab.runs.limits import DEFINITIONS, Limits
from kdlab.runs.protocol import RunMessage, RunRequest
from kdlab.train.spec import Spec


def request(**limits_input: object) -> RunRequest:
    return RunRequest("distil", "a:b", (), "a:c", int, "a run", "distil", limits_input)


def written(folder: Path, text: str) -> Path:
    file = folder / "limits.toml"
    file.write_text(text)
    return file


def refusal(file: Path | None, environment: dict[str, str] | None = None) -> str:
    with pytest.raises(InputError) as refused:
        Limits.read(file, public=False, environment=environment or {})
    message = str(refused.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


def test_one_person_has_no_limits() -> None:
    asks = {"dataset": "folder:/home", "epochs": 100_000, "experiment": "paper", "size": "full"}
    Limits().check(asks | {"parameters": 10**9, "upload_bytes": 10**12})


@pytest.mark.parametrize(
    ("asks", "words"),
    [
        ({"epochs": 1001}, "1,000 epochs at most"),
        ({"epochs": 1, "teacher_epochs": 1001}, "1,000 epochs at most"),
        ({"parameters": 12_000_001}, "12,000,000 parameters"),
        ({"upload_bytes": 5_000_001}, "files of 5,000,000 bytes at most"),
        ({"dataset": "folder:/etc"}, "choose digits or mnist"),
        ({"dataset": "digits:"}, "choose digits or mnist"),
        ({"datasets": ("digits", "folder:/etc")}, "choose digits or mnist"),
        ({"experiment": "paper", "size": "full"}, "choose Quick"),
        ({"experiment": "paper"}, "choose Quick"),
    ],
)
def test_the_public_limits(asks: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words) as refused:
        Limits.public().check(asks)
    assert str(refused.value).count(".") == 1
    Limits().check(asks)
    # A number at its limit is allowed.
    Limits.public().check({key: value - 1 for key, value in asks.items() if isinstance(value, int)})


def test_what_pages_suggest_is_allowed_in_public() -> None:
    limits = Limits.public()
    limits.check({"experiment": "paper", "size": "quick"})
    for name in limits.datasets:
        spec = Spec.suggested(name)
        limits.check({"dataset": name, "epochs": spec.epochs, "teacher_epochs": spec.teacher_epochs})


def test_all_data_sets_without_an_argument_are_public() -> None:
    names = [name for entry in DATASETS.values() if entry.shipped for name in entry.examples if ":" not in name]
    assert Limits.public().datasets == tuple(names)


def test_no_experiments() -> None:
    with pytest.raises(InputError, match="no experiments"):
        Limits(experiments="none").check({"experiment": "paper", "size": "quick"})


def test_file_over_public_and_environment_over_file(tmp_path: Path) -> None:
    file = written(tmp_path, 'epochs = 5\nseconds = 1_0\ndatasets = ["digits"]\n')
    environment = {"KDLAB_LIMIT_EPOCHS": "7", "KDLAB_LIMIT_DATASETS": "digits, mnist", "KDLAB_DATA": "/"}
    limits = Limits.read(file, public=True, environment=environment)
    assert (limits.epochs, limits.seconds, limits.datasets) == (7, 10, ("digits", "mnist"))
    assert limits.visitors == Limits.public().visitors
    assert Limits.read(None, public=False, environment={"KDLAB_LIMITS": str(file)}) == Limits(
        epochs=5, seconds=10, datasets=("digits",)
    )
    assert Limits.read(None, public=False, environment={}) == Limits()


@pytest.mark.parametrize("limits", [Limits(), Limits.public(), Limits(datasets=("digits",), experiments="none")])
def test_another_process_reads_the_same(limits: Limits) -> None:
    assert Limits.read(None, public=False, environment=limits.environment()) == limits


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("epoch = 5", "epochs"),
        ("[epochs]", "whole number"),
        ("epochs = true", "whole number"),
        ('epochs = "5"', "whole number"),
        ("epochs = 5.0", "whole number"),
        ("epochs = -1", "from 0 to"),
        ("idle_seconds = 1", "from 10 to"),
        ('datasets = "digits"', "list of names"),
        ("datasets = [1]", "list of names"),
        ('experiments = "some"', "none, quick, all"),
        ("experiments = 1", "none, quick, all"),
        ("epochs = ", "no TOML"),
        ("epochs = 1\nepochs = 2", "no TOML"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, words: str) -> None:
    assert words in refusal(written(tmp_path, text))


def test_unreadable_files(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "none.toml")
    assert "directory" in refusal(tmp_path)
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    assert "no text" in refusal(tmp_path / "bytes.toml")


def test_bad_environment() -> None:
    assert "KDLAB_LIMIT_EPOCH;" in refusal(None, {"KDLAB_LIMIT_EPOCH": "5"})
    assert "from 0 to" in refusal(None, {"KDLAB_LIMIT_EPOCHS": "many"})
    assert "No such file" in refusal(None, {"KDLAB_LIMITS": "/nowhere/limits.toml"})


def test_every_limit_is_explained() -> None:
    assert all(definition["help"] for definition in DEFINITIONS.values())
    assert Limits.public().sentence("visitors").startswith("This site shows 50 pages at once")


def test_the_example_file_says_what_public_is() -> None:
    assert make_limits.FILE.read_text(encoding="utf-8") == make_limits.text()
    assert Limits.read(make_limits.FILE, public=False, environment={}) == Limits.public()


@pytest.mark.usefixtures("own_server")
def test_a_desk_without_a_server_keeps_to_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[RunMessage] = []
    page = client.RunClient(heard.append)
    monkeypatch.setenv("KDLAB_LIMIT_EPOCHS", "many")
    with pytest.raises(InputError, match="from 0 to"):
        page.start(request(epochs=1))
    monkeypatch.setenv("KDLAB_LIMIT_EPOCHS", "3")
    with pytest.raises(InputError, match="3 epochs at most"):
        page.start(request(epochs=4))
    assert heard == []


@pytest.mark.usefixtures("own_server")
def test_wrong_limits_are_said_on_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    async def shown() -> str:
        page = Runs()
        page._refresh()
        page._draw()
        page.close()
        return str(page._list.content["trouble"])

    monkeypatch.setenv("KDLAB_LIMIT_EPOCH", "3")
    assert asyncio.run(shown()).startswith("There is no limit for the variable KDLAB_LIMIT_EPOCH; limits: seconds,")
