"""A thousand bad inputs and uploads, made from seeds: each gets one clear sentence, and what was asked goes on working.

Some of what is made at random happens to be good, and is taken; what is refused is counted.
"""

import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import quote

import hostile
import pytest
import torch
from refusals import check_readable
from traitlets import TraitError

from kdlab import models
from kdlab.augmentations import make_views
from kdlab.io import read_logits, read_weights, sanitize_text
from kdlab.pages import Temperature
from kdlab.pages.distil.state import DistilState
from kdlab.pages.experiments.state import ExperimentState
from kdlab.pages.url_state import read_settings, read_spec
from kdlab.registry import AUGMENTATIONS, DATASETS, EXPERIMENTS, LOSSES, MODELS, TEACHER_VIEWS, InputError
from kdlab.runs.limits import Limits
from kdlab.runs.protocol import ENDS, EventBatch, RunRequest, Status
from kdlab.runs.store import RunStore
from kdlab.runs.worker import Start
from kdlab.runs.worker_process import WorkerProcess
from kdlab.train.events import Done, Step
from kdlab.train.spec import Spec
from kdlab.widgets.header import parse_url_hash as read_address
from kdlab.widgets.run_panel import RunPanel

LIMIT = 8_000_000
BOMBS = """
import resource, time
import hostile
from kdlab.io import read_logits, read_weights
from kdlab.registry import InputError

READ = {"npz": read_logits, "csv": read_logits, "weights": read_weights}
most = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
files = list(hostile.bombs())
before = most()
for kind, content in files:
    began = time.process_time()
    try:
        READ[kind]("bomb", content, 16_000_000)
    except InputError as error:
        print(error)
    assert time.process_time() - began < 2, kind
print(most() - before)
"""
ODD_ACTIONS = ["close", "attach", "__init__", "_leave", "send", "visitor", "", "a" * 10_000, "\u202estop"]
SLOW = 1.0  # seconds of this process, however busy the machine is


def check(sentence: str) -> None:
    """Fail unless this is one short sentence that a visitor may read."""
    assert 10 < len(sentence) < 300, (len(sentence), sentence[:400])
    check_readable(sentence)


def is_refused(act: Callable[..., Any], *arguments: Any, **options: Any) -> bool:
    """Whether `act` refused with a sentence, soon; other exceptions are crashes."""
    began = time.process_time()
    try:
        act(*arguments, **options)
    except InputError as error:
        check(str(error))
        return True
    finally:
        assert time.process_time() - began < SLOW
    return False


# --- specs and settings -----------------------------------------------------------------------------------------------


def test_specs() -> None:
    keys = [item.name for item in fields(Spec)]
    count = 0
    for seed in range(200):
        rng = random.Random(seed)
        given = {key: hostile.value(rng) for key in rng.sample(keys, rng.choice((1, 1, 2, 20)) % len(keys) or 1)}
        if rng.random() < 0.3:
            given["knobs"] = {hostile.name(rng) if rng.random() < 0.5 else "temperature": hostile.value(rng)}
        count += is_refused(Spec, **given)
    assert count > 150
    assert Spec().dataset == "digits"


def test_specs_as_text() -> None:
    text = Spec().to_json().encode()
    damaged = [hostile.mutated(random.Random(seed), text) for seed in range(50)]
    nested = [b"[" * 100_000, b'{"dataset": ' * 5_000, b"null", b"[]", b"1", b'"x"', b'{"seed": 1e999}', b"{}" * 2]
    count = sum(is_refused(Spec.from_json, one.decode(errors="replace")) for one in [*damaged, *nested])
    assert count > 30
    assert Spec.from_json(text.decode()) == Spec()


def test_names_of_networks_and_augmentations() -> None:
    models.build("mobilenet_v3_small", (1, 8, 8), 10)  # imports torchvision, which takes its time
    count = 0
    images = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    for seed in range(150):
        name = hostile.name(random.Random(seed))
        with torch.device("meta"):  # a large network costs nothing
            count += is_refused(models.build, name, (1, 8, 8), 10)
        count += is_refused(make_views, name, images)
    assert count > 250
    assert models.build("mlp:4x1", (1, 8, 8), 10)


def test_settings_of_experiments() -> None:
    count = 0
    for seed in range(150):
        rng = random.Random(seed)
        kind = EXPERIMENTS[rng.choice(list(EXPERIMENTS))].build
        setting = hostile.name(rng) if rng.random() < 0.1 else rng.choice([item.name for item in fields(kind)])
        count += is_refused(kind.of_size, True, **{setting: hostile.value(rng)})
    assert count > 80
    assert all(entry.build.of_size(True) for entry in EXPERIMENTS.values())


