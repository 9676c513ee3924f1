"""What a browser's translator does to a page: it puts other nodes in the place of the texts, again as they change."""

from playwright.sync_api import Page

__all__ = ["MARK", "translate"]

MARK = "′"
TRANSLATE = """([mark, everything]) => {
  const marked = (text) =>
    text.parentElement.closest(everything ? ".kd-plot" : "[translate=no], .notranslate"); // plotly's own are its own
  function translateWithin(root) {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    const texts = [];
    while (walker.nextNode()) texts.push(walker.currentNode);
    if (root.nodeType === Node.TEXT_NODE) texts.push(root);
    for (const text of texts) {
      const known = text.parentElement?.dataset.kdTranslated !== undefined;
      if (known || !text.parentElement || !text.data.trim() || marked(text)) continue;
      if (text.parentElement.matches("script, style, textarea")) continue;
      if (text.parentElement.matches("option")) {
        text.parentElement.dataset.kdTranslated = "";
        text.data += mark;
        continue;
      }
      const inner = document.createElement("font");
      inner.dataset.kdTranslated = "";
      inner.textContent = text.data + mark;
      const outer = document.createElement("font");
      outer.append(inner);
      text.replaceWith(outer);
    }
  }
  const watched = { subtree: true, childList: true, characterData: true };
  const observer = new MutationObserver((records) => {
    for (const { type, target, addedNodes } of records)
      for (const node of type === "childList" ? addedNodes : [target]) if (node.isConnected) translateWithin(node);
  });
  translateWithin(document.body);
  observer.observe(document.body, watched);
}"""


def translate(page: Page, everything: bool = False) -> None:
    """Translate what is on the page and what comes to it; `everything`: what is marked to stay, too."""
    page.evaluate(TRANSLATE, [MARK, everything])
