"""What a person does on the page "Specialists", with a small run of their own."""

import re
from collections.abc import Callable, Iterator

import pytest
from conftest import save_picture
from playwright.sync_api import Locator, expect
from servers import Server
from test_experiments import Window
from windows import DESKTOP, TELEPHONE, Windows

pytestmark = pytest.mark.timeout(600)
TINY = {"Network name": "mlp:16x1", "Specialists": 3, "Epochs": 4, "Specialist epochs": 1, "Student epochs": 1}
TRAINING = 300_000  # milliseconds


class Specialists(Window):
    """The page with its editor of subsets and its pictures."""

    def train(self) -> None:
        """Train what the page needs on the digits, and wait until it is shown."""
        self.page.set_default_timeout(TRAINING)
        self.open("specialists")
        self.page.get_by_label("Network", exact=True).select_option("Other …")
        for label, value in TINY.items():
            self.fill(label, value)
        self.press("start")
        expect(self.run).to_have_attribute("data-state", "done", timeout=TRAINING)
        expect(self.page.locator(".kd-matrix-origin")).to_contain_text("Classes of digits, this run.")

    def dot(self, name: str, specialist: int) -> Locator:
        return self.page.get_by_role("checkbox", name=f"{name} in specialist {specialist}", exact=True)

    def classes(self, specialist: int) -> set[str]:
        """Return what a column of dots says."""
        dots = self.page.locator(f".kd-dots [role=checkbox][data-column='{specialist - 1}'][aria-checked=true]")
        return {label.split()[0] for label in dots.evaluate_all("all => all.map(one => one.ariaLabel)")}

    def expect_same(self) -> None:
        """Expect that the settings come to say what the dots do."""
        count = self.page.locator(".kd-dots [role=radio]").count()
        shown = [self.classes(one) for one in range(1, count + 1)]
        text = "; ".join(", ".join(sorted(one)) for one in shown)  # digits are in the order of their names
        expect(self.page.locator(".kd-setup").get_by_label("Subsets", exact=True)).to_have_value(text)

    def order(self) -> list[str]:
        return self.page.locator(".kd-class-names span").all_text_contents()


@pytest.fixture(scope="module")
def here(
    windows: Windows, serve: Callable[[str], Server], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Specialists]:
    """Return the page after a run; one is enough for all tests."""
    window = windows.lend(serve("voila"), DESKTOP, Specialists)
    try:
        window.train()
        yield window
        problems = list(window.problems)
    finally:
        save_picture(window.page, tmp_path_factory.mktemp("specialists"))
        windows.have_back(window)
    assert not problems


