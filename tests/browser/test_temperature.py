"""What a person sees and does in the temperature lab."""

import json
import os
import re
from collections.abc import Callable
from itertools import islice
from math import log10
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect
from servers import KERNEL, Server
from temperature import TemperatureLab, number, position, share, spoken
from windows import DESKTOP, TELEPHONE

from kdlab.io.predictions import Predictions
from kdlab.metrics import softened as core
from kdlab.metrics.classification import telling_example
from kdlab.pages import Temperature
from kdlab.pages.temperature.data_server import DataServer

needs_mnist = pytest.mark.skipif(
    not Path(os.environ.get("KDLAB_DATA", "nowhere"), "MNIST/raw").is_dir(), reason="KDLAB_DATA has no MNIST"
)
NETWORKS = ("teacher", "student", "baseline")
RED = "it => [...it.getContext('2d').getImageData(0, 0, it.width, it.height).data].filter((_, i) => i % 4 == 0)"
ONE = ((0.5, 0.15), (0.5, 0.85))


@pytest.fixture(scope="module")
def supply() -> DataServer:
    return Temperature()._data_server


@pytest.fixture(scope="module")
def mnist(supply: DataServer) -> Predictions:
    return supply.sets["mnist"]


@pytest.fixture(scope="module")
def digits(supply: DataServer) -> Predictions:
    return supply.sets["digits"]


def length(value: float, log: bool) -> float:
    return max(0.0, 1 + log10(value) / 10) if log else value


def expect_bars(lab: TemperatureLab, logits: dict[str, np.ndarray], temperature: float, log: bool = False) -> None:
    """Check lengths and numbers of the bars of one example; `logits` (classes,) by network."""
    rows = lab.table(".kd-bars")
    for column, (network, values) in enumerate(logits.items()):
        wanted = core.soften(values, temperature)
        assert lab.bars(network) == pytest.approx([length(value, log) for value in wanted], abs=1e-5)
        kept = sorted(logits, key=("teacher", "baseline", "student").index).index(network)
        assert [row[2 + kept] for row in rows] == [share(value) for value in wanted], column


def expect_views(lab: TemperatureLab, one: Predictions, example: int, temperature: float) -> None:
    """Check that every view shows the data set and the example at one temperature."""
    teacher, student, baseline = (one.logits[role] for role in NETWORKS)
    v, z = teacher[example], student[example]
    expect_bars(lab, {role: one.logits[role][example] for role in NETWORKS}, temperature)
    bits = core.entropy(v, temperature)
    best = np.argsort(-v, kind="stable")[:3]
    said = ", ".join(f"{one.classes[at]}: {share(core.soften(v, temperature)[at])}" for at in best)
    assert lab.sentence.text_content() == (
        f"At T = {spoken(temperature)} the teacher's soft target of example {example} is {said}; "
        f"{bits:.2f} of at most {np.log2(len(one.classes)):.2f} bits."
    )
    means = {"Teacher": teacher, "Baseline": baseline, "Student": student}
    assert lab.readings("Entropy of the soft targets, bits") == {
        **{name: number(core.entropy(logits, temperature).mean()) for name, logits in means.items()},
        "Teacher, this example": number(bits),
    }
    learners = {"Baseline": baseline, "Student": student}
    assert lab.readings("KL(teacher ‖ student), bits") == {
        **{name: number(core.divergence(teacher, z, temperature).mean()) for name, z in learners.items()},
        "Student, this example": number(core.divergence(v, z, temperature)),
    }
    agreed = {}
    for name, logits in learners.items():
        agreed[f"{name}, overlap"] = number(core.overlap(teacher, logits, temperature).mean())
        agreed[f"{name}, same answer"] = number(core.agreement(teacher, logits).mean())
    assert lab.readings("Agreement with the teacher") == agreed

    soft, limit = (way(z, v, temperature) for way in (core.soft_gradient, core.matching_gradient))
    sizes = [np.linalg.norm(soft), np.linalg.norm(soft) * temperature**2]
    sizes.append(np.linalg.norm(core.hard_gradient(z, one.labels[example])))
    soft_size, whole_size, hard_size = map(number, sizes)
    angle, error = number(core.angle(soft, limit)), number(core.relative_error(soft, limit))
    assert lab.texts(".kd-gradient-summary") == [
        f"Between the two: {angle}°, relative error {error}. The soft gradient's size is {soft_size}, "
        f"with the factor T² {whole_size}. The hard gradient's is {hard_size}."
    ]
    assert [row[2:] for row in lab.table(".kd-gradient")] == [
        [number(exact), number(high)] for exact, high in zip(soft, limit, strict=True)
    ]
    all_soft, all_limits = (way(student, teacher, temperature) for way in (core.soft_gradient, core.matching_gradient))
    lengths = np.linalg.norm(all_soft, axis=1)
    assert lab.readings("Angle between gradient and limit, degrees") == {
        "Mean of all examples": number(np.nanmean(core.angle(all_soft, all_limits))), "This example": angle,
    }  # fmt: skip
    missed = np.linalg.norm(all_soft - all_limits, axis=1).sum() / lengths.sum()
    assert lab.readings("Relative error of the limit") == {
        "Sums over all examples": number(missed),
        "This example": error,
    }
    hard = np.linalg.norm(core.hard_gradient(student, one.labels), axis=1).mean()
    assert lab.readings("Size of the gradients") == {
        "Soft": number(lengths.mean()), "Soft × T²": number(lengths.mean() * temperature**2), "Hard": number(hard),
    }  # fmt: skip

    pairs = core.similar_pairs(core.soft_confusion(teacher, one.labels, temperature))[:8]
    assert lab.texts(".kd-pairs button > span:first-child") == [
        f"{one.classes[a]} – {one.classes[b]}" for a, b, _ in pairs
    ]
    assert lab.texts(".kd-pairs output") == [share(similar) for _, _, similar in pairs]
    assert [row[-1] for row in lab.table(".kd-temperature-strip")] == [
        share(value) for value in core.soften(v, temperature)
    ]


