"""Probabilities in place of logits: refused until somebody says what they are, wherever they come from."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kdlab.io import read_logits
from kdlab.io.predictions import Predictions
from kdlab.metrics.softened import soften
from kdlab.registry import InputError
from kdlab.train.probabilities import UndeclaredError

LABELS = np.arange(12) % 3
LOGITS = {role: np.random.default_rng(at).normal(size=(12, 3)) * 3 for at, role in enumerate(("teacher", "student"))}
SHARES = {role: soften(values, 1.0) for role, values in LOGITS.items()}
SIGMOIDS = {role: 1 / (1 + np.exp(-values)) for role, values in LOGITS.items()}
CLASSES = ("cat", "dog", "car")


def make(logits: dict[str, Any], **more: Any) -> Predictions:
    return Predictions("k", "K", CLASSES, LABELS, logits, **more)


def npz(logits: dict[str, Any], **more: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, labels=LABELS, **logits, **more)
    return file.getvalue()


def csv(logits: dict[str, Any], decimals: int = 4) -> bytes:
    names = [f"{role}:{name}" for role in logits for name in CLASSES]
    rows = np.concatenate([*logits.values()], 1)
    lines = [",".join(["label", *names])]
    lines += [
        ",".join([str(label), *(f"{one:.{decimals}f}" for one in row)]) for label, row in zip(LABELS, rows, strict=True)
    ]
    return "\n".join(lines).encode()


def check(one: Predictions, tolerance: float = 1e-5) -> None:
    assert one.outputs == "probabilities"
    for role, shares in SHARES.items():
        np.testing.assert_allclose(soften(one.logits[role], 1.0), shares, atol=tolerance)


MIXED = {"teacher": SHARES["teacher"], "student": LOGITS["student"]}


@pytest.mark.parametrize("case", ["softmax", "the teacher's alone", "sigmoids", "a further teacher"])
def test_python_is_asked_what_they_are(case: str) -> None:
    given = {"softmax": SHARES, "the teacher's alone": MIXED, "sigmoids": SIGMOIDS}.get(case, LOGITS)
    more = {"more_teachers": [SHARES["teacher"]]} if case == "a further teacher" else {}
    owner = "further teacher 1" if more else "teacher"
    with pytest.raises(
        UndeclaredError, match=rf'^The numbers of the {owner} look like probabilities .* outputs="logits" '
    ):
        make(given, **more)
    assert make(given, **more, outputs="logits").logits["teacher"].max() == np.float32(given["teacher"].max())


def test_python_says_so() -> None:
    check(make(SHARES, outputs="probabilities"))
    check(make({role: 100 * shares for role, shares in SHARES.items()}, outputs="probabilities"))
    with pytest.raises(InputError, match=r"of the student are no probabilities .* do not sum to 1: "):
        make(MIXED, outputs="probabilities")
    with pytest.raises(InputError, match=r'must be "logits" or "probabilities", not \'odds\''):
        make(SHARES, outputs="odds")


def test_logits_and_log_probabilities_need_no_word() -> None:
    for given in (LOGITS, {role: np.log(shares) for role, shares in SHARES.items()}):
        assert make(given).outputs == ""


@pytest.mark.parametrize(("name", "write"), [("p.npz", npz), ("p.csv", csv)])
@pytest.mark.parametrize(("given", "choices"), [(SHARES, ("probabilities", "logits")), (SIGMOIDS, ("logits",))])
def test_a_page_is_told_what_to_ask(name: str, write: Any, given: Any, choices: tuple[str, ...]) -> None:
    with pytest.raises(
        UndeclaredError, match=rf"^The numbers of the teacher in {name} look like .* choose Logits if"
    ) as caught:
        read_logits(name, write(given), 10**6)
    assert caught.value.choices == choices
    assert read_logits(name, write(given), 10**6, "logits").outputs == "logits"


@pytest.mark.parametrize(("name", "write"), [("p.npz", npz), ("p.csv", csv)])
def test_a_choice_on_the_page(name: str, write: Any) -> None:
    check(read_logits(name, write(SHARES), 10**6, "probabilities"), 1e-3)
    with pytest.raises(InputError, match="do not sum to 1"):
        read_logits(name, write(SIGMOIDS), 10**6, "probabilities")


@pytest.mark.parametrize("name", ["p.npz", "p.csv"])
def test_files_from_python(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes((npz if name == "p.npz" else csv)(SHARES))
    with pytest.raises(UndeclaredError, match=rf'teacher in {name} look like .*: give outputs="probabilities"'):
        Predictions.load(tmp_path / name)
    check(Predictions.load(tmp_path / name, outputs="probabilities"), 1e-3)


def test_an_npz_says_so_itself(tmp_path: Path) -> None:
    content = npz(SHARES, outputs="probabilities")
    check(read_logits("p.npz", content, 10**6))
    (tmp_path / "p.npz").write_bytes(content)
    check(Predictions.load(tmp_path / "p.npz"))
    check(read_logits("p.npz", npz(SHARES, outputs=b"probabilities"), 10**6))
    for odd in ("odds", ["logits", "logits"], 1):
        with pytest.raises(InputError, match='must be "logits" or "probabilities"'):
            read_logits("p.npz", npz(SHARES, outputs=odd), 10**6)
    with pytest.raises(InputError, match='must be "logits" or "probabilities"'):  # a page may send anything
        read_logits("p.npz", content, 10**6, {"logits": 1})


def test_what_was_said_is_kept_in_the_file(tmp_path: Path) -> None:
    for one in (make(SHARES, outputs="probabilities"), make(SHARES, outputs="logits"), make(LOGITS)):
        one.save(tmp_path / "p.npz")
        for again in (Predictions.load(tmp_path / "p.npz"), read_logits("p", (tmp_path / "p.npz").read_bytes(), 10**6)):
            assert again.outputs == one.outputs
            np.testing.assert_array_equal(again.logits["teacher"], one.logits["teacher"])
