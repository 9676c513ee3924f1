"""Choices and runs in a page's address without a browser: what was chosen comes back, and what is bad is said."""

import asyncio
import random
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import pytest
from distil_page import on_page
from shared_workers import SharedWorkers

from kdlab.distillation import request
from kdlab.pages import Distil, Experiments
from kdlab.pages.url_state import read_settings, read_sliders, read_spec, write_settings, write_sliders, write_spec
from kdlab.paths import runs_folder
from kdlab.registry import EXPERIMENTS
from kdlab.runs import client
from kdlab.runs.limits import Limits
from kdlab.runs.protocol import EventBatch, RunRequest, RunSnapshot
from kdlab.runs.server import RunServer
from kdlab.runs.store import RunStore
from kdlab.train.history import History
from kdlab.train.spec import Spec
from kdlab.widgets.header import UrlState, parse_url_hash

pytestmark = pytest.mark.usefixtures("own_server")

ANNA, BEN = "a" * 32, "b" * 32
OPENING = Spec(dataset="digits", transfer_size=200, epochs=1000, batch_size=20, precision="float32")
SMALL = "teacher=mlp:16x1&student=mlp:8x1&teacher_epochs=1"


def flat(spec: Spec) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in (*Spec.names(), *Spec.run_knobs())} | dict(spec.knobs)


# --- the text after "#" -----------------------------------------------------------------------------------------------


def test_parts_are_read_and_those_of_others_left_alone() -> None:
    said = parse_url_hash("epochs=5&student=mlp%3A8x1&Heading&dataset=folder:/a=b&epochs=6&run=aZ09_-x")
    assert said == UrlState({"epochs": "6", "student": "mlp:8x1", "dataset": "folder:/a=b"}, "aZ09_-x")
    assert parse_url_hash("") == UrlState()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("epochs=%E0%A4&seed=3", "part 'epochs=%E0%A4' cannot be read"),
        ("%FF=1&seed=3", "part '%FF=1' cannot be read"),
        ("run=../../etc/passwd&seed=3", "names a run as none is named"),
        ("run=<script>&seed=3", "names a run as none is named"),
        (f"run={'a' * 65}&seed=3", "names a run as none is named"),
    ],
)
def test_a_part_that_cannot_be_read_is_said_and_the_rest_is_taken(text: str, sentence: str) -> None:
    said = parse_url_hash(text)
    assert (said.choices, said.run) == ({"seed": "3"}, "")
    assert [sentence in complaint for complaint in said.complaints] == [True]


def test_a_long_address_is_not_read() -> None:
    said = parse_url_hash(f"seed=3&student={'x' * 5000}")
    assert said == UrlState(complaints=("The part of the address after # is too long to be read.",))


# --- choices of a run -------------------------------------------------------------------------------------------------


def test_only_what_differs_is_written() -> None:
    assert write_spec(flat(OPENING), OPENING) == {}
    assert write_spec(flat(Spec.suggested("mnist")), OPENING) == {"dataset": "mnist"}
    changed = flat(OPENING.replace(epochs=7, learning_rate=0.025, knobs={"temperature": 12.5, "t_squared": False}))
    assert write_spec(changed, OPENING) == {
        "epochs": "7", "learning_rate": "0.025", "temperature": "12.5", "t_squared": "0",
    }  # fmt: skip