def expect_hint(lab: TemperatureLab, one: Predictions, network: str, true: int, predicted: int) -> None:
    shares = {
        role: core.soft_confusion(one.logits[role], one.labels, lab.temperature())[true, predicted] for role in NETWORKS
    }
    where = f"True {one.classes[true]} → {one.classes[predicted]}: "
    if network == "difference":
        gap = shares["student"] - shares["teacher"]
        said = f"student {share(shares['student'])}, teacher {share(shares['teacher'])}: "
        said += f"{'+' if gap > 0 else '−'}{number(abs(100 * gap))} points"
    else:
        said = share(shares[network])
    assert lab.hint(network) == where + said


def behind(one: Predictions, network: str, true: int, predicted: int, temperature: float) -> list[int]:
    """Return the examples of a true class, those first that have most of (or differ most in) a predicted one."""
    student, teacher = (core.soften(one.logits[role], temperature)[:, predicted] for role in ("student", "teacher"))
    values = {"student": student, "teacher": teacher, "difference": abs(student - teacher)}[network]
    found = np.flatnonzero(one.labels == true)
    return found[np.argsort(-values[found], kind="stable")][:20].tolist()


# --- the temperature --------------------------------------------------------------------------------------------------


def expect_link(lab: TemperatureLab) -> None:
    """Check that the lab opened as `TemperatureLab.LINK` says."""
    opening = dict(lab.opening)
    own = {"teacher": np.array([3, -1.5, 0]), "student": np.array([1, 0, -2.25])}
    assert [row[2:] for row in opening.pop("bars")] == [
        [share(core.soften(values, 7.5)[at]) for values in own.values()] for at in range(3)
    ]
    label = Temperature()._data_server.sets["mnist"].labels[17]
    assert opening == {
        "temperature": 7.5, "dataset": "mnist", "example": f"Example 17 of 5,000, true class {label}.",
        "log": True, "mean": "0.25", "source": "own",
        "own": ["owl", "3", "1", "wolf", "-1.5", "0", "oak", "0", "-2.25"],
        "cell": "True 4 → 9: examples with most of the student's share there first",
    }  # fmt: skip
    assert 500_000 < lab.received_at_first < 2_500_000


def test_a_link_opens_the_lab_as_it_says(shared_lab: TemperatureLab, capsys: pytest.CaptureFixture[str]) -> None:
    expect_link(shared_lab)
    with capsys.disabled():
        print(f"\nfrom the kernel before the first view moves: {shared_lab.received_at_first / 1e6:.2f} MB")


def test_keys_on_the_dial_move_every_view(lab: TemperatureLab, mnist: Predictions) -> None:
    example = telling_example(mnist.logits, mnist.labels)
    lab.go(f"example={example}")
    at, pictures = position(4), set()
    for keys, moved in (
        (["ArrowRight"] * 7, 7),
        (["PageUp"], None),
        (["ArrowDown", "ArrowLeft"], -2),
        (["PageDown"], None),
    ):
        temperature = lab.turn(*keys)
        now = int(lab.dial.input_value())
        assert now - at == moved if moved else abs(now - at) >= 10
        assert temperature == float(f"{0.5 * 200 ** (now / 400):.3g}")
        assert lab.page.get_by_label("Temperature as a number").input_value() == spoken(temperature)
        assert lab.dial.get_attribute("aria-valuetext") == spoken(temperature)
        expect_views(lab, mnist, example, temperature)
        pictures.add(tuple(lab.page.locator(".kd-cells").evaluate_all("all => all.map(one => one.toDataURL())")))
        at = now
    assert all(len(set(pictures_of_one)) == 4 for pictures_of_one in zip(*pictures, strict=True))
    assert lab.turn("Home") == 0.5
    assert lab.turn("End") == 100
    expect_views(lab, mnist, example, 100)


