"""Choices and runs outlive what happens to a page: a reload, a second tab, a while in which nobody looks."""

import re
from collections.abc import Callable

from dashboard import Dashboard
from playwright.sync_api import Page, expect

RUN = re.compile(r"run=([\w-]+)")


def run_of(page: Page) -> str:
    """Wait until the address names a run, and return it."""
    page.wait_for_function("/run=[\\w-]+/.test(location.hash)")
    return RUN.search(page.url)[1]


def wait_for_hash(page: Page, *parts: str) -> None:
    page.wait_for_function("parts => parts.every(part => location.hash.includes(part))", arg=list(parts))


def expect_same_step(one: Dashboard, other: Dashboard) -> None:
    """Expect that two pages of a run that is paused come to say the same step."""
    for late, early in ((other, one), (one, other), (other, one)):
        late.wait_for_step(early.step())
    assert one.step() == other.step()


def offered(dashboard: Dashboard) -> list[str]:
    buttons = dashboard.page.locator(".kd-buttons button[aria-disabled=false]")
    return buttons.evaluate_all("all => all.map(one => one.dataset.action)")


def test_choices_come_back(visit: Callable[..., Dashboard]) -> None:
    dashboard = visit()
    page = dashboard.page
    assert "#" not in page.url
    dashboard.fill("Epochs", 77)
    temperature = dashboard.turn("temperature", "ArrowRight", 4)
    page.get_by_label("Student", exact=True).select_option("Other …")
    dashboard.fill("Student name", "mlp:24x1")
    wait_for_hash(page, "epochs=77", "temperature=", "student=mlp:24x1")
    page.reload(wait_until="commit")
    expect(page.get_by_label("Epochs", exact=True)).to_have_value("77")
    expect(page.get_by_label("Student name", exact=True)).to_have_value("mlp:24x1")
    expect(page.locator(".kd-knob-temperature output")).to_have_text(f"{temperature:.2f}")
    # A link within the page, as a person edits the address.
    page.evaluate("location.hash = 'epochs=55&seed=4'")
    expect(page.get_by_label("Epochs", exact=True)).to_have_value("55")
    expect(page.get_by_label("Seed", exact=True)).to_have_value("4")
    expect(page.locator(".kd-knob-temperature output")).to_have_text("4.00")
    dashboard.press("reset")
    page.wait_for_function("location.hash === ''")
    expect(page.get_by_label("Epochs", exact=True)).to_have_value("1000")


def test_a_bad_address_is_a_sentence_and_the_page_works(visit: Callable[..., Dashboard]) -> None:
    dashboard = visit("seed=4&__proto__=1&constructor=%3Cimg%20src=x%20onerror=alert(1)%3E")
    page = dashboard.page
    for seed, link, words in (
        (4, None, "no choice '__proto__'"),
        (5, "epochs=banana&seed=5", "The address's epochs cannot be used"),
        (6, "seed=6&run=nobody-has-this", "This run is not here any more"),
        (7, "seed=7&teacher=%E0%A4", "cannot be read"),
        (8, "seed=8&__proto__=1&constructor=%3Cimg%20src=x%20onerror=alert(1)%3E", "no choice '__proto__'"),
    ):
        if link:  # as a person edits the address of an open page
            page.evaluate("link => (location.hash = link)", link)
        expect(dashboard.error).to_contain_text(words)
        expect(page.get_by_label("Seed", exact=True)).to_have_value(str(seed))
        page.wait_for_function("seed => location.hash === `#seed=${seed}`", arg=seed)
        assert offered(dashboard) == ["start", "step", "reset"]
        assert page.locator(".kd-run img").count() == 0


def test_a_run_is_found_again_after_a_reload_and_in_a_second_tab(visit: Callable[..., Dashboard]) -> None:
    dashboard = visit()
    dashboard.begin(teacher_epochs=1, epochs=9000)
    dashboard.wait_for_step(5)
    run, step = run_of(dashboard.page), dashboard.step()
    dashboard.page.reload(wait_until="commit")
    dashboard.expect_state("running")
    dashboard.wait_for_step(step + 1)
    assert run_of(dashboard.page) == run
    expect(dashboard.page.get_by_label("Epochs", exact=True)).to_have_value("9000")
    assert offered(dashboard) == ["pause", "step", "stop", "reset"]
    dashboard.press("pause")
    dashboard.expect_state("paused")
    dashboard.wait_until_drawn()

    other = visit(dashboard.page.url.split("#")[1])
    other.expect_state("paused")
    expect_same_step(dashboard, other)
    other.press("resume")
    dashboard.page.bring_to_front()
    dashboard.expect_state("running")
    dashboard.press("pause")
    for one in (dashboard, other):
        one.expect_state("paused")
    expect_same_step(dashboard, other)
    dashboard.press("resume")
    other.expect_state("running")
    other.page.close()
    dashboard.wait_for_step(dashboard.step() + 5)  # a page that closes leaves it alone
    dashboard.press("stop")
    dashboard.expect_state("stopped")
    dashboard.page.reload(wait_until="commit")
    dashboard.expect_state("stopped")
    assert dashboard.errors()
