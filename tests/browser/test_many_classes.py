"""Many classes, and long names of classes, in a real browser: cells keep their colour, and names can be told apart."""

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page
from temperature import TemperatureLab
from windows import DESKTOP, open_window

import kdlab
from kdlab.figures.confusion import confusion_difference, confusion_heatmap
from kdlab.figures.plotly_js import plotly_script
from kdlab.figures.theme import Figure
from kdlab.io.predictions import Predictions
from kdlab.pages import Temperature
from kdlab.pages.temperature.data_server import DataServer
from kdlab.widgets.esm import SHARED, bundle, stylesheet

SIDE = 232  # pixels of a matrix on the page Distil
CASES = json.loads((Path(__file__).parents[1] / "short_names.json").read_text(encoding="utf-8"))
LONG = [
    f"a species of <b>bird</b> with a long name that lives in the far north, number {at}, in winter"
    for at in range(200)
]
SOURCES = {10: "ten", 100: "hundred", 200: "two-hundred"}

# The page's own drawing of a figure, with a model that has nothing else.
DRAW = """async ([source, figure]) => {
  const { default: canvas } = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  globalThis.undraw?.();
  document.body.replaceChildren();
  const traits = { figure: JSON.parse(figure), clicked: { count: 0 } };
  const model = { get: (key) => traits[key], set() {}, on() {}, off() {}, save_changes() {} };
  globalThis.undraw = canvas.render({ model, el: document.body });
  while (!document.querySelector(".heatmaplayer image")) await new Promise(requestAnimationFrame);
  const { xaxis, yaxis } = document.querySelector(".kd-plot")._fullLayout;
  return [xaxis._offset, yaxis._offset, xaxis._offset + xaxis._length, yaxis._offset + yaxis._length];
}"""
CELLS = "canvas => canvas.toDataURL()"