def test_the_dial_takes_any_number_within_its_range(lab: TemperatureLab, mnist: Predictions) -> None:
    field, refusal = lab.page.get_by_label("Temperature as a number"), lab.page.locator(".kd-dial .kd-field-error")
    for typed, wanted in (("3.14159", 3.14159), ("2,5", 2.5), ("100", 100), ("0.5", 0.5), (" 7 ", 7)):
        lab.fill("Temperature as a number", typed)
        lab.press("Enter")
        expect(refusal).to_be_hidden()
        assert lab.temperature() == wanted
        assert float(field.input_value()) == pytest.approx(wanted, abs=0.005)
    for typed in ("1000", "0.001", "-3", "warm", "1,2,3", " "):
        lab.fill("Temperature as a number", typed)
        lab.press("Enter")
        says = f"A temperature here is a number from 0.5 to 100, not {typed.strip() or 'nothing'}."
        expect(refusal).to_have_text(says)
        expect(field).to_have_accessible_description(says)
        assert lab.temperature() == 7
        assert field.input_value() == typed
    lab.page.get_by_role("button", name="T = 1").click()
    lab.settle()
    expect_views(lab, mnist, 0, 1)


def test_nothing_waits_for_the_kernel(lab: TemperatureLab, mnist: Predictions) -> None:
    kernels = lab.server.processes(KERNEL)
    for kernel in kernels:
        kernel.suspend()
    try:
        temperature = lab.turn("PageUp", "ArrowRight")
        expect_views(lab, mnist, 0, temperature)
    finally:
        for kernel in kernels:
            kernel.resume()


def test_the_log_scale_shows_what_is_small(lab: TemperatureLab, mnist: Predictions) -> None:
    linear = lab.page.locator(".kd-cells").first.evaluate("one => one.toDataURL()")
    lab.log.focus()
    lab.press("Space")
    logits = {role: mnist.logits[role][0] for role in NETWORKS}
    expect_bars(lab, logits, 4, log=True)
    assert lab.page.locator(".kd-cells").first.evaluate("one => one.toDataURL()") != linear
    expect(lab.matrix("difference").locator("h3")).to_have_text("Student ÷ teacher")
    temperature = lab.turn("PageDown")
    expect_bars(lab, logits, temperature, log=True)
    lab.log.click()
    lab.settle()
    expect_bars(lab, logits, temperature)


# --- what is shown ----------------------------------------------------------------------------------------------------


def test_own_logits_are_typed_and_dragged(lab: TemperatureLab) -> None:
    lab.choose_source("own")
    logits = {"teacher": [9.0, 4, -3], "student": [5.0, 1, 0]}
    expect_bars(lab, logits, 4)
    lab.page.get_by_label("Teacher's logit of cat", exact=True).focus()
    lab.press("ArrowRight", "ArrowRight", "ArrowRight")
    logits["teacher"][1] = 4.3
    expect_bars(lab, logits, 4)
    assert lab.page.get_by_label("Teacher's logit of cat, as a number").input_value() == "4.3"
    lab.fill("Student's logit of tree, as a number", "-2.5e1")
    logits["student"][2] = -25.0
    expect_bars(lab, logits, 4)
    lab.fill("Name of class 2", "a lynx")
    assert [row[0] for row in lab.table(".kd-bars")] == ["dog", "a lynx", "tree"]
    expect(lab.page.get_by_label("Teacher's logit of a lynx", exact=True)).to_have_value("4.3")

    lab.page.get_by_role("button", name="+ Class").click()
    lab.settle()
    logits = {network: [*values, 0.0] for network, values in logits.items()}
    expect_bars(lab, logits, 4)
    lab.page.get_by_role("button", name="Remove dog").click()
    lab.settle()
    logits = {network: values[1:] for network, values in logits.items()}
    expect_bars(lab, logits, 4)
    temperature = lab.turn("PageUp")
    expect_bars(lab, logits, temperature)
    assert [row[0] for row in lab.table(".kd-gradient")] == ["a lynx", "tree", "class 4"]
    assert "The hard gradient" not in lab.texts(".kd-gradient-summary")[0]
    for name in ("Remove tree", "Remove class 4"):
        expect(lab.page.get_by_role("button", name=name)).to_be_enabled()
    lab.page.get_by_role("button", name="Remove tree").click()
    expect(lab.page.get_by_role("button", name="Remove class 4")).to_be_disabled()


