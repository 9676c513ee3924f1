"""A kernel or a server that is lost is said in a dialog, and takes neither run nor choices along."""

import signal
from collections.abc import Callable

from dashboard import Dashboard
from playwright.sync_api import expect
from servers import Server
from test_reload import run_of, wait_for_hash


def test_a_dialog_when_the_kernel_dies_and_the_run_goes_on(visit: Callable[..., Dashboard]) -> None:
    dashboard = visit()
    page = dashboard.page
    dashboard.begin(teacher_epochs=1, epochs=200)
    run = run_of(page)
    dashboard.kernel().send_signal(signal.SIGKILL)
    dashboard.expect_state("running")  # as far as this page knows
    again = page.get_by_role("button", name="Load the page again")
    expect(again).to_be_visible()
    with page.expect_navigation(wait_until="commit"):
        again.click()
    dashboard.expect_state("done")
    expect(dashboard.verdict).to_contain_text("McNemar")
    assert run_of(page) == run
    dashboard.press("reset")
    dashboard.expect_state("idle")
    page.wait_for_function("location.hash === ''")
    dashboard.problems.clear()  # the browser says that the kernel's connection is lost


def test_a_dialog_while_the_server_is_away_goes_when_it_is_back(
    visit: Callable[..., Dashboard], serve: Callable[[str], Server]
) -> None:
    dashboard = visit()
    dialog = dashboard.page.get_by_role("dialog")
    with serve("voila").suspended():
        expect(dialog).to_contain_text("The server does not answer")
    expect(dialog).to_be_hidden()
    dashboard.fill("Epochs", 33)
    wait_for_hash(dashboard.page, "epochs=33")