@pytest.mark.parametrize("dataset", ["digits", "mnist", "cifar10", "spoken-digits", "folder:/some where/pictures"])
def test_what_was_written_comes_back(dataset: str) -> None:
    draw = random.Random(0)
    for _ in range(20):
        spec = Spec.suggested(dataset, knobs={"temperature": draw.uniform(1, 20), "t_squared": draw.random() < 0.5})
        spec = spec.replace(
            student=draw.choice(["mlp:100x2", "cnn:width=8"]), teaching=draw.choice(["fixed", "consistent"]),
            augmentation=draw.choice(["none", "shift:pixels=2"]), seed=draw.randrange(2**31),
            learning_rate=10 ** draw.uniform(-6, 0), transfer_size=draw.randrange(5000), epochs=draw.randint(1, 99),
        )  # fmt: skip
        texts = write_spec(flat(spec), OPENING)
        assert read_spec(texts, OPENING) == (spec, [])
        assert read_spec(dict(reversed(texts.items())), OPENING) == (spec, [])  # in whatever order


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("epochs", "banana"), ("epochs", "0"), ("epochs", "1e99"), ("epochs", "-5"), ("epochs", "2.5"), ("epochs", ""),
        ("learning_rate", "nan"), ("learning_rate", "inf"), ("seed", "9" * 900), ("temperature", "-1"),
        ("temperature", "1e400"), ("t_squared", "maybe"), ("dataset", "nope"), ("dataset", ""), ("student", "mpl:3x1"),
        ("loss", "hint"), ("teaching", "fixed:x=1"), ("augmentation", "shift:pixels=999"), ("schedule", "moon"),
        ("student", "<img src=x onerror=alert(1)>"), ("student", "m" * 2000), ("__proto__", "1"), ("__class__", "1"),
        ("constructor", "x"), ("spec", "1"), ("chosen", "3"), ("take", "1"), ("a" * 300, "1"), ("", "1"),
    ],
)  # fmt: skip
def test_a_bad_choice_is_one_sentence_and_the_others_are_taken(key: str, text: str) -> None:
    spec, complaints = read_spec({key: text, "batch_size": "64"}, OPENING)
    assert spec == OPENING.replace(batch_size=64)
    assert len(complaints) == 1
    assert len(complaints[0]) < 600
    assert "cannot be used" in complaints[0] or "no choice" in complaints[0] or "too long" in complaints[0]


def test_what_cannot_be_used_is_not_written() -> None:
    assert write_spec(flat(OPENING) | {"dataset": "", "student": "mpl:3x1", "seed": 4}, OPENING) == {"seed": "4"}


# --- choices of an experiment -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(EXPERIMENTS))
@pytest.mark.parametrize("quick", [True, False])
def test_an_experiments_settings_come_back(name: str, quick: bool) -> None:
    kind = EXPERIMENTS[name].build
    start = asdict(kind.of_size(quick))
    assert write_settings(start, kind, quick) == ({} if quick else {"size": "full"})
    changed = start | {"dataset": "kmnist", "seeds": 7.0}
    texts = write_settings(changed, kind, quick)
    assert read_settings(texts, kind) == (quick, {"dataset": "kmnist", "seeds": 7}, [])
    turned = {knob.key: knob.maximum for knob in kind.sliders}
    assert read_sliders(write_sliders(turned, kind.sliders), kind.sliders) == (turned, [])


@pytest.mark.parametrize("bad", ["size=huge", "seeds=0", "network=mpl:8", "of_size=1", "quick=1", "members=x"])
def test_a_bad_setting_is_one_sentence_and_the_others_are_taken(bad: str) -> None:
    texts = parse_url_hash(f"{bad}&epochs=3").choices
    quick, settings, complaints = read_settings(texts, EXPERIMENTS["ensemble"].build)
    assert (quick, settings, len(complaints)) == (True, {"epochs": 3}, 1)


# --- pages ------------------------------------------------------------------------------------------------------------


async def settle(times: int = 6) -> None:
    """Let pages do what they have posted to their loop, and what followed from that."""
    for _ in range(times):
        await asyncio.sleep(0)