def test_a_logit_that_is_none_says_so_and_loses_nothing(lab: TemperatureLab) -> None:
    lab.choose_source("own")
    logits = {"teacher": [9, 4, -3], "student": [5, 1, 0]}
    warning = lab.page.locator(".kd-custom-logits .kd-error")
    refusal = lab.page.locator(".kd-custom-logits .kd-field-error:visible")
    for typed in ("", "10001", "1e999"):
        lab.fill("Teacher's logit of dog, as a number", typed)
        says = f"Teacher's logit of dog must be a number from −10,000 to 10,000, not {typed or 'nothing'}."
        expect(refusal).to_have_text(says)
        assert lab.bars("student") == pytest.approx(core.soften(logits["student"], 4), abs=1e-5)
    lab.fill("Student's logit of cat, as a number", "2")
    logits = {"teacher": [1, 4, -3], "student": [5, 2, 0]}  # the teacher's: what could be read while it was typed
    expect_bars(lab, logits, 4)
    assert refusal.is_visible(), "what the field says is not what is shown"
    lab.fill("Teacher's logit of dog, as a number", "2")
    expect(refusal).to_have_count(0)
    expect_bars(lab, logits | {"teacher": [2, 4, -3]}, 4)
    lab.fill("Name of class 1", " ")
    expect(warning).to_have_text("Give every class a name.")
    assert [row[0] for row in lab.table(".kd-bars")] == ["dog", "cat", "tree"]
    lab.fill("Name of class 1", "wolf")
    expect(warning).to_be_hidden()
    assert [row[0] for row in lab.table(".kd-bars")] == ["wolf", "cat", "tree"]


def test_presets_come_from_the_literature(lab: TemperatureLab) -> None:
    lab.choose_source("own")
    presets = lab.page.get_by_label("Examples of logits")
    wanted = {
        "A dog: dog, cat, tree": (["dog", "cat", "tree"], [9, 4, -3], [5, 1, 0]),
        "A car: pedestrian, dog, car, truck": (["pedestrian", "dog", "car", "truck"], [-1, -2.5, 10, 6], [0, 1, 6, 2]),
        "One logit vector at several temperatures": (list("abcde"), [6, 4, 2, 1, -2], [4, 3, 2, 1, 0]),
    }
    assert presets.locator("option").all_text_contents()[1:] == list(wanted)
    for name, (classes, teacher, student) in wanted.items():
        presets.select_option(name)
        lab.settle()
        assert [row[0] for row in lab.table(".kd-bars")] == classes
        expect_bars(lab, {"teacher": teacher, "student": student}, 4)
        ladder = [
            [share(core.soften(teacher, t)[at]) for t in (0.5, 1, 2, 5, 10, 20, 100, 4)] for at in range(len(classes))
        ]
        assert [row[1:] for row in lab.table(".kd-temperature-strip")] == ladder


def test_the_matrices_are_read_with_the_mouse(lab: TemperatureLab, mnist: Predictions) -> None:
    for network, true, predicted in (("teacher", 4, 9), ("student", 7, 2), ("difference", 3, 5), ("teacher", 0, 0)):
        lab.point(network, true, predicted)
        expect_hint(lab, mnist, network, true, predicted)
        lab.turn("PageUp")  # the mouse rests on the cell
        expect_hint(lab, mnist, network, true, predicted)
    lab.page.mouse.move(0, 0)
    assert lab.hint("teacher") == "Point at a cell, or click it."


def test_a_cell_lists_its_examples(lab: TemperatureLab, mnist: Predictions) -> None:
    certain = core.entropy(mnist.logits["teacher"], 1)
    assert lab.examples() == np.argsort(-certain, kind="stable")[:20].tolist()
    whose = {
        "teacher": "the teacher's share",
        "student": "the student's share",
        "difference": "the difference in share",
    }
    for network, true, predicted in (("teacher", 4, 9), ("difference", 8, 3)):
        lab.click(network, true, predicted)
        heading = f"True {true} → {predicted}: examples with most of {whose[network]} there first"
        expect(lab.page.locator(".kd-examples-list h3")).to_have_text(heading)
        assert lab.examples() == behind(mnist, network, true, predicted, 4)

    # The arrow keys go on from the chosen cell.
    lab.matrix("difference").locator("canvas").focus()
    lab.press("ArrowDown", "ArrowRight")
    expect_hint(lab, mnist, "difference", 9, 4)
    lab.press("ArrowDown", "ArrowLeft")
    expect_hint(lab, mnist, "difference", 9, 3)
    lab.press("Enter")
    assert lab.examples() == behind(mnist, "difference", 9, 3, 4)
    before = lab.examples()
    temperature = lab.turn("PageUp", "PageUp")
    wanted = behind(mnist, "difference", 9, 3, temperature)
    moved = next(at for at, (one, other) in enumerate(zip(before, wanted, strict=True)) if one != other)
    expect(lab.listed.nth(moved)).to_have_attribute("data-example", str(wanted[moved]))
    assert lab.examples() == wanted

    lab.page.locator(".kd-pairs button").nth(2).click()
    a, b, _ = core.similar_pairs(core.soft_confusion(mnist.logits["teacher"], mnist.labels, temperature))[2]
    lab.settle()
    assert lab.examples() == behind(mnist, "teacher", a, b, temperature)
    lab.page.get_by_role("button", name="Back to those the teacher is least sure of").click()
    expect(lab.page.locator(".kd-examples-list h3")).to_have_text(
        "Examples the teacher is least sure of (most entropy at T = 1)"
    )


