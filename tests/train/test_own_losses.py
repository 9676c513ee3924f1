"""A loss of one's own is asked once, before anything is trained, whether it can be learnt from."""

from collections.abc import Callable
from typing import Any

import pytest
import torch.nn.functional as F

from kdlab.distillation.distill import distill
from kdlab.distillation.many import distill_many
from kdlab.losses import Part
from kdlab.registry import LOSSES, InputError, Knob
from kdlab.train.group import GroupTrainer

FAULTS: dict[str, tuple[Callable[..., Any], str]] = {
    "a number": (lambda s, t, y: F.cross_entropy(s, y), "returns no parts: let it return a dictionary such as"),
    "nothing": (lambda s, t, y: None, "returns no parts"),
    "no parts": (lambda s, t, y: {}, "returns no parts"),
    "a plain dictionary": (lambda s, t, y: {"pull": F.cross_entropy(s, y)}, "returns no parts"),
    "a number an example": (lambda s, t, y: {"pull": Part((s - t).square().sum(1), 1.0)}, "average it over the batch"),
    "weight first": (lambda s, t, y: {"pull": Part(1.0, F.cross_entropy(s, y))}, "give its weight second"),
    "no gradient": (lambda s, t, y: {"pull": Part(F.cross_entropy(s, y).detach(), 1.0)}, "do not detach them"),
    "of the teacher alone": (lambda s, t, y: {"pull": Part(t.square().mean(), 1.0)}, "does not depend on the student"),
    "labels changed": (lambda s, t, y: {"pull": Part(F.cross_entropy(s, y.zero_()), 1.0)}, "copy them first"),
    "an error": (lambda s, t, y: {"pull": Part((s - t[:, :3]).mean(), 1.0)}, "cannot be computed from logits"),
    "weights of 0": (lambda s, t, y: {"pull": Part(F.cross_entropy(s, y), 0.0)}, "All weights of the loss are 0"),
}


@pytest.fixture(autouse=True)
def own_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LOSSES, "_entries", dict(LOSSES._entries))
    monkeypatch.setattr(GroupTrainer, "step", lambda *_: pytest.fail("a step was made"))


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("run", [distill, distill_many])
def test_what_cannot_be_learnt_from_is_one_sentence(kind: str, run: Callable[..., Any]) -> None:
    build, says = FAULTS[kind]
    LOSSES.add("mine", label="Mine", help="of a notebook")(build)
    with pytest.raises(InputError, match=says):
        run("digits", "mlp:8x1", "mlp:8x1", loss="mine", epochs=1, teacher_epochs=1)


def test_names_that_could_not_be_given_are_refused() -> None:
    def build(s: Any, t: Any, y: Any, *, epochs: float) -> dict[str, Part]:
        return {"pull": Part(F.cross_entropy(s, y), epochs)}

    with pytest.raises(InputError, match="needs a name without a colon"):
        LOSSES.add("a:b", label="Mine", help="of a notebook")(build)
    LOSSES.add("mine", label="Mine", help="of a notebook", knobs=(Knob("epochs", "E", 1.0, 0.0, 9.0, ""),))(build)
    with pytest.raises(InputError, match="has a knob 'epochs', as each run has: give it another key"):
        distill("digits", "mlp:8x1", "mlp:8x1", loss="mine")