async def until(condition: Callable[[], Any], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


async def come(page: Any, text: str, visitor: str = ANNA, source: str = "edit") -> None:
    """Have the browser say what the address says."""
    message = {"type": "address", "text": text, "source": source, "visitor": visitor}
    page.header._on_message(None, message, [])
    await settle()


def test_the_page_takes_its_address_and_writes_it() -> None:
    async def use(page: Distil) -> None:
        assert (page.header.ready, page.header.choices) == (False, {})
        await come(page, "dataset=mnist&epochs=7&temperature=9&seed=x")
        assert (page.header.ready, page.header.visitor) == (True, ANNA)
        assert page.state.spec() == Spec.suggested("mnist", epochs=7, knobs={"temperature": 9.0})
        assert page.view._panel.error.startswith(
            "The address's seed cannot be used: Seed (seed) must be a whole number"
        )
        page.view._draw_all()
        assert page.header.choices == {"dataset": "mnist", "epochs": "7", "temperature": "9"}
        page.state.seed = 3
        await settle()
        page.view._draw_all()
        assert page.header.choices["seed"] == "3"
        assert page.view._panel.error == ""
        page.view._act("reset")
        await settle()
        page.view._draw_all()
        assert (page.header.choices, page.header.run) == ({}, "")

    on_page(use)


def test_hostile_addresses_do_nothing_but_a_sentence() -> None:
    draw = random.Random(1)
    keys = [*flat(OPENING), "run", "__proto__", "constructor", "%", "<b>", "", "toString", "\x00", "🦉"]
    texts = ["1", "", "-1", "%", "%E0", "%00", "<script>alert(1)</script>", "../../x", "9" * 5000, "__proto__", "nan"]

    async def use(page: Distil) -> None:
        opening = page.state.spec()
        for _ in range(300):
            parts = [f"{draw.choice(keys)}={draw.choice(texts)}" for _ in range(draw.randint(1, 6))]
            await come(page, draw.choice(["&", "&&", "&x&"]).join(parts))
            page.state.spec()  # which raises for what cannot be run
            assert (page.view._panel.state, page.header.run) == ("idle", "")
            assert page.history.opened.spec == opening
        await come(page, "run=nobody-has-this")
        assert page.view._panel.error.startswith("This run is not here any more")
        assert (page.view._panel.state, page.header.run) == ("idle", "")
        await come(page, "")
        assert page.state.spec() == opening

    on_page(use)


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"type": "address"},
        {"type": "address", "text": 5, "source": "link", "visitor": ANNA},
        {"type": "address", "text": "seed=3", "source": "link"},
        {"type": "address", "text": "seed=3", "source": "link", "visitor": "../x"},
        {"type": "address", "text": "seed=3", "source": "nowhere", "visitor": ANNA},
        {"type": "other", "text": "seed=3", "source": "link", "visitor": ANNA},
    ],
)
def test_messages_that_are_none_are_left_alone(message: dict[str, Any]) -> None:
    async def use(page: Distil) -> None:
        page.header._on_message(None, message, [])
        await settle()
        assert (page.header.ready, page.state.seed) == (False, 0)

    on_page(use)


def test_a_run_outlives_its_page_and_is_found_again() -> None:
    async def use(page: Distil) -> None:
        await come(page, f"{SMALL}&epochs=20&temperature=6")
        page.view._act("start")
        await until(lambda: page.header.run)
        run, texts = page.header.run, dict(page.header.choices)
        page.close()  # as when a page is reloaded: its kernel ends
        again, bare = Distil(), Distil()
        await come(again, "&".join(f"{key}={value}" for key, value in {**texts, "run": run}.items()))
        await come(bare, f"run={run}")
        for other in (again, bare):
            await until(lambda other=other: other.view._panel.state == "done")
            other.view._draw_all()
            assert not other.view._panel.watching
            assert other.history.result is not None
            assert other.history.opened.spec == other.state.spec()
            assert (other.header.run, other.header.choices) == (run, texts)
            assert other.view._panel.status.startswith("Done: ")
        late = Distil()  # when it is known from the store alone
        again.close()
        bare.close()
        await come(late, f"run={run}")
        late.view._draw_all()
        assert (late.view._panel.state, late.history.opened.spec) == ("done", late.state.spec())
        late.close()

    on_page(use)