@needs_mnist
def test_a_picture_chooses_its_example(lab: TemperatureLab, mnist: Predictions) -> None:
    lab.choose_source("own")
    expect(lab.listed.locator("canvas")).to_have_count(20)
    example = lab.examples()[4]
    assert lab.listed.nth(4).locator("canvas").evaluate(RED) == mnist.images[example].ravel().tolist()
    lab.listed.nth(4).focus()
    lab.press("Enter")
    expect(lab.listed.nth(4)).to_have_attribute("aria-pressed", "true")
    expect(lab.caption).to_contain_text(f"Example {example:,} of 5,000, true class {mnist.labels[example]}.")
    expect_views(lab, mnist, example, 4)
    lab.page.get_by_role("button", name="The next example").click()
    lab.settle()
    expect_views(lab, mnist, example + 1, 4)
    expect(lab.listed.nth(4)).to_have_attribute("aria-pressed", "false")
    large = lab.page.locator(".kd-example-picture")
    expect(large).to_have_attribute("aria-label", f"Picture of example {example + 1}")
    lab.page.wait_for_function(
        f"wanted => String(({RED})(document.querySelector('.kd-example-picture'))) === String(wanted)",
        arg=mnist.images[example + 1].ravel().tolist(),
    )
    for typed in ("123456", "-5", "2,5", "2.5"):
        lab.fill("Number of the example", typed)
        lab.press("Enter")
        sentence = f"An example here has a whole number from 0 to 4,999, not {typed}."
        expect(lab.page.get_by_label("Number of the example")).to_have_accessible_description(sentence)
        expect_views(lab, mnist, example + 1, 4)
    lab.fill("Number of the example", "4,999")
    lab.press("Enter")
    expect_views(lab, mnist, 4999, 4)


def test_another_data_set_changes_every_view(lab: TemperatureLab, mnist: Predictions, digits: Predictions) -> None:
    lab.click("teacher", 4, 9)
    lab.menu.select_option(digits.label)
    example = telling_example(digits.logits, digits.labels)
    expect(lab.caption).to_contain_text(f"Example {example} of 143, true class {digits.labels[example]}.")
    lab.settle()
    expect_views(lab, digits, example, lab.turn("PageUp"))
    lab.point("student", 1, 8)
    expect_hint(lab, digits, "student", 1, 8)
    expect(lab.page.locator(".kd-examples-list h3")).to_have_text(
        "Examples the teacher is least sure of (most entropy at T = 1)"
    )
    expect(lab.listed.locator("canvas")).to_have_count(20)
    first = lab.examples()[0]
    assert lab.listed.first.locator("canvas").evaluate(RED) == digits.images[first].ravel().tolist()
    wrong = [int((digits.logits[role].argmax(1) != digits.labels).sum()) for role in ("teacher", "student")]
    still = lab.root.get_by_text("Why is there no hard confusion matrix here?")
    expect(still).to_contain_text(
        f"Of 143 validation examples the teacher has {wrong[0]} wrong and the student {wrong[1]}"
    )
    expect(lab.page.locator(".kd-ensemble")).to_be_hidden()
    lab.menu.select_option(mnist.label)
    expect(lab.caption).to_contain_text("of 5,000")
    lab.settle()
    expect_views(lab, mnist, telling_example(mnist.logits, mnist.labels), lab.temperature())