def test_choices_on_the_pages() -> None:
    registries = {
        "dataset": DATASETS, "teacher": MODELS, "student": MODELS, "loss": LOSSES, "teaching": TEACHER_VIEWS,
        "augmentation": AUGMENTATIONS,
    }  # fmt: skip
    distil = DistilState(Spec())
    experiment = ExperimentState(EXPERIMENTS["mnist"].build)
    count = 0
    for seed in range(100):
        rng = random.Random(seed)
        key = rng.choice(list(registries))
        for state, ask in ((distil, distil.spec), (experiment, experiment.experiment)):
            if not state.has_trait(key) or (key == "loss" and state is distil):
                continue  # a menu, of which nothing else can be chosen
            good = getattr(state, key)
            setattr(state, key, hostile.name(rng))
            count += is_refused(ask)
            setattr(state, key, good)
    assert count > 60
    assert distil.spec() == Spec()
    assert experiment.experiment()


# --- addresses --------------------------------------------------------------------------------------------------------


def test_addresses() -> None:
    kind = EXPERIMENTS["mnist"].build
    keys = [
        *Spec.names(),
        *Spec.run_knobs(),
        *(item.name for item in fields(kind)),
        "temperature",
        "size",
        "run",
        "data",
    ]
    count = 0
    for seed in range(200):
        rng = random.Random(seed)
        parts = []
        for _ in range(rng.randrange(1, 4)):
            key = rng.choice(keys) if rng.random() < 0.8 else hostile.name(rng)
            text = hostile.name(rng).encode(errors="replace")
            parts.append(f"{key}={quote(text)}" if rng.random() < 0.8 else f"{key}={text.decode()}%FF")
        said = read_address("&".join(parts))
        spec, complaints = read_spec(said.choices, Spec())
        _, settings, more = read_settings(said.choices, kind)
        for sentence in [*said.complaints, *complaints, *more]:
            check(sentence)
            count += 1
        assert kind.of_size(True, **settings)
        assert read_spec({}, spec)[0] == spec
    assert count > 300
    assert read_spec(read_address("seed=7").choices, Spec())[0].seed == 7


# --- limits, runs, names ----------------------------------------------------------------------------------------------


def test_limits(tmp_path: Path) -> None:
    file = tmp_path / "limits.toml"
    text = 'epochs = 10\nseconds = 60\ndatasets = ["digits"]\nexperiments = "quick"\n'
    keys = [item.name for item in fields(Limits)]
    count = 0
    for seed in range(60):
        rng = random.Random(seed)
        if rng.random() < 0.5:
            content = hostile.mutated(rng, text.encode())
        else:
            content = f"{rng.choice(keys)} = {json.dumps(hostile.name(rng))}".encode(errors="replace")
        file.write_bytes(content)
        try:
            Limits.read(file, False, {})
        except InputError as error:
            # It is the operator who reads these, and needs the file's name.
            check(str(error).replace(str(file), "limits.toml"))
            count += 1
        count += is_refused(Limits.read, None, True, {f"KDLAB_LIMIT_{rng.choice(keys).upper()}": hostile.name(rng)})
    assert count > 60
    file.write_text(text)
    assert Limits.read(file, False, {}).epochs == 10


def test_ids_of_runs(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "store")
    secret = tmp_path / "secret.txt"
    secret.write_text("mine")
    begin = {"visitor": "v", "kind": "distil", "label": "x", "page": "distil", "config": {}}
    odd = ["..", ".", "/", "../secret.txt", "a/b", "a\0", "\u202e", "a" * 65, "-" * 65, "", "CON\n", "%2e%2e", "a b"]
    for run in [*odd, *(hostile.name(random.Random(seed)) for seed in range(40))]:
        if run.isascii() and run.isalnum() and len(run) <= 64:
            continue
        assert is_refused(store.create, run, **begin)
        is_refused(store.files, run, "result")
        is_refused(store.delete, run)
        assert is_refused(store.put, run, "result", {"a": b"x"})
    for name in odd[:10]:
        assert is_refused(store.put, "good", "result", {name: b"x"})
    assert [path.name for path in tmp_path.iterdir() if path.name != "store"] == ["secret.txt"]
    store.create("good", **begin)
    store.put("good", "result", {"a.bin": b"x"})
    assert store.files("good", "result") == {"a.bin": b"x"}


