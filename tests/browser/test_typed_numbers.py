"""In Firefox: numbers are read as people write them, and the mouse wheel does not turn them."""

import pytest
from dashboard import Dashboard
from playwright.sync_api import Browser, expect
from windows import DESKTOP, Windows


@pytest.fixture(scope="module")
def windows(firefox: Browser) -> Windows:
    return Windows(firefox)


def test_numbers_are_read_as_people_write_them(dashboard: Dashboard) -> None:
    for label, typed, value in (
        ("Learning rate", "0,01", "0.01"),
        ("Epochs", "1e3", "1000"),
        ("Epochs", "55,000", "55000"),
    ):
        dashboard.fill(label, typed)
        expect(dashboard.page.get_by_label(label, exact=True)).to_have_value(value)


def test_what_is_no_whole_number_is_refused_in_a_sentence(dashboard: Dashboard) -> None:
    epochs = dashboard.page.get_by_label("Epochs", exact=True)
    sentence = dashboard.page.locator(".kd-field", has=epochs).locator(".kd-field-error")
    for typed in ("12.5", "2,5", "-5"):
        dashboard.fill("Epochs", typed)
        expect(epochs).to_have_attribute("aria-invalid", "true")
        expect(sentence).to_be_visible()
        dashboard.press("start")
        expect(dashboard.error).to_have_text(sentence.inner_text())
        dashboard.expect_state("idle")
        dashboard.fill("Epochs", "20")
        expect(sentence).to_be_hidden()
        expect(epochs).not_to_have_attribute("aria-invalid", "true")


def test_the_wheel_over_a_field_scrolls_the_page(dashboard: Dashboard) -> None:
    page = dashboard.page
    dashboard.fill("Epochs", "20")
    epochs = page.get_by_label("Epochs", exact=True)
    page.set_viewport_size({"width": 1280, "height": 500})  # the field lies below what is in sight at first
    epochs.click()
    top = epochs.evaluate("field => field.getBoundingClientRect().top")
    page.mouse.wheel(0, -100)
    # Not the window but an element of the page may scroll.
    page.wait_for_function("top => document.activeElement.getBoundingClientRect().top > top", arg=top)
    expect(epochs).to_be_focused()
    expect(epochs).to_have_value("20")
    page.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})
