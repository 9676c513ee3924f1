"""The page "Your runs" on a real desk and a real store, without a browser."""

import asyncio
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Awaitable, Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from kdlab.figures.overlay import RUN_COLOURS, Overlaid, overlaid_errors
from kdlab.pages import Runs
from kdlab.pages.runs import compare, view
from kdlab.pages.runs.page import CHUNK_BYTES
from kdlab.pages.runs.state import MAX_CHOSEN, RunsState
from kdlab.pages.runs.widgets import RunList
from kdlab.runs.executors.local import LocalExecutor
from kdlab.runs.server import RunServer
from kdlab.runs.store import RunStore
from kdlab.train.history import History
from kdlab.train.spec import Spec

ME, YOU = "0" * 32, "1" * 32
KEPT = {path.name: path.read_bytes() for path in (files("kdlab.assets") / "opening").iterdir() if path.is_file()}
OPENING = History.of(KEPT)


class Keeper:
    """A desk, and the store behind it, in which runs of several visitors can be put."""

    def __init__(self, folder: Path) -> None:
        self.store = RunStore(folder)
        self.server = RunServer(LocalExecutor(), self.store, shared=True)

    def add(
        self, run: str, visitor: str = ME, state: Any = "done", part: str = "result", said: Any = None, **knobs: float
    ) -> None:
        """`said`: what its summary says besides."""
        about = json.loads(OPENING.opened.spec.replace(knobs={**OPENING.opened.spec.knobs, **knobs}).to_json())
        self.store.create(run, visitor=visitor, kind="distil", label=f"digits {run}", page="distil", config=about)
        if state != "queued":
            self.store.put(run, part, KEPT)
            summary = {**OPENING.summary(), "knobs": about["knobs"], **(said or {})}
            self.store.update(run, state=state, summary=summary, seconds=7.3)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Keeper]:
    keeper = Keeper(tmp_path)
    yield keeper
    keeper.server.close()


class Page:
    """The page as a browser with the number `visitor` has it; `address`: what stands after its "#"."""

    def __init__(self, keeper: Keeper) -> None:
        self.page = Runs(keeper.server)
        self.list = self.page._list

    async def open(self, visitor: str = ME, address: str = "") -> "Page":
        message = {"type": "address", "text": address, "source": "edit", "visitor": visitor}
        self.page.header._on_message(None, message, [])
        await self.settle()
        return self

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        self.page._draw()

    async def ask(self, type_: str, **about: Any) -> tuple[dict[str, Any], list[bytes]]:
        """Ask what the browser asks, and return what it is answered."""
        heard: list[tuple[dict[str, Any], list[bytes]]] = []
        self.list.send = lambda message, buffers: heard.append((message["answer"], [bytes(one) for one in buffers]))
        self.list._on_message(None, {"type": type_, "id": "1", **about}, [])
        await self.settle()
        (answer,) = heard
        return answer

    @property
    def runs(self) -> list[str]:
        return [row["run"] for row in self.list.content["rows"]]


@pytest.fixture
def on_page(kept: Keeper) -> Callable[[Callable[[Page], Awaitable[None]]], None]:
    def run(use: Callable[[Page], Awaitable[None]]) -> None:
        async def inside() -> None:
            await use(Page(kept))

        asyncio.run(inside())

    return run


def test_each_visitor_sees_their_own(kept: Keeper, on_page: Any) -> None:
    for run, visitor in (("a", ME), ("b", YOU), ("c", ME)):
        kept.add(run, visitor)

    async def use(page: Page) -> None:
        assert page.list.content["empty"] == "Looking …"
        assert not page.list.content["known"]
        await page.open()
        assert page.runs == ["c", "a"]
        first = page.list.content["rows"][0]
        assert (first["page"], first["stands"], first["going"]) == ("distil.ipynb#run=c", "done", False)
        assert [(one["label"], one["test"], one["validation"]) for one in first["errors"]] == [
            ("Teacher", "11", "6"), ("Baseline", "31", "16"), ("Student", "14", "10"),
        ]  # fmt: skip
        assert first["knobs"] == "T 4, soft 0.9, hard 0.1"

    on_page(use)


def test_nothing_kept_yet(on_page: Any) -> None:
    async def use(page: Page) -> None:
        await page.open()
        assert (page.list.content["empty"], page.list.content["known"]) == ("Nothing is kept yet.", True)
        assert page.page._compared.content == {}

    on_page(use)


