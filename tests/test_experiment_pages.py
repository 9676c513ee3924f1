"""The pages of experiments without a browser: what is chosen is what runs, in a process that never imports torch."""

import asyncio
import copy
import json
import math
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kdlab.experiments.framework.bundled import Result
from kdlab.experiments.framework.events import (
    ExperimentFinished,
    ExperimentPlanned,
    JobStarted,
    JobValidated,
    PlanAdvanced,
    PreviewReady,
    Progress,
)
from kdlab.experiments.framework.record import ExperimentRecord
from kdlab.experiments.framework.report_files import save
from kdlab.pages import Experiments, Index, catalogue
from kdlab.pages.experiments import index, view
from kdlab.pages.experiments import run_view as page_module
from kdlab.pages.experiments.run_view import ExperimentView
from kdlab.paths import experiments_folder
from kdlab.registry import EXPERIMENTS, InputError, UnknownNameError
from kdlab.runs.limits import Limits
from kdlab.runs.protocol import EventBatch, RunRequest, RunSnapshot, Status
from kdlab.widgets.header import parse_url_hash

pytestmark = pytest.mark.usefixtures("own_server")

TINY = {
    "dataset": "digits", "network": "mlp:8x1", "augmentation": "none", "temperatures": "2,5", "members": 2,
    "epochs": 1, "seeds": 1,
}  # fmt: skip
REPORT: dict[str, Any] = {
    "experiment": "ensemble", "label": "Ensemble", "size": "full", "settings": {"dataset": "mnist", "seeds": 2.0},
    "rows": [
        {"label": "student", "unit": "errors", "values": [1074.0, 1070.0], "mean": 1072.0, "deviation": 2.83,
         "reference": {"paper": 74, "blog": 137.5}, "place": 1, "detail": False},
        {"label": "share", "unit": "%", "values": [None], "mean": None, "deviation": None, "reference": {},
         "place": 0, "detail": False},
    ],
    "claims": [
        {"text": "It errs less.", "measured": "-3 fewer", "verdict": "does not hold", "mean": -1, "interval": [-2, -1]},
        {"text": "It errs.", "measured": "1 error", "verdict": "inside the noise", "mean": 1, "interval": None},
    ],
    "charts": [{"kind": "lines", "title": "", "x": "", "y": "", "log": False, "series": []}], "notes": ["A note."],
    "sources": {"paper": "Hinton et al.", "blog": "Mishra"}, "examples": {"train": 50_000, "test": 10_000},
    "chosen": [{"temperature": 2.0}, {"temperature": 5.0}], "seconds": 7200.0, "device": "cpu", "machine": "x86_64",
    "threads": 2, "versions": {"kdlab": "0.1.0", "torch": "2.15.0"},
}  # fmt: skip

SCRIPT = f"""
import asyncio, sys
from kdlab.pages import Experiments

async def run():
    page = Experiments("ensemble")
    (one,) = page.shown.values()
    for name, value in {TINY}.items():
        setattr(one.state, name, value)
    one._act("start")
    while one._panel.state not in ("done", "failed"):
        await asyncio.sleep(0.05)
    one._draw_all()
    assert one._panel.state == "done", one._panel.error
    assert one.result.report["settings"] == {TINY} | {{"share": 10.0, "student_epochs": 12}}, one.result.report
    assert one.results.findings.content["origin"].startswith("This run: quick experiment on digits")
    tiles = one.results.explore.tiles.content
    one.results.explore.sliders["networks"].value = 1
    await asyncio.sleep(0.2)
    assert one.results.explore.tiles.content["facts"][0][0] == "one of them" != tiles["facts"][0][0]
    page.close()
    print(sorted({{"torch", "torchvision", "sklearn", "pandas"}} & set(sys.modules)))

if __name__ == "__main__":
    asyncio.run(run())
"""


def test_a_whole_run_leaves_torch_out_of_the_pages_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "page.py"
    script.write_text(SCRIPT)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=180)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[]"
    if sys.platform == "linux":
        assert list((tmp_path / "kdlab" / "experiments").glob("*.safetensors"))