def test_a_stopped_run_goes_on_from_its_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    def hasty(*, arguments: tuple[Any, ...], **fields: Any) -> RunRequest:
        return RunRequest(arguments=(*arguments, 0.5), **fields)  # seconds between two checkpoints

    monkeypatch.setattr(request, "RunRequest", hasty)

    async def use(page: Distil) -> None:
        await come(page, f"{SMALL}&epochs=9000")
        page.view._act("start")
        await until(lambda: page.header.run)
        run = page.header.run

        def kept() -> bool:
            (row,) = client.the_server().runs()
            return row.resumable

        await until(kept)
        page.view._act("stop")
        await until(lambda: page.view._panel.state == "stopped")
        assert page.view._panel.resumable
        page.view._act("go_on")
        await until(lambda: page.view._panel.state == "running" and page.history.step)
        assert (page.header.run, page.view._panel.resumable) == (run, False)
        begun = page.history.step
        await until(lambda: page.history.step > begun)
        steps = list(page.history.losses["student", "soft"].epochs)
        assert steps == sorted(set(steps))  # none twice
        page.view._act("stop")
        await until(lambda: page.view._panel.state == "stopped")
        # What the server sends where the run has begun again before the page has subscribed again.
        page.state.temperature = 9.0
        page.view._on_message(RunSnapshot(run, page.history, "distil", asdict(page.history.opened.spec), mine=True))
        assert page.state.temperature == page.history.opened.spec.knobs["temperature"] != 9.0

    on_page(use)


@pytest.fixture
def shared_server(
    own_server: None, shared_workers: SharedWorkers, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunServer]:
    """Let pages have their runs at a server that tells visitors apart, and has one run at once."""
    server = RunServer(shared_workers, RunStore(runs_folder()), Limits(runs_at_once=1), shared=True)
    monkeypatch.setattr(client, "the_server", lambda: server)
    yield server
    server.close()


@pytest.mark.usefixtures("shared_server")
def test_a_page_says_its_place_in_the_queue() -> None:
    async def use(page: Distil) -> None:
        await come(page, f"{SMALL}&epochs=5000", ANNA)
        page.view._act("start")
        second, third = Distil(), Distil()
        for other in (second, third):
            await come(other, f"{SMALL}&epochs=3", BEN)
            other.view._act("start")
            await until(lambda other=other: other.view._panel.state == "queued")
            other.view._draw_all()
        assert "next" in second.view._panel.status
        assert "one run is before" in third.view._panel.status
        second.view._act("stop")
        await until(lambda: second.view._panel.state == "stopped")
        await until(lambda: "next" in third.view._panel.status)
        assert not second.view._panel.resumable
        page.view._act("reset")
        await until(lambda: third.view._panel.state == "done", 120)
        for other in (second, third):
            other.close()

    on_page(use)


@pytest.mark.usefixtures("shared_server")
def test_another_persons_run_is_for_looking_at() -> None:
    async def use(page: Distil) -> None:
        await come(page, f"{SMALL}&epochs=5000", ANNA)
        page.view._act("start")
        await until(lambda: page.view._panel.state == "running")
        await until(lambda: page.view._run_history.step)
        guest = Distil()
        await come(guest, f"run={page.header.run}", BEN)
        await until(lambda: guest.view._panel.state == "running")
        guest.view._draw_all()
        assert guest.view._panel.watching
        assert guest.view._panel.status.startswith("Another person's run, to look at. ")
        guest.state.temperature = 17.0
        for action in ("pause", "stop"):
            guest.view._act(action)
        await settle()
        guest.view._draw_all()
        heard = page.view._run_history.step
        await until(lambda: page.view._run_history.step > heard + 20)
        assert page.view._run_history.param_changes == []
        guest.view._act("reset")
        await settle()
        assert (guest.view._panel.state, guest.view._panel.watching, guest.header.run) == ("idle", False, "")
        assert page.view._panel.state == "running"
        guest.close()
        page.view._act("stop")
        await until(lambda: page.view._panel.state == "stopped")

    on_page(use)