def test_the_mean_of_the_teachers_slides_from_one_kind_to_the_other(lab: TemperatureLab, mnist: Predictions) -> None:
    answers = np.stack([core.soften(logits, 4) for logits in (mnist.logits["teacher"], *mnist.more_teachers)])
    example = int(np.ptp(answers, axis=0).max(1).argmax())  # of which the teachers differ most
    lab.go(f"example={example}")
    slider = lab.page.get_by_label("Exponent of the power mean")
    columns = []
    for keys, exponent in (((), 1.0), (["Home"], 0.0), (["ArrowRight"] * 7, 0.07), (["PageUp"], 0.17)):
        slider.focus()
        lab.press(*keys)
        assert float(slider.input_value()) == pytest.approx(exponent)
        teachers = [logits[example] for logits in (mnist.logits["teacher"], *mnist.more_teachers)]
        mean = core.power_mean([core.log_soften(logits, 4) for logits in teachers], exponent)
        wanted = [*(core.soften(logits, 4) for logits in teachers), mean]
        assert [row[1:] for row in lab.table(".kd-ensemble")] == [
            [share(x) for x in row] for row in np.transpose(wanted)
        ]
        columns.append(tuple(share(x) for x in mean))
    assert len(set(columns)) > 2


def test_a_drawn_digit_is_answered(lab: TemperatureLab, supply: DataServer) -> None:
    lab.choose_source("drawn")
    expect(lab.sentence).to_contain_text("the empty pad")
    lab.draw(*ONE)
    expect(lab.sentence).to_contain_text("this drawing is 1:")
    pixels = np.array(lab.page.locator(".kd-pad-preview-image").evaluate(RED)).reshape(1, 28, 28) / 255
    answers = {name: read_digit(*network, pixels) for name, network in supply._networks.items()}
    for network in ("teacher", "student"):
        assert lab.bars(network) == pytest.approx(core.soften(answers[network], 4), abs=0.02)
    assert np.argmax(lab.bars("teacher")) == 1
    teachers = [answers[name] for name in ("teacher", "teacher 2", "teacher 3")]
    assert [row[0] for row in lab.table(".kd-ensemble")] == list("0123456789")
    assert [row[1:4] for row in lab.table(".kd-ensemble")][1] == [share(core.soften(one, 4)[1]) for one in teachers]
    temperature = lab.turn("PageDown", "PageDown")
    assert lab.bars("teacher") == pytest.approx(core.soften(answers["teacher"], temperature), abs=0.02)
    lab.page.get_by_role("button", name="Clear").click()
    expect(lab.sentence).to_contain_text("the empty pad")
    empty = read_digit(*supply._networks["student"], np.zeros((1, 28, 28)))
    assert lab.bars("student") == pytest.approx(core.soften(empty, temperature), abs=1e-4)