def test_a_record_from_before_the_splits_were_apart_names_no_total(kept: Keeper, on_page: Any) -> None:
    """Its `examples` are those of the test set, of which the validation errors are no share."""
    kept.add("a", said={"errors": {"student": 14}, "examples": 360})
    kept.add("b")

    async def use(page: Page) -> None:
        await page.open()
        page.list.chosen = ["a", "b"]
        await page.settle()
        results = {one["label"]: one["values"] for one in page.page._compared.content["results"]}
        assert results["Student: validation errors"] == ["10", "10 of 143"]

    on_page(use)


def test_each_p_names_its_test(kept: Keeper) -> None:
    kept.add("a")
    kept.add("b", said={"p": 0.031, "paired_test": "sign_flips"})
    kept.add("c", said={"paired_test": "another"})  # as in a record from before tests were named
    rows = {row.run: row for row in kept.store.runs(ME)}
    results = {one["label"]: one["values"] for one in compare.compared([rows[run] for run in "abc"])["results"]}
    assert results["Student against baseline, test: p"] == ["< 0.001 (McNemar)", "0.031 (sign flips)", "< 0.001"]


def test_comparing(kept: Keeper, on_page: Any) -> None:
    kept.add("a")
    kept.add("b", temperature=8.0)

    async def use(page: Page) -> None:
        await page.open()
        page.list.chosen = ["a"]
        await page.settle()
        assert page.list.content["note"].startswith("Tick another run")
        assert page.page._compared.content == {}
        assert page.page._canvas.figure == {}
        page.list.chosen = ["a", "b"]
        await page.settle()
        content = page.page._compared.content
        assert content["differing"] == [{"label": "Temperature T", "values": ["4", "8"]}]
        results = {one["label"]: one["values"] for one in content["results"]}
        assert list(results) == [
            "State", "Teacher: validation errors", "Baseline: validation errors", "Student: validation errors",
            "Teacher: test errors", "Baseline: test errors", "Student: test errors",
            "Student against baseline, test: p", "Took",
        ]  # fmt: skip
        assert results["State"] == ["done"] * 2
        assert results["Student: test errors"] == ["14 of 360"] * 2
        assert results["Student: validation errors"] == ["10 of 143"] * 2
        assert results["Student against baseline, test: p"] == ["< 0.001 (McNemar)"] * 2
        names = [trace["name"] for trace in page.page._canvas.figure["data"]]
        assert names == ["1: Baseline", "1: Student", "2: Baseline", "2: Student"]
        assert page.page.header.choices == {"compare": "a,b"}
        await page.ask("delete", run="a")
        assert (page.list.chosen, page.page._compared.content) == (["b"], {})

    on_page(use)


def test_a_run_that_did_not_come_to_its_end_says_so(kept: Keeper, on_page: Any) -> None:
    kept.add("a")
    kept.add("b", state="stopped", said={"reached": {"phase": "student", "epoch": 3.0, "epochs": 20.0}})
    kept.add("c", state="failed", said={"reached": {"phase": "teacher", "epoch": 0.5, "epochs": 20.0}})
    kept.add("d", state="interrupted", part="checkpoint", said={"reached": None})

    async def use(page: Page) -> None:
        await page.open(address="compare=a,b,c,d")
        content = page.page._compared.content
        assert content["results"][0] == {
            "label": "State",
            "values": ["done", "stopped at epoch 3 of 20", "failed at epoch 0.5 of 20 of the teacher", "interrupted"],
        }
        assert [one["state"] for one in content["columns"]] == ["", "stopped", "failed", "interrupted"]
        assert content["same"] == "They were asked for the same."
        assert content["note"].startswith("One run each: another seed moves these numbers.")
        # What was killed has the curves of its checkpoint.
        names = [trace["name"] for trace in page.page._canvas.figure["data"] if "Student" in trace["name"]]
        assert names == ["1: Student", "2: Student, stopped", "3: Student, failed", "4: Student, interrupted"]

    on_page(use)


def test_of_a_killed_run_that_had_gone_on_the_later_record_is_drawn(kept: Keeper, on_page: Any) -> None:
    kept.add("a")
    kept.add("b", state="interrupted", part="checkpoint")
    earlier = History.of(KEPT)
    for curve in earlier.errors.values():
        del curve.epochs[2:], curve.values[2:]
    kept.store.put("b", "result", earlier.files())

    async def use(page: Page) -> None:
        await page.open(address="compare=a,b")
        first, second = (trace for trace in page.page._canvas.figure["data"] if "Student" in trace["name"])
        assert first["y"] == second["y"]

    on_page(use)


