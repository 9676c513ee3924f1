"""Specs from the arguments of `fit`, `distill` and similar functions; options without effect are refused."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from kdlab.distillation.result import Network, network_name
from kdlab.registry import InputError, quote
from kdlab.train.spec import STUDENT_ONLY, Spec

__all__ = ["FIT_OPTIONS", "check_dataset", "distill_spec", "fit_spec"]

# `fit` has its own names for the network, its epochs and its augmentation.
NAMED = ("dataset", "teacher", "teacher_epochs", "teacher_augmentation")
FIT_OPTIONS = tuple(field.name for field in fields(Spec) if field.name not in (*STUDENT_ONLY, *NAMED))


def check_dataset(dataset: object) -> None:
    """Raise InputError for a data set that is not given by its name."""
    if not isinstance(dataset, str):
        raise InputError(
            f"A data set is given by its name, such as 'digits' or 'folder:PATH', not as {_article(dataset)}: keep "
            "images in a folder, one folder a class."
        )


def fit_spec(dataset: str, network: Network, epochs: int, augmentation: str, options: Mapping[str, Any]) -> Spec:
    """Return the spec that trains `network` as a teacher; raises InputError for an option without effect."""
    check_dataset(dataset)
    if unknown := next((key for key in options if key not in FIT_OPTIONS), None):
        hint = {"teacher_epochs": "say epochs", "teacher_augmentation": "say augmentation"}.get(
            unknown, f"it takes epochs, augmentation, {', '.join(FIT_OPTIONS)}"
        )
        raise InputError(f"A network that is fitted on labels has no option {quote(unknown)}: {hint}.")
    named = {"teacher": network_name(network), "teacher_epochs": epochs, "teacher_augmentation": augmentation}
    return Spec.suggested(dataset, **named, **options)


def distill_spec(dataset: str, teacher: Network, student: Network, options: Mapping[str, Any]) -> Spec:
    """Return the spec of a run from fields of a spec and knobs of its loss; raises InputError."""
    check_dataset(dataset)
    if "knobs" in options:
        raise InputError("The loss's knobs are options of their own: say temperature=4, not knobs={…}.")
    if isinstance(teacher, str) and options.get("outputs"):
        raise InputError("The outputs are those of a teacher that you trained: leave the option out with one by name.")
    spec_fields = {key: value for key, value in options.items() if key in Spec.__dataclass_fields__}
    knobs = {key: value for key, value in options.items() if key not in spec_fields}
    names = {"teacher": network_name(teacher), "student": network_name(student)}
    return Spec.suggested(dataset, **names, knobs=knobs, **spec_fields)


def _article(value: object) -> str:
    kind = type(value).__name__
    return f"an {kind}" if kind[0].lower() in "aeiou" or kind == "ndarray" else f"a {kind}"
