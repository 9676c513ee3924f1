"""The temperature lab as a file: opened in a browser that has no server and no network."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from playwright.sync_api import Browser, expect
from temperature import TemperatureLab, number, share
from windows import DESKTOP, TELEPHONE, open_window

from kdlab.cli import main
from kdlab.io.predictions import Predictions
from kdlab.metrics import softened as core
from kdlab.metrics.classification import telling_example
from kdlab.pages import Temperature

needs_mnist = pytest.mark.skipif(
    not Path(os.environ.get("KDLAB_DATA", "nowhere"), "MNIST/raw").is_dir(), reason="KDLAB_DATA has no MNIST"
)
RED = "it => [...it.getContext('2d').getImageData(0, 0, it.width, it.height).data].filter((_, i) => i % 4 == 0)"


@dataclass(frozen=True)
class File:
    """Stands where a server does for a page in a file."""

    path: Path
    kind: str = "file"

    def page(self, _: str) -> str:
        return self.path.as_uri()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> File:
    path = tmp_path_factory.mktemp("file") / "lab.html"
    result = CliRunner().invoke(main, ["export", "temperature", "--out", str(path)])
    assert result.exit_code == 0, result.output
    return File(path)


@pytest.fixture(scope="module")
def mnist() -> Predictions:
    return Temperature()._data_server.sets["mnist"]


@pytest.fixture
def open_file(chromium: Browser) -> Iterator[Callable[..., TemperatureLab]]:
    """Return a function that opens a file without a network; it must ask for nothing but itself."""
    opened: list[TemperatureLab] = []
    asked: list[str] = []

    def open_at(file: File, link: str = "", size: tuple[int, int] = DESKTOP) -> TemperatureLab:
        lab = open_window(chromium, file, size, TemperatureLab)
        opened.append(lab)
        lab.page.context.set_offline(True)
        lab.page.context.set_default_timeout(10_000)  # there is no kernel to wait for
        lab.page.on("request", lambda request: asked.append(request.url))
        lab.page.on("websocket", lambda socket: asked.append(socket.url))
        lab.open(link)
        return lab

    yield open_at
    pages = {lab.server.page("") for lab in opened}
    problems = [problem for lab in opened for problem in lab.problems]
    for lab in opened:
        lab.page.context.close()
    assert not problems
    beyond = {address.partition("#")[0] for address in asked if not address.startswith(("blob:", "data:"))}
    assert beyond == pages


def expect_example(lab: TemperatureLab, one: Predictions, example: int, temperature: float) -> None:
    wanted = {role: core.soften(logits[example], temperature) for role, logits in one.logits.items()}
    rows = lab.table(".kd-bars")
    columns = [wanted[role] for role in ("teacher", "baseline", "student")]
    assert [row[2:] for row in rows] == [[share(value) for value in row] for row in np.transpose(columns)]
    for role, shares in wanted.items():
        assert lab.bars(role) == pytest.approx(shares, abs=1e-5)


def test_the_file_moves_without_a_server(
    file: File, open_file: Callable[..., TemperatureLab], mnist: Predictions
) -> None:
    assert 1_000_000 < file.path.stat().st_size < 8_000_000
    lab = open_file(file)
    example = telling_example(mnist.logits, mnist.labels)
    assert lab.temperature() == 4
    expect_example(lab, mnist, example, 4)
    seen = {lab.sentence.text_content()}
    for keys in (["ArrowRight"] * 3, ["PageUp", "PageUp"], ["Home"], ["End"]):
        expect_example(lab, mnist, example, lab.turn(*keys))
        seen.add(lab.sentence.text_content())
    assert len(seen) == 5
    lab.click("student", 4, 9)
    confusion = core.soften(mnist.logits["student"], 100)
    found = np.flatnonzero(mnist.labels == 4)
    assert lab.examples() == found[np.argsort(-confusion[found, 9], kind="stable")][:20].tolist()
    expect(lab.page.get_by_role("button", name="Export")).to_have_count(0)  # nobody is there to ask for it


@needs_mnist
def test_the_file_has_pictures(file: File, open_file: Callable[..., TemperatureLab], mnist: Predictions) -> None:
    lab = open_file(file)
    expect(lab.listed.locator("canvas")).to_have_count(20)
    for at in (0, 19):
        example = lab.examples()[at]
        assert lab.listed.nth(at).locator("canvas").evaluate(RED) == mnist.images[example].ravel().tolist()
    lab.menu.select_option("digits")
    expect(lab.caption).to_contain_text("of 143")
    expect(lab.listed.locator("canvas")).to_have_count(20)


def test_a_drawn_digit_is_answered(file: File, open_file: Callable[..., TemperatureLab]) -> None:
    lab = open_file(file, size=TELEPHONE)
    lab.choose_source("drawn")
    for digit, stroke in ((1, ((0.5, 0.15), (0.5, 0.85))), (7, ((0.2, 0.2), (0.8, 0.2), (0.45, 0.9)))):
        expect(lab.sentence).to_contain_text("the empty pad")
        lab.draw(*stroke)
        expect(lab.sentence).to_contain_text(f"this drawing is {digit}:")
        assert np.argmax(lab.bars("teacher")) == digit
        assert sum(lab.bars("student")) == pytest.approx(1, abs=1e-4)
        lab.page.get_by_role("button", name="Clear").click()
    assert lab.page.evaluate("document.scrollingElement.scrollWidth") <= TELEPHONE[0]


def test_a_link_into_the_file(file: File, open_file: Callable[..., TemperatureLab], mnist: Predictions) -> None:
    lab = open_file(file, "T=33&data=digits&example=17&scale=log&cell=student.3.5&source=own&own=a,b;1,2;3,-4")
    expect(lab.caption).to_contain_text("Example 17 of 143")
    expect(lab.page.locator(".kd-examples-list h3")).to_contain_text("True 3 → 5")
    assert [row[2] for row in lab.table(".kd-bars")] == [share(value) for value in core.soften([1, 2], 33)]
    lab.turn("ArrowLeft")
    lab.page.wait_for_function("T => location.hash.startsWith(`#T=${T}&data=digits&`)", arg=lab.temperature())
    view, link = lab.state(), lab.page.url.partition("#")[2]
    other = open_file(file, link)
    expect(other.page.locator(".kd-examples-list h3")).to_contain_text("True 3 → 5")
    assert other.state() == view
    other.go("source=example&data=mnist&example=9&scale=linear&T=2")
    expect(other.caption).to_contain_text("Example 9 of 5,000")
    other.settle()
    expect_example(other, mnist, 9, 2)


def test_a_bad_link_into_the_file_says_so(
    file: File, open_file: Callable[..., TemperatureLab], mnist: Predictions
) -> None:
    example = telling_example(mnist.logits, mnist.labels)
    lab = open_file(file, "T=x&mean=0.5")
    expect(lab.alarm).to_contain_text("The link's T=x")
    expect_example(lab, mnist, example, 4)
    words = {
        "data=nope": 'no data set "nope"',
        "example=5000": "no example 5000",
        "cell=student.3.10": "no class 10",
    }
    parts = ("data=nope", "example=5000", "cell=student.3.10", "cell=x", "own=1", "scale=x")
    for temperature, part in enumerate(parts, 8):
        lab.go(f"{part}&T={temperature}")
        expect(lab.alarm).to_contain_text(words.get(part, f"The link's {part}"))
        expect_example(lab, mnist, example, temperature)


def test_a_file_without_mnists_pictures_says_so(
    open_file: Callable[..., TemperatureLab], mnist: Predictions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KDLAB_DATA", str(tmp_path / "empty"))
    path = tmp_path / "lab.html"
    result = CliRunner().invoke(main, ["export", "temperature", "--out", str(path)])
    assert result.exit_code == 0
    assert "pictures of MNIST" in result.stderr
    lab = open_file(File(path))
    expect(lab.page.locator(".kd-examples-list .kd-note")).to_contain_text("no pictures of these examples here")
    expect(lab.page.get_by_text("MNIST's pictures are not on this machine")).to_be_visible()
    assert lab.listed.all_text_contents() == list(map(str, lab.examples()))
    expect(lab.page.locator(".kd-example-picture")).to_be_hidden()
    example = lab.examples()[3]
    lab.listed.nth(3).click()
    lab.settle()
    expect_example(lab, mnist, example, 4)


def test_names_and_choices_of_ones_own_are_in_the_file(
    open_file: Callable[..., TemperatureLab], tmp_path: Path
) -> None:
    evil = "</script><script>document.title = 'gone'</script>"
    rng = np.random.default_rng(0)
    logits = {role: rng.normal(size=(30, 3), scale=5) for role in ("teacher", "student")}
    one = Predictions("mine", f"Mine {evil}", ("a $b", evil, "<b>c</b>"), np.arange(30) % 3, logits)
    path = tmp_path / "lab.html"
    Temperature(
        one, temperature=20, scale="log", example=7, cell={"network": "student", "true": 1, "predicted": 0}
    ).export(path)
    lab = open_file(File(path))
    assert lab.page.title() == "kdlab – Temperature lab"
    assert lab.temperature() == 20
    assert lab.log.is_checked()
    assert [row[0] for row in lab.table(".kd-bars")] == ["a $b", "</scrip…ipt> ●", "<b>c</b>"]
    expect(lab.page.locator(".kd-bars th[title]").nth(1)).to_have_attribute("title", evil)
    assert [row[2] for row in lab.table(".kd-bars")] == [share(x) for x in core.soften(one.logits["teacher"][7], 20)]
    expect(lab.page.locator(".kd-examples-list h3")).to_have_text(
        f"True {evil} → a $b: examples with most of the student's share there first"
    )


def test_sets_of_other_networks_and_classes_follow_one_another(
    tmp_path: Path, open_file: Callable[..., TemperatureLab], mnist: Predictions
) -> None:
    logits = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32) * 5
    alike = Predictions(
        "alike", "Alike", ("fox", "hen", "owl"), np.arange(30) % 2, {"teacher": logits, "student": logits}
    )
    Temperature(alike).export(tmp_path / "two.html")
    lab = open_file(File(tmp_path / "two.html"))
    size, relative = "Size of the gradients", "Relative error of the limit"
    assert lab.readings(size) == {"Soft": "0", "Soft × T²": "0", "Hard": number(hard(alike))}
    assert lab.readings(relative) == {"Sums over all examples": "–", "This example": "–"}
    for key, one in (("mnist", mnist), ("alike", alike), ("mnist", mnist)):
        lab.page.get_by_label("Data", exact=True).select_option(key)
        expect(lab.page.locator(".kd-note", has_text=one.note[:20] or "no pictures").first).to_be_visible()
        lab.settle()
        assert lab.readings(size)["Hard"] == number(hard(one))
        assert len(lab.readings("KL(teacher ‖ student), bits")) == len(one.logits)
        lines = lab.page.locator(".kd-chart-card").filter(has_text=relative).locator("polyline[points*=',']")
        expect(lines).to_have_count(0 if one is alike else 2)


def hard(one: Predictions) -> float:
    return float(np.linalg.norm(core.hard_gradient(one.logits["student"], one.labels), axis=-1).mean())


def test_a_finger_reads_and_chooses_a_cell(chromium: Browser, file: File) -> None:
    context = chromium.new_context(viewport={"width": TELEPHONE[0], "height": TELEPHONE[1]}, has_touch=True)
    try:
        page = context.new_page()
        page.goto(file.page("temperature"))
        cells = page.locator(".kd-cells").first
        page.locator(".kd-lab[data-drawn]").wait_for()
        cells.scroll_into_view_if_needed()
        box = cells.bounding_box()
        page.touchscreen.tap(box["x"] + 0.95 * box["width"], box["y"] + 0.45 * box["height"])
        expect(page.locator(".kd-cell-hint").first).to_contain_text("True 4 → 9")
        expect(page.locator(".kd-examples-list h3")).to_contain_text("True 4 → 9")
    finally:
        context.close()
