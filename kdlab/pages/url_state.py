"""Choices on a page as short texts, as its address holds them, and back again: checked one by one."""

from collections.abc import Callable, Mapping
from typing import Any

from kdlab.experiments.framework.experiment import Experiment
from kdlab.registry import LOSSES, InputError, Knob, knob_fields
from kdlab.train.spec import Spec, knob_defaults

__all__ = ["read_settings", "read_sliders", "read_spec", "write_settings", "write_sliders", "write_spec"]

MAX_CHOICE_LETTERS = 1000  # characters of one choice
MAX_ERROR_LETTERS = 400  # characters of a complaint, which may repeat a choice
SLIDER_PREFIX = "move."  # before the key of a slider of "Move and see", as settings may have the same names
Texts = Mapping[str, str]


def _text(value: Any) -> str:
    """Write 4.0 and True as 4 and 1, and all other numbers so that nothing is lost."""
    if isinstance(value, str):
        return value
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _number(knob: Knob, text: str) -> float:
    return knob.check({"0": False, "1": True}.get(text, text) if knob.kind is bool else text)


def _read(texts: Texts, has_choice: Callable[[str], bool], apply: Callable[[str, str], None]) -> list[str]:
    """Apply each valid text, and return a sentence for each invalid one."""
    complaints = []
    for key, text in texts.items():
        if not has_choice(key):
            complaints.append(f"This page has no choice {key[:40]!r}, which its address names.")
        elif len(text) > MAX_CHOICE_LETTERS:
            complaints.append(f"What the address says of {key} is too long to be read.")
        else:
            try:
                apply(key, text)
            except InputError as error:
                complaints.append(f"The address's {key} cannot be used: {str(error)[:MAX_ERROR_LETTERS]}")
    return complaints


# --- a run of distillation --------------------------------------------------------------------------------------------


def _start(opening: Spec, dataset: str) -> Spec:
    """Return the choices of an address that names this data set alone."""
    if dataset == opening.dataset:
        return opening
    return Spec.suggested(dataset, loss=opening.loss, knobs=opening.knobs, seed=opening.seed)


def _flat(spec: Spec) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in (*Spec.names(), *Spec.run_knobs())} | dict(spec.knobs)


def _changed(spec: Spec, opening: Spec, key: str, text: str) -> Spec:
    if key == "dataset":
        return _start(opening, text)
    if key == "loss":
        names = knob_defaults(LOSSES.find(text)[0].key)
        return spec.replace(loss=text, knobs={name: spec.knobs[name] for name in names if name in spec.knobs})
    for knob in LOSSES.find(spec.loss)[0].knobs:
        if knob.key == key:
            return spec.replace(knobs={**spec.knobs, key: _number(knob, text)})
    return spec.replace(**{key: text})


def write_spec(values: Mapping[str, Any], opening: Spec) -> dict[str, str]:
    """Return the choices that differ from the opening and from the data set's settings, as texts by key.

    `values`: names, numbers and the loss's knobs. Invalid values are left out.
    """
    texts: dict[str, str] = {}
    spec = opening
    # A data set brings settings, a loss knobs: both are applied before the choices that differ from these.
    for key in sorted(values, key=lambda key: ("dataset", "loss", key).index(key)):
        if _flat(spec).get(key) != values[key]:
            try:
                spec = _changed(spec, opening, key, text := _text(values[key]))
            except InputError:
                continue
            texts[key] = text
    return texts


def read_spec(texts: Texts, opening: Spec) -> tuple[Spec, list[str]]:
    """Return the choices that `write_spec` wrote, and a sentence for each text that cannot be used."""
    spec = opening

    def apply(key: str, text: str) -> None:
        nonlocal spec
        spec = _changed(spec, opening, key, text)

    ordered = {key: texts[key] for key in sorted(texts, key=lambda key: ("dataset", "loss", key).index(key))}
    complaints = _read(ordered, lambda key: key in _flat(spec), apply)
    return spec, complaints


# --- an experiment ----------------------------------------------------------------------------------------------------


def write_settings(values: Mapping[str, Any], kind: type[Experiment], quick: bool) -> dict[str, str]:
    """Return the settings that differ from the quick experiment's, as texts by key; `size` where it is full."""
    start = kind.of_size(quick)
    texts = {} if quick else {"size": "full"}
    for key, value in values.items():
        if value != getattr(start, key):
            try:
                kind.of_size(quick, **{key: value})
            except InputError:
                continue
            texts[key] = _text(value)
    return texts


def read_settings(texts: Texts, kind: type[Experiment]) -> tuple[bool, dict[str, Any], list[str]]:
    """Return whether it is the quick experiment, the settings that are named, and a sentence for each bad text."""
    knobs = knob_fields(kind)
    start = kind.of_size(True)
    quick = texts.get("size") != "full"
    settings: dict[str, Any] = {}

    def apply(key: str, text: str) -> None:
        if key == "size":
            if text not in ("quick", "full"):
                raise InputError("a size is quick or full.")
            return
        value = _number(knobs[key], text) if key in knobs else text
        kind.of_size(quick, **{key: value})
        settings[key] = value

    complaints = _read(texts, lambda key: key == "size" or hasattr(start, key), apply)
    return quick, settings, complaints


def write_sliders(turned: Mapping[str, float], knobs: tuple[Knob, ...]) -> dict[str, str]:
    """Return the sliders that are not where they begin as texts by key."""
    return {f"{SLIDER_PREFIX}{knob.key}": _text(turned[knob.key]) for knob in knobs if turned[knob.key] != knob.default}


def read_sliders(texts: Texts, knobs: tuple[Knob, ...]) -> tuple[dict[str, float], list[str]]:
    """Return where the address puts sliders, the others where they begin, and a sentence for each bad text."""
    sliders = {f"{SLIDER_PREFIX}{knob.key}": knob for knob in knobs}
    turned = {knob.key: float(knob.default) for knob in knobs}

    def apply(key: str, text: str) -> None:
        turned[sliders[key].key] = float(_number(sliders[key], text))

    return turned, _read(texts, sliders.__contains__, apply)