@pytest.fixture
def on_page(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[ExperimentView], Awaitable[None]]], None]:
    """Return a function that lets another handle the page of the ensemble, as if REPORT came with kdlab."""
    draw = np.random.default_rng(0)
    arrays = {
        "labels": draw.integers(0, 10, 50), "members": draw.normal(size=(4, 50, 10)),
        "student": draw.normal(size=(50, 10)),
    }  # fmt: skip
    monkeypatch.setattr(page_module, "load_bundled", lambda name: Result(REPORT, arrays))

    def handle(use: Callable[[ExperimentView], Awaitable[None]]) -> None:
        async def run() -> None:
            page = Experiments("ensemble")
            try:
                await use(page.shown["ensemble"])
            finally:
                page.close()

        asyncio.run(run())

    return handle


def begun() -> RunSnapshot:
    """What a page hears first of a run."""
    return RunSnapshot("run", ExperimentRecord(), "ensemble", {"size": "quick", "settings": TINY}, mine=True)


async def settle(page: ExperimentView) -> None:
    """Let the page do what it has posted to its loop, and draw what that asked for."""
    for _ in range(5):
        await asyncio.sleep(0)
    page._draw_all()
    page.results.explore.draw()


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quick", [True, False])
def test_quick_and_full_fill_in_all_settings(on_page: Callable[..., None], quick: bool) -> None:
    async def use(page: ExperimentView) -> None:
        kind = page.entry.build
        assert page.state.experiment() == kind.of_size(True)  # quick is where it begins
        page.state.epochs = 77
        page.size.value = "full"
        await settle(page)
        if quick:
            page.size.value = "quick"
            await settle(page)
        assert page.state.experiment() == kind.of_size(quick)
        assert page.state.quick is quick
        for item in fields(kind):
            assert page.settings.values[item.name] == getattr(kind.of_size(quick), item.name)

    on_page(use)


@pytest.mark.parametrize("name", list(EXPERIMENTS))
def test_each_experiment_has_a_page_with_a_control_for_each_setting(name: str) -> None:
    async def use() -> None:
        page = Experiments(name)
        (shown,) = page.shown.values()
        assert set(shown.settings.values) == {item.name for item in fields(EXPERIMENTS[name].build)}
        assert shown.state.experiment() == EXPERIMENTS[name].build.of_size(True)
        assert len(shown.results.children[0].content["text"]) >= 2
        page.close()

    asyncio.run(use())


def test_a_bad_setting_is_said_in_one_sentence_and_nothing_is_lost(on_page: Callable[..., None]) -> None:
    async def use(page: ExperimentView) -> None:
        findings = page.results.findings.content
        page.state.network = "mpl:3x1"
        page._act("start")
        assert page._panel.error.startswith("There is no model 'mpl:3x1'.")
        assert (page._panel.state, page.results.findings.content) == ("idle", findings)
        page.state.network = "mlp:8x1"
        await settle(page)
        assert page._panel.error == ""
        for message in (
            begun(),
            Status("starting"),
            Status("failed", "InputError", "The temperatures must be numbers."),
        ):
            page._on_message(message)
        await settle(page)
        assert (page._panel.state, page._panel.error) == ("failed", "The temperatures must be numbers.")
        assert page.state.network == "mlp:8x1"
        assert page.results.findings.content == findings

    on_page(use)


def test_a_name_that_nobody_registered_fails_at_once() -> None:
    async def use() -> None:
        with pytest.raises(UnknownNameError, match="no experiment 'ensembel'"):
            Experiments("ensemble", "ensembel")

    asyncio.run(use())


def test_several_experiments_keep_what_they_have_while_another_is_looked_at() -> None:
    async def use() -> None:
        names = list(EXPERIMENTS)[:2]
        page = Experiments(*names)
        first = page.shown[names[0]]
        first.state.seeds = 7
        page._tabs.value = names[1]
        await settle(first)
        assert list(page.shown) == names
        assert [one.hidden for one in page.shown.values()] == [True, False]
        page._tabs.value = names[0]
        while not page.shown[names[1]].hidden:  # tabs are changed a few times a second at most
            await asyncio.sleep(0.01)
        assert page.shown[names[0]] is first
        assert (first.hidden, first.state.seeds) == (False, 7)
        page.close()

    asyncio.run(use())


# --- a run ------------------------------------------------------------------------------------------------------------

