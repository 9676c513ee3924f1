"""The contrast of every text that is seen, by its colour and by a picture of what lies behind it."""

import io
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page

__all__ = ["FRAMES", "Text", "faint_texts", "seen_texts"]

MIN_CONTRAST = 4.5  # of WCAG 2.2, level AA, for small text
# What follows a change of the colours is drawn: views ask for a frame, and some of them ask in it for one more.
FRAMES = """() => new Promise(done => {
  const wait = (count) => requestAnimationFrame(() => count ? wait(count - 1) : done());
  wait(3);
})"""
HIDDEN = "*, *::before, *::after, *::placeholder"
HIDE = f"""() => document.head.append(Object.assign(document.createElement("style"), {{id: "hide-texts", textContent: `
  {HIDDEN} {{ color: transparent !important; -webkit-text-fill-color: transparent !important;
    text-shadow: none !important; caret-color: transparent !important; transition: none !important; }}
  svg :is(text, tspan) {{ fill: transparent !important; }}`}}))"""
SHOW = "() => document.getElementById('hide-texts').remove()"
# Texts that are seen, each with its box, its colour as red, green, blue and opacity, and the element that it is in.
# What is disabled is exempt, and so is what is only there for screen readers.
COLLECT = """root => {
  const texts = [];
  const rgba = (colour) => {
    const [red, green, blue, alpha = 1] = colour.match(/[\\d.]+/g).map(Number);
    return [red, green, blue, alpha];
  };
  const clipped = (box, element) => {
    let {left, top, right, bottom} = box;
    for (let node = element; node && node !== document.body; node = node.parentElement) {
      if (node instanceof SVGElement && node.tagName !== "svg") continue;
      if (getComputedStyle(node).overflow === "visible") continue;
      const edge = node.getBoundingClientRect();
      [left, top] = [Math.max(left, edge.left), Math.max(top, edge.top)];
      [right, bottom] = [Math.min(right, edge.right), Math.min(bottom, edge.bottom)];
    }
    [left, top] = [Math.max(left, 0), Math.max(top, 0)];
    [right, bottom] = [Math.min(right, innerWidth), Math.min(bottom, innerHeight)];
    return right - left >= 3 && bottom - top >= 3 ? [left, top, right, bottom] : null;
  };
  const note = (text, element, box, style) => {
    if (!text.trim() || element.closest(":disabled, [aria-disabled=true]")) return;
    const visible = {opacityProperty: true, visibilityProperty: true, contentVisibilityAuto: true};
    if (!element.checkVisibility(visible)) return;
    const place = clipped(box, element);
    if (!place) return;
    const svg = element instanceof SVGElement;
    const colour = rgba(svg ? style.fill : style.color);
    if (svg) colour[3] *= Number(style.fillOpacity);
    for (let node = element; node; node = node.parentElement) colour[3] *= Number(getComputedStyle(node).opacity);
    const name = `${element.tagName.toLowerCase()}.${element.getAttribute("class") ?? ""}`;
    texts.push({text: text.trim().slice(0, 40), element: name, box: place, colour});
  };
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (element.closest("script, style, noscript, option, title, template")) continue;
    range.selectNodeContents(walker.currentNode);
    for (const box of range.getClientRects()) note(walker.currentNode.data, element, box, getComputedStyle(element));
  }
  const fields = "select, input:not([type=range], [type=checkbox], [type=radio], [type=file])";
  for (const field of root.querySelectorAll(fields)) {
    const text = field.tagName === "SELECT" ? field.selectedOptions[0]?.text ?? "" : field.value;
    const style = getComputedStyle(field, text ? null : "::placeholder");
    note(text || field.placeholder || "", field, field.getBoundingClientRect(), style);
  }
  return texts;
}"""


class Text(NamedTuple):
    """A text that is seen, the element that it is in, and its contrast to what lies behind it."""

    text: str
    element: str
    contrast: float


def seen_texts(page: Page, root: str) -> list[Text]:
    """Return the texts inside the element `root` that lie in the window."""
    page.evaluate(FRAMES)
    texts = page.locator(root).first.evaluate(COLLECT)
    page.evaluate(HIDE)
    page.evaluate(FRAMES)
    picture = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"), dtype=np.int64)
    page.evaluate(SHOW)
    return [_measure(text, picture) for text in texts]


def faint_texts(page: Page, root: str = "body") -> list[Text]:
    """Return the texts that are too faint; there must be some that are seen."""
    texts = seen_texts(page, root)
    assert texts
    return [text for text in texts if text.contrast < MIN_CONTRAST]


def _measure(text: dict[str, Any], picture: NDArray[np.int64]) -> Text:
    left, top, right, bottom = (round(edge) for edge in text["box"])
    pixels = picture[top:bottom, left:right].reshape(-1, 3)
    values, counts = np.unique(pixels @ [65536, 256, 1], return_counts=True)
    most = int(values[counts.argmax()])  # lines and ticks may cross a text
    ground = np.array([most >> 16, most >> 8 & 255, most & 255])
    *colour, opacity = text["colour"]
    low, high = sorted((_luminance(ground), _luminance(opacity * np.array(colour) + (1 - opacity) * ground)))
    return Text(text["text"], text["element"], round((high + 0.05) / (low + 0.05), 2))


def _luminance(colour: NDArray[np.float64]) -> float:
    shares = np.asarray(colour) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