def test_knobs_that_were_turned_are_what_differs(kept: Keeper) -> None:
    def turned(*values: list[float]) -> dict[str, Any]:
        knobs = {**OPENING.opened.spec.knobs, "temperature": values[-1][1]}
        return {"knobs": knobs, "turns": {"temperature": list(values)}}

    kept.add("before", said=turned([0.0, 8.0]))
    kept.add("once", said=turned([10.0, 8.0]))
    kept.add("often", said=turned(*([epoch + 0.5, 8.0 + epoch] for epoch in range(9))))
    kept.add("old", said={key: one for key, one in turned([1.0, 8.0]).items() if key == "knobs"})
    by_name = {row.run: row for row in kept.store.runs(ME)}
    content = compare.compared([by_name[run] for run in ("before", "once", "often", "old")])
    (row,) = content["differing"]
    assert row["values"] == [
        "8", "4 → 8 at epoch 10", "4 → 8 at epoch 0.5 → … → 15 at epoch 7.5 → 16 at epoch 8.5", "4 → 8",
    ]  # fmt: skip
    assert content["same"] == "All else is the same."


def test_large_seeds_are_told_apart(kept: Keeper) -> None:
    for run, seed in (("a", 1_234_567), ("b", 1_234_568)):
        about = json.loads(Spec(seed=seed).to_json())
        kept.store.create(run, visitor=ME, kind="distil", label="", page="distil", config=about)
    content = compare.compared(kept.store.runs(ME))
    assert content["differing"] == [{"label": "Seed", "values": ["1,234,568", "1,234,567"]}]
    assert content["note"] == ""


def test_what_a_teacher_from_a_file_was_not_trained_with_does_not_differ(kept: Keeper) -> None:
    for run, epochs in (("a", 5), ("b", 9)):
        spec = Spec(teacher_weights="0123456789ab", teacher_epochs=epochs, teacher_augmentation="none")
        about = json.loads(spec.to_json())
        kept.store.create(run, visitor=ME, kind="distil", label="", page="distil", config=about)
    assert compare.compared(kept.store.runs(ME))["differing"] == []
    assert "Teacher's augmentation" not in compare._settings(kept.store.info("a"))


def test_what_to_compare_stands_in_the_address(kept: Keeper, on_page: Any) -> None:
    for run, visitor in (("a", ME), ("b", ME), ("c", YOU)):
        kept.add(run, visitor)

    async def use(page: Page) -> None:
        await page.open(address="compare=b,nonsense,c,a,b")
        assert page.list.chosen == ["b", "a"]
        assert [one["run"] for one in page.page._compared.content["columns"]] == ["b", "a"]

    on_page(use)