def test_a_run_of_another_page_is_said() -> None:
    async def use(page: Distil) -> None:
        await come(page, f"{SMALL}&epochs=1")
        page.view._act("start")
        await until(lambda: page.view._panel.state == "done")
        other = Experiments("ensemble", "mnist")
        await come(other, f"run={page.header.run}&experiment=mnist")
        shown = other.shown["mnist"]
        assert shown._panel.error.startswith("The run that the address names is not of this page")
        assert (shown._panel.state, shown.run) == ("idle", "")
        other.close()

    on_page(use)


def test_an_experiments_page_takes_its_address_and_writes_it() -> None:
    async def use() -> None:
        page = Experiments("three-percent", "missing-class")
        await come(page, "experiment=missing-class&size=full&seeds=2&experiments=9")
        shown = page.shown["missing-class"]
        assert page._tabs.value == "missing-class"
        assert shown.state.experiment() == shown.entry.build.of_size(False, seeds=2)
        assert shown.size.value == "full"
        assert "no choice 'experiments'" in shown._panel.error
        shown._draw_all()
        assert page.header.choices == {"experiment": "missing-class", "size": "full", "seeds": "2"}
        page._tabs.value = "three-percent"
        await until(lambda: page.header.choices == {})
        await come(page, "experiment=moon")
        assert page._tabs.value == "three-percent"
        assert "no experiment 'moon'" in page.shown["three-percent"]._panel.error
        page.close()

    asyncio.run(use())


# --- what the kernel holds wins ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "run=nobody-has-this", "epochs=5", "experiment=ensemble&run=nobody-has-this"])
def test_choices_from_code_stay_when_a_browser_remembers_another_page(text: str) -> None:
    async def use(page: Distil) -> None:
        page.state.epochs = 300
        await come(page, text, source="memory")
        assert (page.state.epochs, page.view._panel.error) == (300, "")
        # A second view, as after a reload, changes nothing either; a person who changes the address does.
        await come(page, "epochs=7", source="reload")
        assert page.state.epochs == 300
        await come(page, "epochs=7", source="edit")
        assert page.state.epochs == 7

    on_page(use)


def test_a_link_keeps_the_choices_from_code_that_it_leaves_out() -> None:
    async def use(page: Distil) -> None:
        page.state.epochs = 300
        await come(page, "seed=4", source="link")
        assert (page.state.epochs, page.state.seed) == (300, 4)

    on_page(use)


def test_a_run_that_the_browser_remembers_is_shown_again_with_its_settings() -> None:
    async def use(page: Distil) -> None:
        await come(page, f"{SMALL}&epochs=2&temperature=6")
        page.view._act("start")
        await until(lambda: page.view._panel.state == "done")
        again = Distil()  # in the cell that was run again
        await come(again, f"run={page.header.run}&temperature=9", source="memory")
        await until(lambda: again.view._panel.state == "done")
        assert (again.header.run, again.state.temperature) == (page.header.run, 6)
        again.close()

    on_page(use)


def test_a_tab_that_is_none_makes_no_views() -> None:
    async def use() -> None:
        page = Experiments("mnist", "early-stopping")
        before = len(page.children)
        for value in ("mnist:seeds=2", "moon", ""):
            page._tabs.value = value
            page._show_tab()
        assert (len(page.children), list(page.shown)) == (before, ["mnist"])
        page.close()

    asyncio.run(use())


def test_a_pale_matrix_is_of_the_run_before_and_not_to_be_clicked() -> None:
    async def use(page: Distil) -> None:
        results = page.view.results
        shown = results.canvases["student"].figure["layout"]["title"]["text"]
        page.view._on_message(RunSnapshot("run", History(), "distil", {}, mine=True))
        page.view._on_message(EventBatch((page.view._opening.opened,)))
        page.view._draw_all()
        canvas = results.canvases["student"]
        title = canvas.figure["layout"]["title"]["text"]
        assert ("kd-pale" in canvas._dom_classes, title) == (True, f"{shown} (run before)")
        results._click("student", {"x": 1, "y": 1})
        assert page.state.cell is None
        assert page.view._panel.error == ""

    on_page(use)