PLANNED = ExperimentPlanned((("teacher", 6.0), ("students, seed 0", 2.0), ("students, seed 1", 2.0)), 10.0)
EVENTS = [
    PLANNED,
    JobStarted("teacher", False), JobValidated("teacher", 1, 2, {"net": 9}, 100),
    JobValidated("teacher", 2, 2, {"net": 5}, 100), PlanAdvanced(6.0), JobStarted("students, seed 0", False),
    PlanAdvanced(7.0), JobValidated("students, seed 0", 1, 4, {"net": 9}, 100),
]  # fmt: skip


def lived(events: list[Any]) -> ExperimentRecord:
    live = ExperimentRecord()
    for event in events:
        live.append(event)
    return live


def marks(live: ExperimentRecord, state: str) -> list[str]:
    return [how for _, how, _ in view.jobs(live, state)["pieces"]]


def test_pieces_are_marked_as_the_run_gets_to_them() -> None:
    assert marks(lived(EVENTS[:1]), "running") == ["waiting"] * 3
    assert marks(lived(EVENTS[:3]), "running") == ["now", "waiting", "waiting"]
    assert marks(lived(EVENTS), "paused") == ["done", "now", "waiting"]
    assert marks(lived(EVENTS), "stopped") == ["done", "waiting", "waiting"]
    rest = [PlanAdvanced(8.0), JobStarted("students, seed 1", False), PlanAdvanced(9.0)]
    assert marks(lived(EVENTS + rest), "running") == ["done", "done", "now"]
    assert marks(lived([*EVENTS, *rest, ExperimentFinished(REPORT, {})]), "done") == ["done", "done", "done"]
    kept = ExperimentPlanned((("teacher", 0.0), ("students", 2.0)), 2.0)
    assert marks(lived([kept]), "running") == ["kept", "waiting"]
    assert view.jobs(lived([kept]), "running")["title"] == "1 of 2 pieces are trained and kept"


def test_the_progress_is_of_the_whole() -> None:
    share, words = view.progress(lived(EVENTS), "running", 120.0)
    assert share == 0.7
    assert words == "Piece 2 of 3, students, seed 0: epoch 1 of 4. About 2 min left."
    assert view.progress(lived(EVENTS), "running", None)[1].endswith("About 3 s left.")
    assert view.progress(lived([]), "running", None)[0] == -1
    loading = Progress("Downloading", 5_000_000, 10_000_000, "B")
    assert view.progress(lived([loading]), "running", None) == (0.5, "Downloading: 5 of 10 MB")
    assert "kept" in view.progress(lived(EVENTS), "stopped", None)[1]
    all_kept = ExperimentPlanned((("teacher", 0.0),), 0.0)
    assert view.progress(lived([all_kept, JobStarted("teacher", True), PlanAdvanced(0.0)]), "running", None)[0] == 1