def coloured(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which pixels have the colour of a mistake: neither the page's white nor a pale cell's grey."""
    one = pixels[..., :3].astype(int)
    return (one.max(-1) - one.min(-1) > 25) | (one.max(-1) < 200)


def picture(content: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGBA"))


@pytest.fixture(scope="module")
def sheet(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A page of the size of one matrix, that has plotly.js."""
    page = chromium.new_page(viewport={"width": SIDE, "height": SIDE})
    folder = tmp_path_factory.mktemp("sheet")
    (folder / "plotly.js").write_text(plotly_script(), encoding="utf-8")
    style = f"body {{ margin: 0; overflow: hidden }} .kd-plot {{ width: {SIDE}px; height: {SIDE}px }}"
    link = '<link data-kdlab-plotly href="plotly.js">'
    (folder / "sheet.html").write_text(f"<!doctype html>{link}<style>{style}</style><body></body>", encoding="utf-8")
    page.goto((folder / "sheet.html").as_uri())
    yield page
    page.close()


def draw(page: Page, figure: Figure) -> list[int]:
    """Draw a figure as the page does; return the edges of its cells: left, top, right, bottom."""
    source = bundle(SHARED.parent / "canvas.js")
    return [round(edge) for edge in page.evaluate(DRAW, [source, json.dumps(figure)])]


@pytest.mark.parametrize(
    ("classes", "kind"), [(10, "counts"), (13, "counts"), (100, "counts"), (200, "counts"), (100, "difference")]
)
def test_cells_of_distils_matrices_keep_their_colour(sheet: Page, classes: int, kind: str) -> None:
    counts = np.random.default_rng(0).integers(3, 9, (classes, classes))
    names = [str(at) for at in range(classes)]
    figures = {
        "counts": confusion_heatmap(counts, names, "Student", 8),
        "difference": confusion_difference(counts, np.zeros_like(counts), names, "Difference"),
    }
    left, top, right, bottom = draw(sheet, figures[kind])
    share = coloured(picture(sheet.screenshot())[top:bottom, left:right]).mean()
    # All but the diagonal, and where there are few classes their gaps and the numbers.
    assert share > (0.95 * (1 - 1 / classes) if classes > 12 else 0.75)


@pytest.mark.parametrize("classes", [150, 200])
def test_a_mistake_among_many_classes_is_seen(sheet: Page, classes: int) -> None:
    counts = np.zeros((classes, classes), np.int64)
    places = np.arange(classes), (np.arange(classes) + classes // 2) % classes
    counts[places] = 5
    left, top, right, bottom = draw(sheet, confusion_heatmap(counts, list(map(str, range(classes))), "Student", 5))
    seen = picture(sheet.screenshot())[top:bottom, left:right, :3].astype(int)
    for true, predicted in zip(*places, strict=True):
        y, x = ((at + 0.5) / classes * side for at, side in zip((true, predicted), seen.shape, strict=False))
        assert seen[int(y), int(x)].min() < 200, (true, predicted)


@pytest.mark.parametrize(("classes", "amount"), [(12, "3 images"), (100, "images: 3")])
def test_hover_text_tells_whole_names_within_the_figure(sheet: Page, classes: int, amount: str) -> None:
    counts = np.full((classes, classes), 3)
    left, top, right, bottom = draw(sheet, confusion_heatmap(counts, LONG[:classes], "Student", 3))
    true, predicted = 1, classes - 2
    sheet.mouse.move(left + (predicted + 0.5) / classes * (right - left), top + (true + 0.5) / classes * (bottom - top))
    label = sheet.locator(".hovertext")
    label.wait_for()
    text = f"true {LONG[true]}, predicted {LONG[predicted]}: {amount}"
    assert "".join(label.text_content().split()) == text.replace(" ", "")
    box = label.bounding_box()
    edge = 2  # of the label's frame
    assert min(box["x"], box["y"]) >= -edge
    assert max(box["x"] + box["width"], box["y"] + box["height"]) <= SIDE + edge
    sheet.mouse.move(0, 0)


def test_both_languages_cut_names_alike(sheet: Page) -> None:
    source = bundle(SHARED / "names.js").replace("export default", "const names =") + "\nexport default names;"
    cut = """async ([source, cases]) => {
      const { default: made } = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
      return cases.map(([names, most]) => made.abbreviate(names, most));
    }"""
    assert sheet.evaluate(cut, [source, CASES]) == [short for _, _, short in CASES]


# --- the lab ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def alone(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TemperatureLab]:
    """The lab as a file, on made-up logits of 10, 100 and 200 classes whose names begin and end alike."""
    sets = []
    for classes, key in SOURCES.items():
        rng = np.random.default_rng(classes)
        logits = {role: rng.normal(size=(2 * classes, classes)) for role in ("teacher", "student")}
        sets.append(
            Predictions(key, key, LONG[:classes], np.arange(2 * classes) % classes, logits, (logits["student"],))
        )
    lab = Temperature()
    lab._data_server = DataServer(sets, lab._data_server._networks)
    lab.sets, lab.dataset, lab.temperature = lab._data_server.menu(), "ten", 1.0
    path = tmp_path_factory.mktemp("alone") / "lab.html"
    lab.export(path)

    class File:
        kind = "file"

        def page(self, name: str) -> str:
            return path.as_uri()

    window = open_window(chromium, File(), DESKTOP, TemperatureLab)
    window.open()
    yield window
    problems = window.problems
    window.page.context.close()
    assert not problems


@pytest.mark.parametrize("classes", SOURCES)
def test_cells_of_the_labs_matrices_keep_their_colour(alone: TemperatureLab, classes: int) -> None:
    alone.menu.select_option(SOURCES[classes])
    alone.settle()
    for network in ("teacher", "student"):
        canvas = alone.matrix(network).locator("canvas")
        canvas.scroll_into_view_if_needed()
        alone.settle()
        seen = picture(base64.b64decode(canvas.evaluate(CELLS).partition(",")[2]))
        pale = (seen[..., 3] == 0) | (seen[..., :3].min(-1) >= 240)
        assert 1 - pale.mean() > (0.95 * (1 - 1 / classes) if classes > 12 else 0.75)


@pytest.mark.parametrize("classes", SOURCES)
def test_names_in_the_lab_are_told_apart(alone: TemperatureLab, classes: int) -> None:
    alone.menu.select_option(SOURCES[classes])
    alone.settle()
    places = [
        ".kd-bars tbody th",
        ".kd-gradient tbody th",
        ".kd-temperature-strip tbody th",
        ".kd-ensemble tbody th",
        ".kd-pairs button",
    ]
    if classes <= 12:
        places += [".kd-matrix:first-child .kd-axis-true span", ".kd-matrix:first-child .kd-axis-predicted span"]
    for place in places:
        shown = alone.page.locator(place)
        texts = shown.evaluate_all("all => all.map(one => one.firstChild.textContent)")
        assert len(set(texts)) == len(texts) >= 8, place
        titles = shown.evaluate_all("all => all.map(one => one.title)")
        assert all(any(name in title for name in LONG) for title in titles), place
        # And the style sheet cuts no more of them.
        cut = shown.evaluate_all("all => all.filter(one => one.scrollWidth > one.clientWidth + 1).length")
        assert cut == 0, place
    leaves = alone.page.locator(".kd-tree g:last-child text")
    texts = leaves.evaluate_all("all => all.map(one => one.querySelector('tspan').textContent)")
    assert len(set(texts)) == len(texts) == classes
    assert leaves.evaluate_all("all => all.map(one => one.querySelector('title').textContent)") == LONG[:classes]
    assert not alone.page.locator(".kd-lab b").count()
    hint = alone.point("teacher", 1, classes - 1, classes)
    assert hint.startswith(f"True {LONG[1]} → {LONG[classes - 1]}: ")


# --- the page Specialists ---------------------------------------------------------------------------------------------

SHOW = """async ([source, traits, bytes]) => {
  const { default: view } = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  for (const [name, text] of Object.entries(bytes))
    traits[name] = new DataView(Uint8Array.from(atob(text), (one) => one.charCodeAt(0)).buffer);
  const place = document.createElement("div");
  document.querySelector(".kd-page").append(place);
  view.render({ model: { get: (key) => traits[key], set() {}, on() {}, off() {}, save_changes() {} }, el: place });
}"""


def test_names_on_the_page_of_specialists_are_told_apart(chromium: Browser) -> None:
    folder = Path(kdlab.__file__).parent / "pages" / "specialists"
    style = stylesheet(folder / "specialists.css")
    names, members = [name.upper() for name in LONG[:10]], [0, 1, 2, 3]
    similarity = base64.b64encode(np.random.default_rng(0).random((10, 10)).astype("<f4").tobytes()).decode()
    matrix = {"classes": names, "order": list(range(10)), "joints": [], "found": [members]}
    shares = [0.1] * 10
    answer = {
        "classes": names,
        "truth": 3,
        "n": 1,
        "generalist": shares,
        "together": shares,
        "first": [0],
        "specialists": [{"asked": True, "members": members, "shares": [0.2] * 5}],
    }
    gallery = {"shape": [1, 1, 1], "examples": [0], "truths": [names[3]]}
    asking = {"gallery": gallery, "outcomes": ["right"], "chosen": 0, "answer": answer}
    page = chromium.new_page(viewport={"width": 390, "height": 844})
    page.set_content(f"<style>{style}</style><div class='kd-page'></div>")
    for entry, traits, held in (
        ("confused.js", {"subsets": [members], "texts": {}, "matrix": matrix}, {"similarity": similarity}),
        ("asking.js", asking, {"pixels": "AA=="}),
    ):
        page.evaluate(SHOW, [bundle(folder / entry), traits, held])
    for place, count in ((".kd-class-names span", 10), (".kd-generalist .kd-shares th span:last-child", 10)):
        texts = page.locator(place).all_text_contents()
        assert len(set(texts)) == len(texts) == count, place
    cut = "all => all.filter(one => one.scrollWidth > one.clientWidth + 1).length"
    assert page.locator(".kd-class-names").evaluate_all(cut) == 0
    assert page.locator(".kd-shares th").evaluate_all(cut) == 0
    page.close()