def test_names_are_shown_as_one_harmless_line() -> None:
    for seed in range(100):
        name = hostile.name(random.Random(seed))
        shown = sanitize_text(name)
        assert len(shown) <= 60
        assert shown.isprintable()
        assert shown == sanitize_text(shown)
    assert sanitize_text("Katze  \n\u202eund\0 Hund") == "Katze und Hund"
    assert sanitize_text("<b>é漢</b>") == "<b>é漢</b>"


# --- uploads ----------------------------------------------------------------------------------------------------------


def open_upload(kind: str, name: str, content: bytes) -> Any:
    if kind == "weights":
        return read_weights(name, content, LIMIT).load_into("mlp:4x1", (1, 8, 8), 10)
    return read_logits(name, content, LIMIT)


@pytest.mark.parametrize("kind", list(hostile.UPLOADS))
def test_uploads(kind: str) -> None:
    good, odd = hostile.UPLOADS[kind]
    whole = good()
    count = 0
    for seed in range(110):
        rng = random.Random(f"{kind} {seed}")
        content = odd(rng) if seed % 2 else hostile.mutated(rng, whole)
        name = rng.choice([f"a.{kind}", "../../x.npz", hostile.name(rng)])
        count += is_refused(open_upload, kind, name, content)
    assert count > 60
    assert open_upload(kind, "good", whole) is not None


@pytest.mark.process
def test_bombs_cost_nothing() -> None:
    # In a process of its own, because the most that a process ever had does not fall again.
    done = subprocess.run(
        [sys.executable, "-c", BOMBS], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent, check=True
    )
    *sentences, grown = done.stdout.splitlines()
    assert len(sentences) == len(list(hostile.bombs()))
    for sentence in sentences:
        check(sentence)
    assert int(grown) < 150, f"{grown} MB"


# --- messages to the widgets ------------------------------------------------------------------------------------------


class Page:
    """A lab whose comm is closed: what it would send is kept."""

    def __init__(self) -> None:
        self.lab = Temperature(upload_bytes=100_000)
        self.answers: list[dict[str, Any]] = []
        self.lab.send = lambda content, buffers=None: self.answers.append(content["answer"])

    def hear(self, content: Any, buffers: list[bytes]) -> dict[str, Any]:
        self.lab._handle_msg({"content": {"data": {"method": "custom", "content": content}}, "buffers": buffers})
        (answer,) = self.answers
        self.answers.clear()
        return answer

    def upload(self, name: str, content: bytes, piece: int = 40_000) -> dict[str, Any]:
        answer: dict[str, Any] = {}
        for at in range(0, len(content), piece):
            about = {"type": "file", "id": "1", "file": "f", "name": name, "size": len(content), "at": at}
            answer = self.hear(about, [content[at : at + piece]])
        return answer


def test_questions_to_the_lab() -> None:
    page = Page()
    kinds = ["pictures", "export", "set", "teachers", "file", "", None, [], {}, 5, "__init__", "a" * 10_000]
    keys = ["dataset", "indices", "file", "name", "size", "at", "temperature", "buffers"]
    count = 0
    for seed in range(200):
        rng = random.Random(seed)
        content: Any = {"type": rng.choice(kinds), "id": "1"}
        content |= {key: hostile.value(rng) for key in rng.sample(keys, rng.randrange(len(keys)))}
        if rng.random() < 0.3:
            content |= {
                "dataset": "digits",
                "indices": rng.choice([[-1], [10**9], [True], [0.0], ["0"], [[0]], "0", None]),
            }
        if rng.random() < 0.1:
            content = rng.choice([None, [], "x", 5, {}, {"type": "set"}])
        answer = page.hear(content, rng.choice([[], [b""], [b"x" * 99]]))
        if "error" in answer:
            check(answer["error"])
            count += 1
    assert count > 150
    assert page.hear({"type": "set", "id": "1", "dataset": "mnist"}, [])["roles"]


def test_files_sent_to_the_lab() -> None:
    page = Page()
    good = hostile.good_npz()
    for seed in range(40):
        rng = random.Random(seed)
        size, at = rng.choice([(0, 0), (-1, 0), (10**12, 0), (50, 10), (50, -1), (10, 0), (50, 10**20), (99, 0)])
        about = {
            "type": "file",
            "id": "1",
            "file": hostile.name(rng),
            "name": hostile.name(rng),
            "size": size,
            "at": at,
        }
        answer = page.hear(about, [rng.choice([b"", b"x" * 20, b"PK" + bytes(18)])])
        if answer != {"dataset": ""}:  # the beginning of a file that goes on
            check(answer["error"])
        answer = page.upload("a.npz", hostile.mutated(rng, good), 700)
        if "error" in answer:
            check(answer["error"])
    while "error" not in (answer := page.upload("Good one.npz", good, 700)):
        assert answer["dataset"].startswith("good-one")
    assert answer["error"] == "This page holds 4 files already: load it anew to open another."
    assert page.hear({"type": "set", "id": "1", "dataset": page.lab.sets[-1]["key"]}, [])["classes"] == ("a", "b", "c")