def read_digit(layers: list[dict], weights: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Return the logits of a network as `kdlab.io.portable_network` describes it, the plain way."""
    numbers, values = iter(weights), pixels

    def take(*shape: int) -> np.ndarray:
        return np.fromiter(islice(numbers, int(np.prod(shape))), float).reshape(shape)

    for layer in layers:
        match layer["kind"]:
            case "convolution":
                kernel, bias = take(layer["outputs"], layer["inputs"], 3, 3), take(layer["outputs"], 1, 1)
                padded = np.pad(values, ((0, 0), (1, 1), (1, 1)))
                seen = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
                values = np.einsum("oiab,ihwab->ohw", kernel, seen, optimize=True) + bias
            case "linear":
                weight, bias = take(layer["outputs"], layer["inputs"]), take(layer["outputs"])
                values = weight @ values.ravel() + bias
            case "relu":
                values = values.clip(0)
            case "pool":
                channels, height, width = values.shape
                odd = np.pad(values, ((0, 0), (0, height % 2), (0, width % 2)), constant_values=-np.inf)
                values = odd.reshape(channels, odd.shape[1] // 2, 2, odd.shape[2] // 2, 2).max((2, 4))
    return values


# --- links and Python -------------------------------------------------------------------------------------------------


def test_the_address_follows_within_a_second(lab: TemperatureLab) -> None:
    temperature = lab.turn("PageUp", "ArrowRight")
    lab.page.wait_for_function("t => location.hash.includes(`T=${t}&`)", arg=temperature)
    lab.log.click()
    lab.choose_source("own")
    lab.click("student", 2, 7)
    wanted = ["scale=log", "source=own", "cell=student.2.7", "own=dog,cat,tree;9,4,-3;5,1,0"]
    lab.page.wait_for_function("all => all.every(x => location.hash.includes(x))", arg=wanted)
    assert "?" not in lab.page.url.split("#")[1]

    lab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    lab.turn("PageDown")
    lab.page.get_by_role("button", name="Copy link").click()
    expect(lab.page.locator(".kd-notice")).to_have_text("Copied.")
    copied = lab.page.evaluate("navigator.clipboard.readText()")
    assert copied == lab.page.evaluate("location.href")
    assert f"T={lab.temperature():g}&" in copied


def test_the_address_of_a_view_opens_it_again(lab: TemperatureLab, lend: Callable[..., TemperatureLab]) -> None:
    lab.menu.select_option("digits")
    expect(lab.caption).to_contain_text("of 143")
    lab.choose_source("own")
    lab.fill("Name of class 2", "a&b=c;d,e#%🦉")
    lab.fill("Teacher's logit of dog, as a number", "-0.125")
    lab.log.click()
    lab.click("difference", 2, 7)
    lab.turn("PageUp", "ArrowRight")
    lab.page.get_by_label("Exponent of the power mean").focus()
    lab.press("PageDown")
    lab.page.get_by_role("button", name="Copy link").click()
    view = lab.state()
    assert view["dataset"] == "digits"
    other = lend(lab.server, DESKTOP, TemperatureLab)
    other.open(lab.page.url.split("#")[1])
    expect(other.page.locator(".kd-examples-list h3")).to_contain_text("True 2 → 7")
    assert other.state() == view


def test_a_link_within_the_page_is_followed(lab: TemperatureLab, mnist: Predictions) -> None:
    lab.go("T=33&example=1234&scale=log&unknown=part")
    expect(lab.caption).to_contain_text("Example 1,234 of")
    assert lab.temperature() == 33
    expect_bars(lab, {role: mnist.logits[role][1234] for role in NETWORKS}, 33, log=True)
    assert int(lab.dial.input_value()) == position(33)
    expect(lab.alarm).to_be_hidden()


@pytest.mark.parametrize(
    "part",
    [
        "T=banana", "T=1000", "T=", "example=-1", "example=1.5", "example=5000", "scale=cubic", "mean=2",
        "source=moon", "cell=teacher.4", "cell=nobody.1.2", "cell=teacher.4.10", "data=nope", "data=", "own=a;1;2",
        "own=a,b;1,x;1,2", "own=a,b;1,2e9;1,2", "own=%25E0%25A4;1;1", "T=%E0%A4",
    ],
)  # fmt: skip
def test_a_bad_part_of_a_link_says_so_and_the_rest_works(lab: TemperatureLab, mnist: Predictions, part: str) -> None:
    bad = part.split("=")[0]
    good = {"T": "T=8", "scale": "scale=log", "example": "example=3"}
    lab.go("&".join([part, *(text for key, text in good.items() if key != bad)]))
    words = {
        "data": "There is no data set", "example=5000": "no example 5000", "cell=teacher.4.10": "no class 10",
    }  # fmt: skip
    expect(lab.alarm).to_contain_text(words.get(part, words.get(bad, f"The link's {part}")))  # or what the kernel says
    expect(lab.alarm).to_be_visible()
    temperature, log = 4 if bad == "T" else 8, bad != "scale"
    example = int(re.match(r"Example ([\d,]+) of 5,000", lab.caption.text_content())[1].replace(",", ""))
    assert example < 5_000 if bad == "example" else example == 3
    assert lab.temperature() == temperature
    expect_bars(lab, {role: mnist.logits[role][example] for role in NETWORKS}, temperature, log=log)
    assert "undefined" not in lab.root.inner_text()


def test_a_good_link_takes_the_complaint_away(lab: TemperatureLab) -> None:
    lab.go("T=banana")
    expect(lab.alarm).to_contain_text("T=banana cannot be used: it needs a number from 0.5 to 100")
    lab.go("T=9")
    expect(lab.alarm).to_be_hidden()


def test_export_saves_the_view_in_a_file(lab: TemperatureLab, tmp_path: Path) -> None:
    temperature = lab.turn("PageUp")
    lab.log.click()
    with lab.page.expect_download() as download:
        lab.page.get_by_role("button", name="Export").click()
    assert download.value.suggested_filename == "kdlab-temperature.html"
    text = download.value.path().read_text(encoding="utf-8")
    assert 2_000_000 < len(text.encode()) < 8_000_000
    traits = json.loads(re.search(r"const HELD = (.*);\n", text)[1])["traits"]
    assert (traits["temperature"], traits["scale"], traits["dataset"]) == (temperature, "log", "mnist")
    expect(lab.page.locator(".kd-notice")).to_have_text("Saved as kdlab-temperature.html.")


# --- keyboard, screen readers, layout ---------------------------------------------------------------------------------


def test_everything_is_reached_with_the_tab_key(lab: TemperatureLab) -> None:
    lab.page.get_by_label("Temperature as a number").focus()
    lab.press("Shift+Tab")
    expect(lab.dial).to_be_focused()
    assert lab.dial.evaluate("it => getComputedStyle(it).outlineStyle") != "none"
    reached = []
    for _ in range(60):
        lab.page.keyboard.press("Tab")
        found = lab.page.evaluate("""() => {
          const it = document.activeElement;
          if (!it.closest(".kd-lab")) return null;
          const shown = it.type === "radio" ? it.closest(".kd-labelled") : it;
          const {outlineStyle, outlineWidth} = getComputedStyle(shown);
          const name = it.ariaLabel ?? it.labels?.[0]?.textContent ?? it.textContent;
          return [name, outlineStyle, parseFloat(outlineWidth)];
        }""")
        if found is None:
            break
        reached.append(found)
    names = [name for name, *_ in reached]
    assert names[0] == "Temperature as a number"
    for name in ("Log scale", "Data", "Copy link", "Export", "Example", "Exponent of the power mean"):
        assert name in names
    for title in ("Teacher", "Student", "Student − teacher, points"):
        assert any(name.startswith(f"{title}: 10 true classes") for name in names)
    for name, outline, width in reached:
        assert outline != "none", name
        assert width >= 2, name


def test_the_dial_stays_in_sight(lab: TemperatureLab) -> None:
    before = lab.page.locator(".kd-section").last.evaluate(
        "it => (it.scrollIntoView(), it.getBoundingClientRect().top)"
    )
    lab.settle()
    assert before < DESKTOP[1]
    assert 0 <= lab.dial.bounding_box()["y"] < 150


@pytest.mark.parametrize("source", ["example", "own", "drawn"])
def test_every_control_has_a_name(lab: TemperatureLab, source: str) -> None:
    lab.choose_source(source)
    controls = re.findall(
        r"- (slider|spinbutton|textbox|combobox|checkbox|radio|button|img|link|option)\b(.*)", lab.root.aria_snapshot()
    )
    assert {"slider", "textbox", "combobox", "checkbox", "radio", "button", "img"} <= {role for role, _ in controls}
    assert [role for role, rest in controls if not rest.startswith(' "')] == []


def test_the_page_says_what_changed_once_the_dial_rests(lab: TemperatureLab) -> None:
    expect(lab.spoken).to_have_text(lab.sentence.text_content())
    assert lab.spoken.get_attribute("aria-live") == "polite"
    lab.spoken.evaluate("""it => {
      globalThis.said = 0;
      new MutationObserver(() => (said += 1)).observe(it, {childList: true});
    }""")
    lab.turn(*["ArrowRight"] * 12)
    expect(lab.spoken).to_have_text(lab.sentence.text_content())
    expect(lab.spoken).to_contain_text(f"T = {spoken(lab.temperature())}")
    assert lab.page.evaluate("said") < 4  # once, but for a machine that stops for a moment


def test_nothing_overflows_and_nothing_moves_by_itself(
    serve: Callable[[str], Server], lend: Callable[..., TemperatureLab], mnist: Predictions
) -> None:
    narrow = lend(serve("voila"), TELEPHONE, TemperatureLab)
    narrow.open()
    page = narrow.page
    for size in (TELEPHONE, DESKTOP):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        for source in ("own", "drawn", "example"):
            page.mouse.wheel(0, -20_000)
            page.wait_for_function("document.querySelector('.kd-tabs').getBoundingClientRect().top > 0")
            narrow.choose_source(source)
            expect_no_overflow(narrow, size[0])
        page.mouse.move(size[0] / 2, size[1] / 2)
        for _ in range(12):
            page.mouse.wheel(0, size[1])
            narrow.settle()
            expect_no_overflow(narrow, size[0])
        end = page.locator(".kd-section").last.bounding_box()
        assert end["y"] < size[1]
        dial = narrow.dial.bounding_box()
        assert 0 <= dial["y"] < 100
        assert 0 <= dial["x"] < dial["x"] + dial["width"] <= size[0]
        expect_views(narrow, mnist, telling_example(mnist.logits, mnist.labels), narrow.turn("ArrowRight"))

    page.emulate_media(reduced_motion="reduce")
    narrow.turn("PageUp")
    narrow.menu.hover()
    assert page.evaluate("document.getAnimations().filter(one => one.playState === 'running').length") == 0
    page.emulate_media(reduced_motion="null")


def expect_no_overflow(lab: TemperatureLab, width: int) -> None:
    """Check that the page is no wider than the window, and that what is in sight has room."""
    assert lab.page.evaluate("document.scrollingElement.scrollWidth") <= width
    outside = lab.page.evaluate(
        """width => [...document.querySelectorAll(".kd-lab *")]
          .filter(it => it.checkVisibility({contentVisibilityAuto: true}) && !it.closest("svg, .kd-announcement"))
          .map(it => [it, it.getBoundingClientRect()])
          .filter(([it, box]) => box.width > 0 && (box.right > width + 0.5 || box.left < -0.5))
          .map(([it, box]) => `${it.tagName}.${it.className} ${box.left} to ${box.right}`)""",
        width,
    )
    assert outside == []
