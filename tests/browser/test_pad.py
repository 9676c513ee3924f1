"""Drawing a digit and asking small networks about it, all inside a real Chromium."""

import base64
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, BrowserContext, Error, Page, expect
from torch import nn

import kdlab
from kdlab import models
from kdlab.datasets import load
from kdlab.io.portable_network import portable
from kdlab.train.evaluate import predict
from kdlab.widgets.esm import bundle

TEMPERATURE = Path(kdlab.__file__).parent / "pages" / "temperature"
MNIST = Path(os.environ.get("KDLAB_DATA", "nowhere"), "MNIST/raw")
needs_mnist = pytest.mark.skipif(not MNIST.is_dir(), reason="KDLAB_DATA has no MNIST")
TOOLS = {"mouse": {}, "pen": {"device_scale_factor": 1.5}, "finger": {"has_touch": True, "device_scale_factor": 2}}

LOAD = """async ([name, source]) => {
  const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  globalThis[name] = (await import(address)).default;
  globalThis.floats = (text) => new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
}"""
PREDICT = """([layers, weights, shape, images]) => {
  const predict = network.makeNetwork(layers, floats(weights), shape);
  const [all, size] = [floats(images), shape[0] * shape[1] * shape[2]];
  const one = (_, i) => Array.from(predict(all.subarray(i * size, (i + 1) * size)));
  return Array.from({ length: all.length / size }, one);
}"""
CENTRE = """([drawing, width, height]) => {
  const image = digit.centre(floats(drawing), width, height);
  return image && Array.from(image);
}"""
SHOW = """(tool) => {
  Object.assign(globalThis, { tool, heard: [], types: [] });
  globalThis.drawn = pad.makePad({ onDrawn: (pixels) => heard.push(pixels && Array.from(pixels)) });
  const place = Object.assign(document.createElement("div"), { style: "width: 280px; margin: 40px" });
  document.body.append(place);
  place.append(drawn.element);
  const canvas = document.querySelector(".kd-pad-canvas");
  canvas.addEventListener("pointerdown", ({ pointerType }) => (types = [pointerType]));
}"""


def load_module(page: Page, name: str) -> None:
    (path,) = TEMPERATURE.glob(f"*/{name}.js")
    page.evaluate(LOAD, [name, bundle(path)])


def packed(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array, np.float32).tobytes()).decode()


def mass_centre(image: np.ndarray) -> np.ndarray:
    return np.array([(np.indices(image.shape)[axis] * image).sum() for axis in (0, 1)]) / image.sum()


@pytest.fixture(scope="module")
def page(chromium: Browser) -> Iterator[Page]:
    page = chromium.new_page()
    load_module(page, "network")
    load_module(page, "digit")
    yield page
    page.close()


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("mlp:30x2", (1, 28, 28)),
        ("cnn:width=16", (1, 28, 28)),
        ("cnn:width=3", (3, 7, 9)),
        ("cnn:width=3", (2, 1, 5)),
    ],
)
def test_the_browser_predicts_what_torch_predicts(page: Page, name: str, shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    module = _with_statistics(models.build(name, shape, 10))
    images = torch.rand(5, *shape)
    with torch.no_grad():
        expected = module(images).numpy()
    layers, weights = portable(module)
    logits = page.evaluate(PREDICT, [layers, packed(weights), shape, packed(images.numpy())])
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-4)


@needs_mnist
@pytest.mark.parametrize("name", ["mlp:30x2", "cnn:width=16"])
def test_the_browser_predicts_real_images_as_torch_does(page: Page, name: str) -> None:
    torch.manual_seed(1)
    mnist = load("mnist")
    test = mnist.test.take(torch.arange(100))
    module = _with_statistics(models.build(name, mnist.shape, 10))
    layers, weights = portable(module)
    logits = page.evaluate(PREDICT, [layers, packed(weights), mnist.shape, packed(test.inputs().numpy())])
    np.testing.assert_allclose(logits, predict(module, test).numpy(), rtol=1e-5, atol=1e-4)