def test_classes_are_put_in_taken_out_and_moved(here: Specialists) -> None:
    page, order = here.page, here.order()
    assert sorted(order) == list("0123456789")
    middle = "all => all.map(one => one.getBoundingClientRect()).map(box => box.top + box.height / 2)"
    names = page.locator(".kd-class-names span").evaluate_all(middle)
    dots = page.locator(".kd-dots [role=checkbox][data-column='0']").evaluate_all(middle)
    assert dots == pytest.approx(names, abs=1)
    heat = page.locator(".kd-heat-cells").bounding_box()
    assert heat["y"] + heat["height"] / 20 == pytest.approx(names[0], abs=1)
    before = here.classes(1)
    out = next(name for name in order if name not in before)

    # A click puts in, another takes out.
    for now in (before | {out}, before):
        here.dot(out, 1).click()
        assert here.classes(1) == now
        here.expect_same()

    # The keyboard does the same, and moves to the next column.
    second = here.classes(2)
    here.dot(order[0], 1).focus()
    for key in ("ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    expect(here.dot(order[1], 2)).to_be_focused()
    for key, now in (("Enter", second ^ {order[1]}), ("Space", second)):
        page.keyboard.press(key)
        assert here.classes(2) == now
    member = sorted(before)[0]
    here.dot(member, 1).focus()
    page.keyboard.press("Shift+ArrowRight")
    assert member not in here.classes(1)
    assert member in here.classes(2)
    expect(here.dot(member, 2)).to_be_focused()
    page.keyboard.press("Shift+ArrowLeft")
    assert here.classes(1) == before
    here.expect_same()

    # Dragged to the third column.
    start, end = (here.dot(member, column).bounding_box() for column in (1, 3))
    page.mouse.move(start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
    page.mouse.down()
    page.mouse.move(end["x"] + end["width"] / 2, end["y"] + 4, steps=5)
    expect(page.locator(".kd-hint")).to_contain_text(f"{member} moves from specialist 1 to 3.")
    page.mouse.up()
    assert member not in here.classes(1)
    assert member in here.classes(3)
    here.expect_same()

    # A cell of the matrix puts both its classes into the chosen specialist.
    page.get_by_role("radio", name="Specialist 2", exact=True).click()
    cells = page.locator(".kd-heat-cells")
    box = cells.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.95, box["y"] + box["height"] * 0.05)
    assert {order[0], order[9]} <= here.classes(2)
    cells.focus()
    for key in ("ArrowDown", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    expect(page.locator(".kd-hint")).to_contain_text("into specialist 2")
    here.expect_same()

    # What cannot be used is said below, and Start says the same.
    page.get_by_role("button", name="+ Add a specialist").click()
    complaint = page.locator(".kd-confused .kd-error")
    expect(complaint).to_have_text("Specialist 4 has no class: give it one or more, or remove it.")
    here.press("start")
    expect(page.locator(".kd-run .kd-error")).to_have_text(complaint.inner_text())
    here.expect_state("done")
    page.get_by_role("button", name="− Remove specialist 4").click()
    expect(complaint).to_be_hidden()
    expect(page.locator(".kd-run .kd-error")).to_be_hidden()

    # What is typed is shown; as found brings the clusters back.
    here.fill("Subsets", "1, 7; 3, 8, 9")
    expect(page.locator(".kd-dots [role=radio]")).to_have_count(2)
    assert [here.classes(1), here.classes(2)] == [{"1", "7"}, {"3", "8", "9"}]
    page.get_by_role("button", name="↺ As found").click()
    expect(page.locator(".kd-dots [role=radio]")).to_have_count(3)
    assert here.classes(1) == before
    expect(page.locator(".kd-setup").get_by_label("Subsets", exact=True)).to_have_value("")


def test_pictures_are_asked_about(here: Specialists) -> None:
    page = here.page
    sentence = page.locator(".kd-answer .kd-sentence")
    asked = page.locator(".kd-specialist")
    slider = page.locator(".kd-ask .kd-knob-n input")
    slider.focus()
    page.keyboard.press("Home")
    expect(sentence).to_contain_text("With n = 0 nobody else is asked, and its answer stands.")
    expect(asked).to_have_count(0)
    bars = ".kd-prediction.kd-{} .kd-shares .kd-value"
    alone = page.locator(bars.format("generalist")).all_text_contents()
    assert page.locator(bars.format("together")).all_text_contents() == alone
    page.keyboard.press("End")
    expect(asked).to_have_count(3)  # the five first classes are some of nine
    expect(page.locator(".kd-explore .kd-knob-n output")).to_have_text("5")
    expect(page.locator(".kd-not-asked")).to_have_text("All were asked.")
    expect(page.locator(".kd-shares .kd-dustbin")).to_have_count(3)

    # The sliders of "Move and see" are the same.
    page.locator(".kd-explore .kd-knob-n input").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".kd-ask .kd-knob-n output")).to_have_text("1")
    expect(sentence).to_contain_text("most probable class")

    # Another picture, and only those of one kind.
    pictures = page.locator(".kd-picture-picker .kd-pictures button:visible")
    pictures.nth(3).click()
    expect(pictures.nth(3)).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".kd-answer-head strong")).to_have_text(
        re.search(r", (\d):", pictures.nth(3).get_attribute("title"))[1]
    )
    choice = page.locator(".kd-picture-picker .kd-segments label", has_text="Both wrong")
    choice.click()
    count = int(choice.locator("small").inner_text())
    assert count > 0
    expect(pictures).to_have_count(count)
    expect(sentence).to_contain_text("wrong\u00a0✗")
    assert set(pictures.evaluate_all("all => all.map(one => one.dataset.outcome)")) == {"wrong"}


@pytest.mark.parametrize("size", [DESKTOP, TELEPHONE], ids=["desktop", "telephone"])
def test_nothing_overflows(
    size: tuple[int, int], lend: Callable[..., Specialists], serve: Callable[[str], Server]
) -> None:
    window = lend(serve("voila"), size, Specialists)
    page = window.page
    window.open("specialists")  # with the result that comes with kdlab
    expect(page.locator(".kd-prediction").first).to_be_visible()
    assert page.evaluate("document.scrollingElement.scrollWidth") <= size[0]
    boxes = "all => all.map(one => one.getBoundingClientRect().toJSON())"
    for box in page.locator(".kd-rows > :visible, .kd-prediction, .kd-pictures, .kd-tools button").evaluate_all(boxes):
        assert box["left"] >= 0
        assert box["right"] <= size[0]
