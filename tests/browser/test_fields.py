"""What a person types into the fields of a page: read as it is meant, or refused in one sentence."""

import re
from collections.abc import Callable, Iterator

import pytest
from dashboard import Dashboard
from playwright.sync_api import Locator, expect
from servers import Server

from kdlab import augmentations, models  # noqa: F401  (they fill the registries)
from kdlab.registry import LOSSES, MODELS
from kdlab.train.spec import Spec


def field(dashboard: Dashboard, label: str) -> Locator:
    return dashboard.page.get_by_label(label, exact=True)


def refusal(dashboard: Dashboard) -> Locator:
    return dashboard.page.locator(".kd-setup .kd-field-error:visible")


def test_a_number_is_read_as_it_is_meant(dashboard: Dashboard) -> None:
    for label, typed, shown in (
        ("Epochs", "55,000", "55000"),
        ("Epochs", "1e3", "1000"),
        ("Epochs", " 1.5e2 ", "150"),
        ("Epochs", "7", "7"),
        ("Learning rate", "0,01", "0.01"),
        ("Learning rate", "1e-2", "0.01"),
        ("Learning rate", ".5", "0.5"),
        ("Learning rate", "2.", "2"),
    ):
        dashboard.fill(label, typed)
        expect(field(dashboard, label)).to_have_value(shown)
        expect(refusal(dashboard)).to_have_count(0)
        key = next(key for key, knob in Spec.run_knobs().items() if knob.label == label)
        if typed != "1e3":  # which is the opening's; all others the kernel writes to the address
            dashboard.page.wait_for_function(
                "([key, value]) => Number(new URLSearchParams(location.hash.slice(1)).get(key)) === value",
                arg=[key, float(shown)],
            )


def test_what_cannot_be_used_is_said_beside_the_field_and_nothing_starts(dashboard: Dashboard) -> None:
    bounds = {"Epochs": "a whole number from 1 to 100,000", "Learning rate": "a number from 1e-06 to 10"}
    for label, typed in (
        ("Epochs", "12.5"),
        ("Epochs", "2,5"),
        ("Epochs", "-5"),
        ("Epochs", "0"),
        ("Epochs", "many"),
        ("Epochs", ""),
        ("Epochs", "55.000"),
        ("Epochs", "1e9"),
        ("Epochs", "1,00"),
        ("Learning rate", "-1"),
        ("Learning rate", "1,2,3"),
        ("Learning rate", "0x10"),
        ("Learning rate", "Infinity"),
    ):
        sentence = f"{label} must be {bounds[label]}, not {typed or 'nothing'}."
        number = field(dashboard, label)
        before = number.input_value()
        number.fill(typed)
        dashboard.press("start")  # at once: the press must not overtake what was typed
        expect(dashboard.error).to_have_text(sentence)
        dashboard.expect_state("idle")
        expect(refusal(dashboard)).to_have_text(sentence)
        expect(number).to_have_value(typed)
        expect(number).to_have_attribute("aria-invalid", "true")
        expect(number).to_have_accessible_description(sentence)
        # The sentences go with the first text that can be used.
        dashboard.fill(label, before)
        expect(refusal(dashboard)).to_have_count(0)
        expect(dashboard.error).to_be_hidden()

    field(dashboard, "Epochs").fill("12.5")
    field(dashboard, "Learning rate").fill("-1")
    dashboard.page.keyboard.press("Tab")
    expect(refusal(dashboard)).to_have_count(2)
    dashboard.press("reset")
    expect(refusal(dashboard)).to_have_count(0)
    expect(field(dashboard, "Epochs")).to_have_value("1000")
    expect(field(dashboard, "Learning rate")).to_have_value("0.001")


def test_the_arrow_keys_step(dashboard: Dashboard) -> None:
    epochs, rate = field(dashboard, "Epochs"), field(dashboard, "Learning rate")
    rate.focus()
    for key, value in (("ArrowUp", "0.0011"), ("ArrowDown", "0.001"), ("ArrowDown", "0.0009")):
        dashboard.page.keyboard.press(key)
        expect(rate).to_have_value(value)
    epochs.focus()
    for key, value in (("ArrowUp", "1001"), ("ArrowDown", "1000"), ("ArrowDown", "999")):
        dashboard.page.keyboard.press(key)
        expect(epochs).to_have_value(value)
    dashboard.page.wait_for_function("location.hash.includes('epochs=999')")


def test_a_name_is_chosen_from_the_list_or_typed(dashboard: Dashboard) -> None:
    page, student = dashboard.page, field(dashboard, "Student")
    typed = field(dashboard, "Student name")
    names = [name for name in MODELS.examples() if not name.endswith("PATH")]
    expect(student.locator("option")).to_have_text([*names, "Other …"])
    expect(typed).to_be_hidden()
    expect(student).to_have_attribute("title", MODELS["mlp"].help)

    # What was chosen before is not run unseen.
    student.select_option("Other …")
    expect(typed).to_have_value("")
    expect(typed).to_have_attribute("placeholder", re.compile("cnn:width=8"))
    expect(student).to_have_attribute("title", "")
    dashboard.fill("Student name", " cnn:width=3 ")
    page.wait_for_function("decodeURIComponent(location.hash).includes('student=cnn:width=3')")
    expect(student).to_have_attribute("title", MODELS["cnn"].help)

    # A name that the list has is shown there, whoever set it; any other one in the field.
    dashboard.fill("Student name", names[0])
    expect(student).to_have_value(names[0])
    expect(typed).to_be_hidden()
    for name in ("cnn:width=64", "mlp:7x1"):
        page.evaluate("name => (location.hash = `student=${name}`)", name)
        expect(student).to_have_value("Other …")
        expect(typed).to_have_value(name)
    student.select_option(names[2])
    expect(typed).to_be_hidden()
    page.wait_for_function("name => location.hash.includes(`student=${name}`)", arg=names[2])


def test_an_entry_is_chosen_by_its_label_and_explained(dashboard: Dashboard) -> None:
    loss, temperature = field(dashboard, "Loss"), dashboard.page.locator(".kd-knob-temperature")
    for entry in reversed(list(LOSSES.values())):
        loss.select_option(label=entry.label)
        expect(loss).to_have_accessible_description(f"{entry.help[0].upper()}{entry.help[1:]}.")
        expect(temperature).to_be_visible(visible="temperature" in {knob.key for knob in entry.knobs})


@pytest.fixture(scope="module")
def restricted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("restricted")
    (folder / "limits.toml").write_text('datasets = ["digits", "spoken-digits"]\n')
    server = Server("voila", folder, "--limits", "limits.toml")
    yield server
    server.close()


def test_a_restricted_list_offers_what_is_allowed_and_what_is_chosen(
    restricted: Server, lend: Callable[..., Dashboard]
) -> None:
    dashboard = lend(restricted)
    dashboard.open()
    datasets = field(dashboard, "Data set")
    expect(datasets.locator("option")).to_have_text(["digits", "spoken-digits"])
    expect(field(dashboard, "Data set name")).to_be_hidden()
    dashboard.page.evaluate("location.hash = 'dataset=mnist'")
    expect(datasets).to_have_value("mnist")
    expect(datasets.locator("option")).to_have_text(["digits", "spoken-digits", "mnist"])
    datasets.select_option("digits")
    expect(datasets.locator("option")).to_have_text(["digits", "spoken-digits"])