def test_what_is_kept_of_a_run_is_what_happened() -> None:
    arrays = {"labels": np.arange(3), "said": np.ones((2, 3), dtype=np.float32)}
    assert ExperimentRecord().files() == {}
    live = lived([*EVENTS, PreviewReady({"order": np.arange(4)}), ExperimentFinished(REPORT, arrays)])
    kept = ExperimentRecord.of(live.files())
    assert (kept.planned, kept.begun, kept.watched, kept.done) == (live.planned, live.begun, live.watched, live.done)
    assert kept.result.report == REPORT
    for key, array in arrays.items():
        np.testing.assert_array_equal(kept.result.arrays[key], array)
    np.testing.assert_array_equal(kept.preview.arrays["order"], np.arange(4))
    assert view.jobs(kept, "done") == view.jobs(live, "done")
    assert json.loads(json.dumps(live.summary()))["claims"][0]["verdict"] == "does not hold"
    assert ExperimentRecord.of(lived(EVENTS).files()).summary() == {"pieces": 3, "begun": 2}
    for name, content in live.files().items():
        with pytest.raises(InputError, match="damaged"):
            ExperimentRecord.of(live.files() | {name: content[: len(content) // 2]})


def test_a_status_line_says_why() -> None:
    live = lived(EVENTS)
    assert view.progress(live, "queued", None, "In the queue: you are next.") == (0.0, "In the queue: you are next.")
    assert view.progress(live, "interrupted", None, "Closed.")[1] == "Interrupted. Closed. Finished pieces are kept."
    assert view.progress(live, "stopped", None, "Time is up.")[1] == "Time is up. Finished pieces are kept."


def test_the_curve_is_of_the_piece_at_work() -> None:
    assert view.watched(lived(EVENTS[:2])) == {}
    figure = view.watched(lived(EVENTS))
    assert "students, seed 0" in figure["layout"]["title"]["text"]
    assert [one["y"] for one in figure["data"]] == [[9]]


def test_a_run_that_concludes_is_shown_and_the_shipped_one_comes_back(on_page: Callable[..., None]) -> None:
    async def use(page: ExperimentView) -> None:
        shipped, explored = page.results.findings.content, page.results.explore.tiles.content
        assert shipped["origin"].startswith("As shipped: full experiment on mnist, 2 seeds")
        assert page.results.source.hidden
        for message in (begun(), Status("starting"), Status("running"), EventBatch(tuple(EVENTS))):
            page._on_message(message)
        await settle(page)
        assert page.results.findings.content == shipped  # until there is another
        mine = REPORT | {"size": "quick", "settings": {"dataset": "digits", "seeds": 1}}
        page._on_message(EventBatch((ExperimentFinished(mine, {}),)))
        page._on_message(Status("done"))
        await settle(page)
        assert page.results.findings.content["origin"].startswith("This run: quick experiment on digits, 1 seed,")
        assert page.results.explore.hidden  # it kept nothing to explore
        assert not page.results.source.hidden
        page.results.source.value = "shipped"
        await settle(page)
        assert (page.results.findings.content, page.results.explore.tiles.content) == (shipped, explored)
        page.results.source.value = "run"
        await settle(page)
        assert page.results.findings.content["origin"].startswith("This run")
        page._act("reset")
        await settle(page)
        assert (page.results.findings.content, page._panel.state) == (shipped, "idle")

    on_page(use)


# --- what is shown ----------------------------------------------------------------------------------------------------


def test_findings_are_words_and_numbers_side_by_side() -> None:
    found = view.findings(Result(REPORT), of_run=False)
    assert found["origin"] == "As shipped: full experiment on mnist, 2 seeds, run on cpu (x86_64) in 2.0 h."
    student, share = found["rows"]
    assert student["measured"] == "1,072.0 ± 2.8"
    assert student["seeds"] == "each seed: 1,074.0, 1,070.0"
    assert student["references"] == [["74", "paper"], ["137.5", "blog"]]
    assert (share["measured"], share["seeds"], share["references"]) == ("–", "", [])
    assert [claim["measured"] for claim in found["claims"]] == ["−3 fewer.", "1 error."]
    assert found["claims"][1]["interval"] == "Too little was counted: nothing tells its noise."
    for mean, interval in ((None, None), (math.nan, None), (None, [None, None])):
        claim = REPORT["claims"][0] | {"verdict": "inside the noise", "mean": mean, "interval": interval}
        (told,) = view.findings(Result(REPORT | {"claims": [claim]}), of_run=False)["claims"]
        assert told["interval"] == "Not measured: there is no number to judge."
    assert found["sources"] == [["paper", "Hinton et al."], ["blog", "Mishra"]]
    assert view.findings(None, of_run=False) == {"empty": "Not run yet: press Start."}


def test_facts_say_how_it_was_measured() -> None:
    facts = dict(view.facts(Result(REPORT))["facts"])
    assert facts["Time"] == "2.0 h"
    assert facts["Chosen or noted before the test"] == "temperature 2; temperature 5"
    assert facts["Examples"] == "50,000 train, 10,000 test"
    assert facts["Versions"] == "kdlab 0.1.0, torch 2.15.0"
    assert view.facts(None) == {}


def test_rows_of_a_unit_share_a_figure_and_one_number_alone_has_none() -> None:
    figures = view.figures(Result(REPORT))
    assert [figure["layout"]["title"]["text"] for figure in figures] == ["Errors", ""]
    assert view.figures(None) == []


def test_view_changes_nothing_that_it_is_given() -> None:
    result, live = Result(copy.deepcopy(REPORT)), lived([*EVENTS, ExperimentFinished(REPORT, {})])
    before = copy.deepcopy((live.begun, live.watched, live.done))
    for state in ("idle", "starting", "running", "paused", "stopped", "done", "failed"):
        assert view.progress(live, state, 1.0) == view.progress(live, state, 1.0)
        assert view.jobs(live, state) == view.jobs(live, state)
    view.findings(result, True), view.facts(result), view.figures(result), view.watched(live)
    assert result.report == REPORT
    assert (live.begun, live.watched, live.done) == before


def test_sliders_score_anew(on_page: Callable[..., None]) -> None:
    async def use(page: ExperimentView) -> None:
        assert not page.results.explore.hidden
        first = page.results.explore.tiles.content["facts"]
        page.results.explore.sliders["networks"].value = 2
        await settle(page)
        second = page.results.explore.tiles.content["facts"]
        assert (first[0][0], second[0][0]) == ("4 together", "2 together")
        scored = page.entry.build.rescore(page.result.arrays, "", {"networks": 2, "power": 0.0})
        assert second == [list(tile) for tile in scored.tiles]
        assert len(page.results.explore.charts.figures) == len(scored.charts)

    on_page(use)


def test_a_shipped_result_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kdlab.experiments.framework import bundled as module

    save(REPORT, {"labels": np.arange(3)}, tmp_path / "results", "ensemble")
    monkeypatch.setattr(module, "files", lambda package: tmp_path)
    found = module.load_bundled("ensemble")
    assert found is not None
    assert found.report == REPORT
    assert found.arrays["labels"].tolist() == [0, 1, 2]
    assert module.load_bundled("mnist") is None


def test_experiments_are_kept_in_the_users_cache_folder() -> None:
    assert experiments_folder().name == "experiments"


# --- the list of pages ------------------------------------------------------------------------------------------------


def test_the_index_has_a_card_for_each_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "load_bundled", lambda name: Result(REPORT) if name == "ensemble" else None)

    async def show() -> list[dict[str, Any]]:
        page = Index()
        contents = page.children[1].content["cards"]
        page.close()
        return contents

    cards = {card["page"]: card for card in asyncio.run(show())}
    notebooks = {path.name for path in (Path(__file__).parents[1] / "apps").glob("*.ipynb")}
    assert {address.partition("#")[0] for address in cards} == notebooks - {"index.ipynb"}
    assert all(card["question"].endswith("?") for card in cards.values())
    assert cards["experiment.ipynb#experiment=ensemble"]["answer"] == "“It errs less.” Does not hold: −3 fewer."
    assert [card["mark"] for card in cards.values() if card["mark"]] == ["✗"]


def test_every_experiment_is_on_a_page_beside_those_of_its_title() -> None:
    keys = [key for page in catalogue.pages() for key in page.experiments]
    assert sorted(keys) == sorted(EXPERIMENTS)
    for key in keys:
        assert {EXPERIMENTS[other].build.title for other in catalogue.experiment_page(key).experiments} == {
            EXPERIMENTS[key].build.title
        }


def test_the_notebook_shows_the_experiment_that_the_address_names() -> None:
    async def show() -> None:
        page = Experiments()
        assert page.shown == {}  # none before the browser has said which
        for key in EXPERIMENTS:
            page._follow(parse_url_hash(f"experiment={key}"))
            link = catalogue.experiment_page(key)
            assert (page.header.title, page.header.lead) == (link.title, link.question)
            assert tuple(value for value, _ in page._tabs.options) == link.experiments
            assert (page._tabs.value, page._tabs.hidden) == (key, len(link.experiments) == 1)
            assert page.header.choices == {"experiment": key}
        page.close()

    asyncio.run(show())


def test_a_run_asks_for_all_that_limits_look_at() -> None:
    async def ask() -> RunRequest:
        page = ExperimentView("unlabelled", (), lambda: None)
        page.state.other, page.state.teacher_epochs = "folder:/etc", 70
        try:
            return page._request()
        finally:
            page.close()

    asks = asyncio.run(ask()).limits_input
    assert asks == {"experiment": True, "size": "quick", "datasets": ("mnist", "folder:/etc"), "epochs": 70}
    with pytest.raises(InputError, match="does not train on 'folder:/etc'"):
        Limits(datasets=("digits", "mnist")).check(asks)
    with pytest.raises(InputError, match="50 epochs"):
        Limits(epochs=50).check(asks)
