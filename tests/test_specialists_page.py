"""The page "Specialists" without a browser: what the editor and the settings say is one thing, and answers add up."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forms import enter
from made_specialists import CIFAR, made_result

from kdlab.experiments.framework.bundled import Result
from kdlab.experiments.framework.events import ExperimentFinished, PreviewReady
from kdlab.experiments.framework.record import ExperimentRecord
from kdlab.experiments.framework.report_files import save
from kdlab.pages import Experiments
from kdlab.pages.experiments import run_view as page_module
from kdlab.pages.experiments.run_view import ExperimentView
from kdlab.pages.specialists.answers import SpecialistAnswers
from kdlab.pages.specialists.ask import AskThem
from kdlab.pages.specialists.confused import ConfusedClasses
from kdlab.runs.protocol import EventBatch, RunSnapshot, Status
from kdlab.specialists.combine import DIRECTIONS, combine
from kdlab.specialists.routing import route

pytestmark = pytest.mark.usefixtures("own_server")

CAT, DOG, SHIP = (CIFAR.index(name) for name in ("cat", "dog", "ship"))
RESULT = made_result()
FOUND = [np.flatnonzero(row).tolist() for row in RESULT.arrays["members"]]
Use = Callable[[ExperimentView], Awaitable[None]]


class Page:
    """The page's parts, for short."""

    def __init__(self, page: ExperimentView) -> None:
        self.one, self.state = page, page.state
        self.confused, self.ask = (
            next(panel for panel in page.results.panels if isinstance(panel, kind))
            for kind in (ConfusedClasses, AskThem)
        )
        self.editor, self.asking = self.confused.editor, self.ask.asking

    @property
    def complaint(self) -> str:
        return self.editor.texts["error"]

    async def settle(self) -> None:
        """Let the page do what it has posted to its loop, and draw what that asked for."""
        for _ in range(5):
            await asyncio.sleep(0)
        self.one._draw_all()
        for panel in self.one.results.panels:
            panel.draw()