def test_saving(kept: Keeper, on_page: Any) -> None:
    kept.add("a")
    kept.store.put("a", "checkpoint", {"big.bin": bytes(range(256)) * (CHUNK_BYTES // 100)})
    kept.add("b", state="queued")

    async def use(page: Page) -> None:
        await page.open()
        answer, _ = await page.ask("save", run="a")
        assert answer["name"] == "kdlab-a.zip"
        content = b""
        while len(content) < answer["size"]:
            _, pieces = await page.ask("piece", run="a", at=len(content))
            content += b"".join(pieces)
        assert len(content) > 2 * CHUNK_BYTES
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert archive.testzip() is None
            held = {name: archive.read(name) for name in archive.namelist()}
        assert {name: held[f"result/{name}"] for name in KEPT} == KEPT
        assert len(held["checkpoint/big.bin"]) == 256 * (CHUNK_BYTES // 100)
        assert json.loads(held["run.json"])["summary"]["test"]["student"] == 14
        assert page.page._archive == ("", b"")  # it does not stay in memory
        for wrong in ({"run": "b"}, {"run": "../x"}, {"run": ""}, {"run": 3}, {}):
            answer, pieces = await page.ask("save", **wrong)
            assert answer["error"].endswith((".", "!"))
            assert pieces == []
        for wrong in ({"run": "a", "at": 0}, {"run": "a", "at": -1}, {"run": "", "at": 0}, {"at": "x"}):
            assert "reload the page" in (await page.ask("piece", **wrong))[0]["error"]

    on_page(use)


def test_deleting(kept: Keeper, on_page: Any) -> None:
    kept.add("a")
    kept.add("b", YOU)

    async def use(page: Page) -> None:
        await page.open()
        assert "not among yours" in (await page.ask("delete", run="b"))[0]["error"]
        assert "error" in (await page.ask("delete", run="../x"))[0]
        assert await page.ask("delete", run="a") == ({}, [])
        assert page.runs == []

    on_page(use)
    assert kept.store.info("a") is None
    assert kept.store.info("b") is not None


def test_a_run_that_is_damaged_is_said_and_the_others_stay(kept: Keeper, on_page: Any, tmp_path: Path) -> None:
    for run in "abc":
        kept.add(run)
    path = tmp_path / "files" / "a" / "result.zip"
    path.write_bytes(path.read_bytes()[:1000])

    async def use(page: Page) -> None:
        await page.open(address="compare=a,b,c")
        assert "damaged" in page.list.content["trouble"]
        assert [trace["name"][:2] for trace in page.page._canvas.figure["data"]] == ["2:", "2:", "3:", "3:"]
        assert "damaged" in (await page.ask("save", run="a"))[0]["error"]

    on_page(use)


def test_a_folder_that_is_away_is_said(kept: Keeper, on_page: Any, tmp_path: Path) -> None:
    kept.add("a")

    async def use(page: Page) -> None:
        await page.open()
        (tmp_path / "files").rename(tmp_path / "elsewhere")
        await page.ask("look")
        assert "cannot be read" in page.list.content["trouble"]
        assert page.runs == ["a"]
        (tmp_path / "elsewhere").rename(tmp_path / "files")
        await page.ask("look")
        assert page.list.content["trouble"] == ""

    on_page(use)


def test_no_more_are_chosen_than_can_be_told_apart(kept: Keeper) -> None:
    for number in range(MAX_CHOSEN + 2):
        kept.add(f"{number}", state="queued")
    state = RunsState()
    state.set_rows(kept.server.runs(ME))
    state.chosen = [f"{number}" for number in range(MAX_CHOSEN + 2)]
    assert state.chosen == [f"{number}" for number in range(MAX_CHOSEN)]
    state.set_rows([row for row in state.rows if row.run != "1"])
    assert [row.run for row in state.compared()] == ["0", "2", "3"]


def test_runs_of_different_kinds_side_by_side(kept: Keeper) -> None:
    kept.add("a")
    kept.store.create(
        "b", visitor=ME, kind="ensemble", label="Ensemble", page="ensemble", config={"seeds": 2, "deep": [1]}
    )
    claims = [{"text": "t", "measured": "m", "verdict": verdict} for verdict in ("holds", "refuted")]
    kept.store.update("b", state="done", summary={"claims": claims}, seconds=100)
    rows = kept.store.runs(ME)
    assert view.listed(rows, True, "", [])["rows"][0]["outcome"] == "1 of 2 claims hold"
    content = compare.compared(rows)
    results = {one["label"]: one["values"] for one in content["results"]}
    assert results["Student: test errors"] == ["–", "14 of 360"]
    assert results["Took"] == ["2 min", "7 s"]
    assert {"label": "Deep", "values": ["[1]", "–"]} in content["differing"]
    json.dumps(content)


def test_the_figure_of_several_runs() -> None:
    line = ([0.0, 1.0, 2.0], [50.0, 20.0, 10.0])
    runs = {1: Overlaid({"student": line, "teacher": line}, 100, "a"), 3: Overlaid({"baseline": line}, 200, "a")}
    figure = overlaid_errors(runs)
    assert [trace["name"] for trace in figure["data"]] == ["1: Student", "3: Baseline"]
    assert figure["data"][0]["y"] == [50, 20, 10]
    assert figure["data"][1]["y"] == [25, 10, 5]
    assert [trace["line"]["color"] for trace in figure["data"]] == [RUN_COLOURS[0], RUN_COLOURS[2]]
    assert [note["text"] for note in figure["layout"]["annotations"]] == ["1", "3"]
    other = overlaid_errors({**runs, 2: Overlaid({"student": line}, 100, "<b>", "stopped")})
    assert [trace["name"] for trace in other["data"]] == [
        "1: Student on a", "3: Baseline on a", "2: Student on &lt;b&gt;, stopped",
    ]  # fmt: skip
    assert overlaid_errors({}) == overlaid_errors({1: Overlaid({}, 10, "a")}) == {}


def test_what_a_spec_calls_its_choices_has_a_name_here(kept: Keeper) -> None:
    kept.add("a")
    names = set(compare._settings(kept.store.info("a")))
    assert {"Data set", "Teacher", "Epochs", "Temperature T", "Seed of the batches"} <= names
    assert len(names) == 1 + len(Spec().knobs) + len(json.loads(Spec().to_json())) - 1


def test_a_question_without_a_number_is_not_answered() -> None:
    heard: list[Any] = []
    RunList(lambda question, answer: heard.append(question))._on_message(None, {"type": "look"}, [])
    assert heard == []


@pytest.mark.process
def test_the_page_needs_no_database_library() -> None:
    code = "import sys, kdlab.pages.runs; assert not {'sqlalchemy', 'torch', 'distributed'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