def test_the_operator_limits_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDLAB_LIMIT_UPLOAD_BYTES", "500")
    lab = Temperature()
    assert lab.upload_bytes == 500
    answers: list[Any] = []
    lab.send = lambda content, buffers=None: answers.append(content["answer"])
    about = {"type": "file", "id": "1", "file": "f", "name": "a.npz", "size": 501, "at": 0}
    # What the browser makes of the trait changes nothing.
    lab._handle_msg({"content": {"data": {"method": "update", "state": {"upload_bytes": 10**12}}}, "buffers": []})
    lab._handle_msg({"content": {"data": {"method": "custom", "content": about}}, "buffers": [bytes(501)]})
    assert answers == [
        {"error": "a.npz has 501 bytes, and 500 are the most that can be opened here: choose a smaller file."}
    ]


def test_traits_set_from_the_browser() -> None:
    lab = Temperature()
    names = ["temperature", "dataset", "example", "scale", "exponent", "source", "own", "cell"]
    before = {name: getattr(lab, name) for name in names}
    for seed in range(100):
        rng = random.Random(seed)
        state = {name: hostile.value(rng) for name in rng.sample(names, rng.randrange(1, 4))}
        try:  # as ipywidgets is called, which keeps the page as it was and tells the kernel's log
            lab._handle_msg({"content": {"data": {"method": "update", "state": state}}, "buffers": []})
        except TraitError:
            pass
        else:
            assert set(state) - set(names) == set()
    lab._handle_msg({"content": {"data": {"method": "update", "state": before}}, "buffers": []})
    assert {name: getattr(lab, name) for name in names} == before
    assert "<html" in lab.page()


def test_buttons_that_are_none() -> None:
    pressed: list[str] = []
    panel = RunPanel(pressed.append)
    for content in [None, [], "stop", {}, {"type": None}, {"type": []}, *({"type": name} for name in ODD_ACTIONS)]:
        panel._handle_msg({"content": {"data": {"method": "custom", "content": content}}, "buffers": []})
    assert pressed == []
    panel._handle_msg({"content": {"data": {"method": "custom", "content": {"type": "stop"}}}, "buffers": []})
    assert pressed == ["stop"]


# --- a worker ---------------------------------------------------------------------------------------------------------


@pytest.mark.process
def test_a_worker_survives() -> None:
    messages: list[Any] = []
    ended = threading.Event()

    def hear(message: Any) -> None:
        messages.append(message)
        if isinstance(message, Status) and message.state in ENDS:
            ended.set()

    def run(spec: Spec) -> Status:
        messages.clear()
        ended.clear()
        # Not `distill_request`, which would refuse some names before a worker sees them.
        request = RunRequest(
            "distil", "kdlab.distillation.job:run_distill_job", (spec,), "kdlab.train.history:History", Step, "", ""
        )
        worker.start(Start(request, Limits(), None, False), hear)
        assert ended.wait(60)
        return messages[-1]

    worker = WorkerProcess(lambda _: None)
    small = {"epochs": 1, "teacher_epochs": 1, "transfer_size": 100, "teacher": "mlp:4x1", "student": "mlp:4x1"}
    try:
        assert run(Spec(**small)).state == "done"
        process = worker._process
        bad = {
            "teacher": [*(one for one in hostile.NAMES if one.startswith(("mlp:", "cnn:", "resnet18:w")))],
            "dataset": ["folder:", "folder:/nowhere", "folder:\0", "folder:" + "a" * 5_000, "digits:5"],
            "transfer_size": [10_000_000],
        }
        states = []
        for key, values in bad.items():
            for value in values:
                try:
                    spec = Spec(**{**small, key: value})
                except InputError as error:
                    check(str(error))
                    continue
                status = run(spec)
                states.append(status.state)
                if status.state == "failed":
                    assert status.kind in ("InputError", "UnknownNameError"), (key, ascii(value)[:80], status)
                    check(status.message)
        assert states.count("failed") > 15
        assert run(Spec(**small)).state == "done"
        events = [event for message in messages if isinstance(message, EventBatch) for event in message.events]
        assert any(isinstance(event, Done) for event in events)
        assert worker._process is process
        assert process.is_alive()
    finally:
        worker.close()