def test_a_network_refuses_weights_of_another(page: Page) -> None:
    layers, weights = portable(models.build("mlp:3x1", (1, 2, 2), 2))
    with pytest.raises(Exception, match="The layers need 23 weights; there are 24"):
        page.evaluate(PREDICT, [layers, packed(np.append(weights, 0)), [1, 2, 2], packed(np.zeros(4))])


@needs_mnist
def test_an_enlarged_image_of_mnist_comes_back(page: Page) -> None:
    rng = np.random.default_rng(0)
    for image in load("mnist").test.inputs(slice(200)).numpy()[:, 0]:
        drawing = np.zeros((280, 280))
        top, left = rng.integers(0, 280 - 6 * 28 + 1, 2)
        drawing[top : top + 6 * 28, left : left + 6 * 28] = image.repeat(6, 0).repeat(6, 1)
        np.testing.assert_allclose(_centred(page, drawing), image, atol=1e-6)


@needs_mnist
@pytest.mark.parametrize("factor", [3.7, 8.3])
def test_a_drawing_of_any_size_becomes_like_mnist(page: Page, factor: float) -> None:
    images = load("mnist").test.images[:50].float() / 255
    large = nn.functional.interpolate(images, scale_factor=factor, mode="bilinear").numpy()[:, 0]
    differences = []
    for drawing, image in zip(large, images.numpy()[:, 0], strict=True):
        ours = _centred(page, drawing)
        differences.append(np.abs(ours - image).mean())
        assert np.abs(mass_centre(ours) - 14).max() <= 0.5 + 1e-5
        sides = [np.ptp(np.flatnonzero(ours.any(axis))) + 1 for axis in (0, 1)]
        assert max(sides) == 20
    assert np.mean(differences) < 0.045  # 0.034 from the soft edges; one pixel beside the place would be 0.06


def test_small_drawings_are_enlarged_smoothly(page: Page) -> None:
    ours = _centred(page, np.array([[0, 0, 0, 0], [0, 1, 0.5, 0], [0, 0.5, 1, 0], [0, 0, 0, 0]]))
    assert (np.ptp(np.flatnonzero(ours.any(0))) + 1, np.ptp(np.flatnonzero(ours.any(1))) + 1) == (20, 20)
    assert 0 < ours.max() <= 1
    assert len(np.unique(ours.round(4))) > 10
    assert np.abs(mass_centre(ours) - 14).max() <= 0.5


def test_a_dot_a_line_and_nothing(page: Page) -> None:
    drawing = np.zeros((30, 50))
    assert page.evaluate(CENTRE, [packed(drawing), 50, 30]) is None
    drawing[29, 49] = 0.5
    dot = _centred(page, drawing)
    assert np.count_nonzero(dot) == 20 * 20
    drawing[:] = 0
    drawing[7] = 1
    line = _centred(page, drawing)
    assert np.count_nonzero(line) == 20
    assert line[14].sum() == pytest.approx(8)  # 2.5 drawing pixels to one, of which one has ink


def test_what_falls_outside_is_cut(page: Page) -> None:
    drawing = np.zeros((200, 200))
    drawing[:, :2] = 1e-3
    drawing[:, 150:] = 1
    drawing[0, 0] = 1
    ours = _centred(page, drawing)
    assert ours.sum() == pytest.approx(5 * 20, rel=0.01)  # the right quarter; the faint left edge is not in the image
    assert ours[:, 0].max() == 0