@pytest.fixture
def on_page(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that lets another handle the page, as if a made-up result of CIFAR-10 came with kdlab."""

    def handle(use: Callable[[Page], Awaitable[None]], result: Result | None = RESULT) -> None:
        monkeypatch.setattr(page_module, "load_bundled", lambda name: result)

        async def run() -> None:
            page = Experiments("specialists")
            try:
                (only,) = page.shown.values()
                only.state.dataset = "cifar10"
                await use(Page(only))
            finally:
                page.close()

        asyncio.run(run())

    return handle


# --- which classes are confused ---------------------------------------------------------------------------------------


def test_the_matrix_of_the_result_is_shown_with_its_subsets(on_page: Callable[..., None]) -> None:
    async def use(page: Page) -> None:
        await page.settle()
        matrix, texts = page.editor.matrix, page.editor.texts
        assert (matrix["classes"], matrix["found"]) == (CIFAR, FOUND)
        assert sorted(matrix["order"]) == list(range(10))
        assert len(matrix["joints"]) == 9
        assert max(height for _, heights in matrix["joints"] for height in heights) == 1
        similarity = np.frombuffer(page.editor.similarity, dtype="<f4").reshape(10, 10)
        np.testing.assert_array_equal(similarity, RESULT.arrays["similarity"])
        assert page.editor.subsets is None
        assert texts["origin"].startswith("Classes of cifar10, as shipped.")
        assert (texts["stale"], texts["error"]) == ("", "")

    on_page(use)


def test_what_is_edited_is_the_setting(on_page: Callable[..., None]) -> None:
    async def use(page: Page) -> None:
        page.editor.subsets = [[CAT, DOG], [SHIP]]
        assert page.state.subsets == "cat, dog; ship"
        assert page.one.settings.values["subsets"] == "cat, dog; ship"
        assert page.state.experiment().subsets == "cat, dog; ship"
        await page.settle()
        assert page.editor.subsets == [[CAT, DOG], [SHIP]]
        page.editor.subsets = None  # as found
        assert page.state.subsets == ""

    on_page(use)


def test_what_is_typed_is_shown(on_page: Callable[..., None]) -> None:
    async def use(page: Page) -> None:
        enter(page.one.settings, "subsets", " ship,truck ;dog, cat")
        await page.settle()
        assert page.editor.subsets == [[SHIP, CIFAR.index("truck")], [CAT, DOG]]
        assert page.state.subsets == " ship,truck ;dog, cat"  # as it was typed
        assert page.complaint == ""
        enter(page.one.settings, "subsets", "")
        await page.settle()
        assert page.editor.subsets is None

    on_page(use)


def test_names_with_commas_are_typed_in_quotes(on_page: Callable[..., None]) -> None:
    names = ["cat, tame", *CIFAR[1:]]

    async def use(page: Page) -> None:
        page.editor.subsets = [[0, 2]]
        assert page.state.subsets == '"cat, tame", bird'
        page.state.subsets = '"cat, tame"; dog, bird'
        await page.settle()
        assert (page.editor.subsets, page.complaint) == ([[0], [2, DOG]], "")

    on_page(use, made_result(names))


ALL = ", ".join(CIFAR)
WRONG = [
    ([[CAT, DOG], []], "cat, dog; ", "Specialist 2 has no class"),
    ([[]], "", "Specialist 1 has no class"),
    ([[CAT], list(range(10))], f"cat; {ALL}", "Specialist 2 has all 10 classes"),
]


@pytest.mark.parametrize(("subsets", "text", "sentence"), WRONG, ids=["one without", "none at all", "all classes"])
def test_bad_subsets_are_said_at_once_and_start_says_the_same(
    on_page: Callable[..., None], subsets: list[list[int]], text: str, sentence: str
) -> None:
    async def use(page: Page) -> None:
        page.editor.subsets = subsets
        await page.settle()
        assert page.complaint.startswith(sentence)
        assert (page.state.subsets, page.editor.subsets) == (text, subsets)
        page.one._act("start")
        assert page.one._panel.error == page.complaint
        assert page.one._panel.state == "idle"
        page.editor.subsets = [[CAT, DOG]]  # one can go on
        await page.settle()
        assert (page.complaint, page.one._panel.error) == ("", "")

    on_page(use)


@pytest.mark.parametrize(
    ("text", "shown", "sentence"),
    [
        ("cat, dgo; ship", [[CAT], [SHIP]], "There is no class 'dgo' for a specialist"),
        ("cat, cat", [[CAT]], "Specialist 1 has the class 'cat' twice"),
        ("cat;; ship", [[CAT], [], [SHIP]], "Specialist 2 has no class"),
        ("nothing", None, "There is no class 'nothing'"),
    ],
)
def test_bad_text_is_said_and_stays(
    on_page: Callable[..., None], text: str, shown: list[list[int]] | None, sentence: str
) -> None:
    async def use(page: Page) -> None:
        page.state.subsets = text
        await page.settle()
        assert page.complaint.startswith(sentence)
        assert (page.state.subsets, page.editor.subsets) == (text, shown)
        page.one._act("start")
        assert page.one._panel.error == page.complaint

    on_page(use)


def test_another_data_set_is_said_to_have_another_matrix(on_page: Callable[..., None]) -> None:
    async def use(page: Page) -> None:
        page.state.dataset = "digits"
        page.state.subsets = "1, 7"
        await page.settle()
        assert "The chosen data set is digits: Start trains a generalist on it first" in page.editor.texts["stale"]
        assert page.complaint == ""  # these may well be its classes
        page.state.dataset = "cifar10"
        await page.settle()
        assert page.editor.texts["stale"] == ""
        assert page.complaint.startswith("There is no class '1'")

    on_page(use)


def test_a_run_shows_its_matrix_before_it_ends(on_page: Callable[..., None]) -> None:
    mine = made_result([f"{digit}" for digit in range(10)], count=2, size=4, dataset="digits")
    noted = PreviewReady({key: mine.arrays[key] for key in ("classes", "similarity", "order", "tree", "members")})

    async def use(page: Page) -> None:
        page.state.dataset = "digits"
        about = {"size": "quick", "settings": {"dataset": "digits", "subsets": ""}}
        begun = RunSnapshot("run", ExperimentRecord(), "specialists", about, mine=True)
        for message in (begun, Status("starting"), Status("running"), EventBatch((noted,))):
            page.one._on_message(message)
        await page.settle()
        assert page.editor.matrix["classes"] == [f"{digit}" for digit in range(10)]
        assert len(page.editor.matrix["found"]) == 2
        assert page.editor.texts["origin"].startswith("Classes of digits, this run.")
        assert page.editor.texts["stale"] == ""
        page.editor.subsets = [[1, 7]]  # while it goes on
        page.one._on_message(EventBatch((ExperimentFinished(mine.report, mine.arrays),)))
        page.one._on_message(Status("done"))
        await page.settle()
        assert (page.state.subsets, page.editor.subsets) == ("1, 7", [[1, 7]])
        assert page.editor.texts["origin"].startswith("Classes of digits, this run.")
        page.one.results.source.value = "shipped"
        await page.settle()
        assert page.editor.matrix["classes"] == CIFAR
        assert page.editor.texts["origin"].startswith("Classes of cifar10, as shipped.")
        assert page.state.subsets == "1, 7"

    on_page(use)


def test_without_a_result_there_is_nothing_to_edit_or_to_ask(on_page: Callable[..., None]) -> None:
    async def use(page: Page) -> None:
        await page.settle()
        assert page.editor.matrix == {}
        assert (page.confused.hidden, page.ask.hidden) == (False, True)
        page.state.subsets = "cat, dog"  # the run will know the classes
        await page.settle()
        assert page.complaint == ""

    on_page(use, None)


# --- ask them ---------------------------------------------------------------------------------------------------------


def expected(at: int, n: int, direction: str) -> np.ndarray:
    arrays = RESULT.arrays
    generalist = arrays["generalist"][at : at + 1]
    said = [arrays[f"specialist/{one}"][at : at + 1] for one in range(len(FOUND))]
    return np.exp(combine(generalist, said, FOUND, route(generalist, FOUND, n), direction))[0]


@pytest.mark.parametrize("n", [0, 1, 2, 5])
@pytest.mark.parametrize("direction", list(DIRECTIONS))
def test_an_answer_is_what_the_core_makes_of_the_logits(n: int, direction: str) -> None:
    heard = SpecialistAnswers.of(RESULT.arrays)
    for at in range(5):
        answer = heard.answer(at, n, DIRECTIONS[direction])
        np.testing.assert_allclose(answer["together"], expected(at, n, direction), rtol=1e-6, atol=1e-12)
        assert answer["truth"] == RESULT.arrays["labels"][RESULT.arrays["pictured"][at]]
        assert sum(answer["generalist"]) == pytest.approx(1)
        assert len(answer["first"]) == n
        for specialist, members in zip(answer["specialists"], FOUND, strict=True):
            assert specialist["members"] == members
            assert specialist["asked"] is bool(set(members) & set(answer["first"]))
            assert len(specialist["shares"]) == len(members) + 1
            assert sum(specialist["shares"]) == pytest.approx(1)
        if n == 0:
            assert answer["together"] == pytest.approx(answer["generalist"])
        json.dumps(answer, allow_nan=False)  # as it goes to the browser


def test_the_outcomes_are_those_of_the_answers() -> None:
    heard = SpecialistAnswers.of(RESULT.arrays)
    outcomes = heard.outcomes(1, DIRECTIONS["forward"])
    assert set(outcomes) == {"right", "mended", "spoilt", "wrong"}
    for at, outcome in enumerate(outcomes):
        answer = heard.answer(at, 1, DIRECTIONS["forward"])
        right = [np.argmax(answer[who]) == answer["truth"] for who in ("generalist", "together")]
        assert {(1, 1): "right", (0, 1): "mended", (1, 0): "spoilt", (0, 0): "wrong"}[tuple(right)] == outcome
    assert set(heard.outcomes(0, DIRECTIONS["forward"])) == {"right", "wrong"}


def test_the_slider_the_direction_and_the_picture_change_the_answer(on_page: Callable[..., None]) -> None:
    async def use(page: Page) -> None:
        await page.settle()
        assert page.asking.answer["n"] == 1
        page.one.results.explore.sliders["n"].value = 3
        await page.settle()
        assert page.asking.answer["n"] == 3
        page.asking.chosen = 7
        assert page.asking.answer["together"] == pytest.approx(expected(7, 3, "forward"))
        enter(page.one.results.explore.choices, "choice", DIRECTIONS["reverse"])
        await page.settle()
        assert page.asking.answer["together"] == pytest.approx(expected(7, 3, "reverse"))
        assert page.asking.outcomes == SpecialistAnswers.of(RESULT.arrays).outcomes(3, DIRECTIONS["reverse"])
        assert page.asking.gallery["shape"] == [3, 16, 16]
        assert page.asking.pixels == RESULT.arrays["pictures"].tobytes()

    on_page(use)


SCRIPT = """
import asyncio, sys
from pathlib import Path
from kdlab.experiments.framework.report_files import load
from kdlab.pages import Experiments
from kdlab.pages.experiments import run_view as page_module
from kdlab.experiments.framework.bundled import Result

async def use():
    page_module.load_bundled = lambda name: Result(*load(Path(sys.argv[1]), name))
    page = Experiments("specialists")
    (shown,) = page.shown.values()
    confused, ask, _ = shown.results.panels
    confused.editor.subsets = [[3, 5]]
    shown.results.explore.sliders["n"].value = 2
    await asyncio.sleep(0.2)
    assert ask.asking.answer["n"] == 2
    assert shown._panel.error == "", shown._panel.error
    page.close()
    print(sorted({"torch", "torchvision", "sklearn", "scipy", "pandas"} & set(sys.modules)))

asyncio.run(use())
"""


def test_edits_and_answers_leave_torch_out_of_the_pages_process(tmp_path: Path) -> None:
    save(RESULT.report, RESULT.arrays, tmp_path, "specialists")
    run = subprocess.run([sys.executable, "-c", SCRIPT, tmp_path], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[]"


# --- panels -----------------------------------------------------------------------------------------------------------


def test_panels_stand_above_the_findings_or_below_the_sliders(on_page: Callable[..., None]) -> None:
    async def use(page: Page) -> None:
        (columns,) = page.one.children
        results: list[Any] = list(columns.children[1].children)
        shown = page.one.results
        places = [results.index(part) for part in (page.confused, shown.findings, shown.explore, page.ask)]
        assert places == sorted(places)

    on_page(use)


def test_only_the_page_of_specialists_has_their_panels() -> None:
    async def use() -> None:
        page = Experiments("ensemble")
        (shown,) = page.shown.values()
        assert shown.results.panels == [shown.results.explore]
        page.close()

    asyncio.run(use())
