"""Choices and runs outlive what happens to a page: a reload, a second tab, a kernel or a connection that is lost."""

import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import save_picture
from dashboard import Dashboard
from playwright.sync_api import Browser, Page, expect
from servers import Server
from test_experiments import Window
from windows import DESKTOP, open_window

pytestmark = pytest.mark.browser
LOST = 30_000  # milliseconds in which a page notices that its kernel is gone
RUN = re.compile(r"run=([\w-]+)")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server of its own: kernels are killed here."""
    server = Server("voila", tmp_path_factory.mktemp("reload"))
    yield server
    server.close()


@pytest.fixture
def visit(chromium: Browser, server: Server, tmp_path: Path) -> Iterator[Callable[..., Dashboard]]:
    """Return a function that opens the page "Distil", as another visitor or in a tab beside another one's page."""
    opened: list[Dashboard] = []

    def come(link: str = "", beside: Dashboard | None = None) -> Dashboard:
        if beside:
            opened.append(Dashboard(beside.page.context.new_page(), server, beside.problems))
        else:
            opened.append(open_window(chromium, server, DESKTOP))
        opened[-1].open(link)
        return opened[-1]

    yield come
    for one in opened:
        if not one.page.is_closed():
            save_picture(one.page, tmp_path)
            one.page.context.close()


def run_of(page: Page) -> str:
    """Wait until the address names a run, and return it."""
    page.wait_for_function("/run=[\\w-]+/.test(location.hash)")
    return RUN.search(page.url)[1]


def wait_for_hash(page: Page, *parts: str) -> None:
    page.wait_for_function("parts => parts.every(part => location.hash.includes(part))", arg=list(parts))


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
    assert dashboard.problems == []


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("epochs=banana&seed=4", "The address's epochs cannot be used"),
        ("seed=4&run=nobody-has-this", "This run is not here any more"),
        ("seed=4&teacher=%E0%A4", "cannot be read"),
        ("seed=4&__proto__=1&constructor=%3Cimg%20src=x%20onerror=alert(1)%3E", "no choice '__proto__'"),
    ],
)
def test_a_bad_address_is_a_sentence_and_the_page_works(visit: Callable[..., Dashboard], link: str, words: str) -> None:
    dashboard = visit(link)
    expect(dashboard.error).to_contain_text(words)
    expect(dashboard.page.get_by_label("Seed", exact=True)).to_have_value("4")
    dashboard.page.wait_for_function("location.hash === '#seed=4'")
    assert offered(dashboard) == ["start", "step", "reset"]
    assert dashboard.page.locator(".kd-run img").count() == 0
    assert dashboard.problems == []


def test_a_run_is_found_again_after_a_reload_and_in_a_second_tab(visit: Callable[..., Dashboard]) -> None:
    dashboard = visit()
    dashboard.begin(teacher_epochs=1, epochs=9000)
    dashboard.wait_for_step(50)
    run, step = run_of(dashboard.page), dashboard.step()
    dashboard.page.reload(wait_until="commit")
    dashboard.expect_state("running")
    dashboard.wait_until_drawn()
    dashboard.wait_for_step(step)
    assert run_of(dashboard.page) == run
    expect(dashboard.page.get_by_label("Epochs", exact=True)).to_have_value("9000")
    assert offered(dashboard) == ["pause", "step", "stop", "reset"]

    other = visit(dashboard.page.url.split("#")[1], dashboard)
    other.expect_state("running")
    other.press("pause")
    for one in (dashboard, other):
        one.expect_state("paused")
    assert dashboard.step() == other.step()
    dashboard.press("resume")
    other.expect_state("running")
    other.wait_for_step(other.step() + 20)
    other.page.close()
    dashboard.wait_for_step(dashboard.step() + 20)  # a page that closes leaves it alone
    assert dashboard.problems == []
    dashboard.press("stop")
    dashboard.expect_state("stopped")
    dashboard.page.reload(wait_until="commit")
    dashboard.expect_state("stopped")
    assert dashboard.errors()


def test_a_run_that_ends_while_nobody_looks_is_there(visit: Callable[..., Dashboard]) -> None:
    dashboard = visit()
    dashboard.begin(teacher_epochs=1, epochs=400)
    run_of(dashboard.page)
    link = dashboard.page.url.split("#")[1]
    dashboard.page.goto("about:blank")
    dashboard.page.wait_for_timeout(1)  # the page has gone
    dashboard.open(link)
    dashboard.expect_state("done")
    expect(dashboard.verdict).to_contain_text("McNemar")
    expect(dashboard.status).to_contain_text("Done")


def test_a_dialog_when_the_kernel_dies_and_the_run_goes_on(visit: Callable[..., Dashboard]) -> None:
    dashboard = visit()
    dashboard.begin(teacher_epochs=1, epochs=20000)
    dashboard.wait_for_step(50)
    run, step = run_of(dashboard.page), dashboard.step()
    dashboard.kernel().send_signal(signal.SIGKILL)
    again = dashboard.page.get_by_role("button", name="Load the page again")
    expect(again).to_be_visible(timeout=LOST)
    again.click()
    dashboard.expect_state("running")
    dashboard.wait_for_step(step + 1)
    assert run_of(dashboard.page) == run
    dashboard.press("reset")
    dashboard.expect_state("idle")
    dashboard.page.wait_for_function("location.hash === ''")


def test_a_dialog_while_the_server_is_away_goes_when_it_is_back(
    visit: Callable[..., Dashboard], server: Server
) -> None:
    dashboard = visit()
    dialog = dashboard.page.get_by_role("dialog")
    with server.suspended():
        expect(dialog).to_contain_text("The server does not answer", timeout=LOST)
    expect(dialog).to_be_hidden()
    dashboard.fill("Epochs", 33)
    wait_for_hash(dashboard.page, "epochs=33")


def test_a_run_of_an_experiment_is_found_again(chromium: Browser, server: Server, tmp_path: Path) -> None:
    window = open_window(chromium, server, DESKTOP, Window)
    page = window.page
    window.open("ensemble")
    window.choose_tiny()
    window.press("start")
    run_of(page)
    page.reload(wait_until="commit")
    window.expect_state("done")
    expect(page.locator(".kd-origin")).to_contain_text("This run: quick experiment on digits, 1 seed")
    expect(window.tiles.first).to_have_text("2 together")
    expect(page.locator(".kd-setup").get_by_label("Networks", exact=True)).to_have_value("2")
    assert window.problems == []
    save_picture(page, tmp_path)
    page.context.close()