@pytest.fixture(scope="module", params=TOOLS)
def tool_page(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[tuple[str, Page]]:
    """A tool, and a page in a window for it."""
    context = chromium.new_context(viewport={"width": 390, "height": 700}, **TOOLS[request.param])
    yield request.param, context.new_page()
    context.close()


@pytest.fixture
def pad(tool_page: tuple[str, Page]) -> Iterator[Page]:
    tool, page = tool_page
    problems: list[str] = []

    def note(error: Error) -> None:
        problems.append(str(error))

    page.on("pageerror", note)
    page.reload()
    load_module(page, "pad")
    page.evaluate(SHOW, tool)
    yield page
    page.remove_listener("pageerror", note)
    assert not problems


def stroke(page: Page, points: list[tuple[float, float]]) -> None:
    """Draw a line through points of the unit square with the tool that this page is for."""
    box = page.locator(".kd-pad-canvas").bounding_box()
    places = [{"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]} for x, y in _dense(points)]
    client = page.context.new_cdp_session(page)
    tool = page.evaluate("tool")
    if tool == "finger":
        for kind, place in zip(["touchStart", *["touchMove"] * len(places)], [places[0], *places], strict=True):
            client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [place]})
        client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    else:
        held = {"pointerType": tool, "button": "left", "buttons": 1, "clickCount": 1}
        client.send("Input.dispatchMouseEvent", {"type": "mousePressed", **held, **places[0]})
        for place in places:
            client.send("Input.dispatchMouseEvent", {"type": "mouseMoved", **held, **place})
        client.send("Input.dispatchMouseEvent", {"type": "mouseReleased", **held, "buttons": 0, **places[-1]})
    client.detach()
    assert page.evaluate("types") == ["touch" if tool == "finger" else tool]


def heard(page: Page) -> Any:
    """What the last change was said to be, once two frames have passed."""
    last = page.evaluate(
        "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(heard.at(-1)))))"
    )
    return last if last is None else np.array(last).reshape(28, 28)


ONE, SEVEN = [(0.5, 0.15), (0.5, 0.85)], [(0.2, 0.2), (0.8, 0.2), (0.45, 0.9)]


def test_a_drawn_one_and_seven(pad: Page) -> None:
    expect(pad.locator(".kd-pad-placeholder")).to_have_text("Draw a digit here")
    expect(pad.locator(".kd-pad-placeholder")).to_be_visible()
    stroke(pad, ONE)
    one = heard(pad)
    expect(pad.locator(".kd-pad-placeholder")).to_be_hidden()
    rows, columns = np.flatnonzero(one.any(1)), np.flatnonzero(one.any(0))
    assert np.ptp(rows) + 1 == 20
    assert 2 <= np.ptp(columns) + 1 <= 4  # as thin as MNIST's
    assert one.max() == pytest.approx(1, abs=0.02)
    assert np.abs(mass_centre(one) - 14).max() <= 0.5
    assert pad.evaluate("scrollY") == 0

    pad.get_by_role("button", name="Clear").click()
    assert heard(pad) is None
    stroke(pad, SEVEN)
    seven = heard(pad)
    digit = seven[seven.any(1)] > 0.5
    bar, stem = np.flatnonzero(digit[:3].any(0)), np.flatnonzero(digit[-4:].any(0))
    assert np.ptp(bar) + 1 >= 15
    assert np.ptp(stem) + 1 <= 5
    assert bar.min() < stem.min() < stem.max() < bar.max()

    # What is shown beside the pad is what the networks get.
    shown = pad.locator(".kd-pad-preview-image").evaluate(
        "canvas => [...canvas.getContext('2d').getImageData(0, 0, 28, 28).data]"
    )
    np.testing.assert_allclose(np.array(shown).reshape(28, 28, 4)[..., 0] / 255, seven, atol=0.003)


def test_undo_and_clear(pad: Page) -> None:
    undo, clear = pad.get_by_role("button", name="Undo stroke"), pad.get_by_role("button", name="Clear")
    expect(undo).to_have_attribute("aria-disabled", "true")
    stroke(pad, ONE)
    one = heard(pad)
    expect(undo).to_have_attribute("aria-disabled", "false")
    stroke(pad, [(0.2, 0.5), (0.8, 0.5)])
    assert not np.array_equal(heard(pad), one)
    undo.click()
    assert np.array_equal(heard(pad), one)
    undo.click()
    assert heard(pad) is None
    expect(clear).to_have_attribute("aria-disabled", "true")
    count = pad.evaluate("heard.length")
    clear.press("Enter")
    heard(pad)
    assert pad.evaluate("heard.length") == count  # nothing changed, nothing is said
    stroke(pad, ONE)
    clear.press("Enter")
    assert heard(pad) is None


def test_a_dot_is_ink_and_the_drawing_survives_a_new_size(pad: Page) -> None:
    stroke(pad, [(0.5, 0.5)])
    assert heard(pad).sum() > 200
    stroke(pad, SEVEN)
    before = heard(pad)
    pad.evaluate("drawn.element.parentNode.style.width = '150px'")
    stroke(pad, [(0.1, 0.9)])
    pad.get_by_role("button", name="Undo stroke").click()
    assert np.array_equal(heard(pad), before)
    sizes = pad.evaluate(
        "(canvas => [canvas.width, canvas.clientWidth * devicePixelRatio])(document.querySelector('.kd-pad-canvas'))"
    )
    assert sizes[0] == sizes[1]
    assert pad.locator(".kd-pad-canvas").evaluate(
        "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)"
    )


def test_once_a_frame_at_most(pad: Page) -> None:
    pad.evaluate("""() => {
      globalThis.frames_ = 0;
      const count = () => { frames_++; requestAnimationFrame(count); };
      requestAnimationFrame(count);
    }""")
    stroke(pad, SEVEN)
    heard(pad)
    said, frames = pad.evaluate("[heard.length, frames_]")
    assert 1 < said <= frames + 1


def test_the_keyboard_passes_through(pad: Page) -> None:
    pad.evaluate(
        "() => { for (const side of ['prepend', 'append']) document.body[side](document.createElement('input')); }"
    )
    pad.locator("input").first.focus()
    focused = []
    for _ in range(4):
        pad.keyboard.press("Tab")
        focused.append(pad.evaluate("document.activeElement.textContent || document.activeElement.tagName"))
    assert focused == ["Open a picture …", "Undo stroke", "Clear", "INPUT"]
    canvas = pad.get_by_role("img", name="Draw one digit in it with a mouse, a pen or a finger")
    expect(canvas).to_be_visible()
    expect(pad.locator(".kd-pad-note")).to_contain_text("one of the examples")


def test_a_second_finger_and_a_right_button_draw_nothing(chromium: Browser) -> None:
    context: BrowserContext = chromium.new_context(has_touch=True)
    page = context.new_page()
    load_module(page, "pad")
    page.evaluate(SHOW, "finger")
    box = page.locator(".kd-pad-canvas").bounding_box()
    x, y = box["x"] + 60, box["y"] + 60
    page.mouse.click(x, y, button="right")
    assert heard(page) is None
    first, second = {"x": x, "y": y, "id": 1}, {"x": x + 100, "y": y + 100, "id": 2}
    client = context.new_cdp_session(page)

    def touch(kind: str, *points: dict[str, float]) -> None:
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": list(points)})

    touch("touchStart", first)
    touch("touchStart", first, second)
    touch("touchMove", first, second | {"y": y})
    touch("touchEnd", first)
    touch("touchEnd")
    dot = heard(page)
    assert np.ptp(np.flatnonzero(dot.any(0))) == np.ptp(np.flatnonzero(dot.any(1)))
    context.close()


def _dense(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The corners of a line and what lies between them, as a hand would pass it."""
    if len(points) == 1:
        return points
    corners = np.arange(len(points))
    steps = np.linspace(0, corners[-1], 12 * corners[-1] + 1)
    return [tuple(np.interp(step, corners, axis) for axis in np.transpose(points)) for step in steps]


def _centred(page: Page, drawing: np.ndarray) -> np.ndarray:
    height, width = drawing.shape
    return np.array(page.evaluate(CENTRE, [packed(drawing), width, height])).reshape(28, 28)


def _with_statistics(module: nn.Module) -> nn.Module:
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.running_mean)
            nn.init.uniform_(part.running_var, 0.1, 2)
    return module.eval()
