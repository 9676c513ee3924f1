"""Choices on a page as short texts, as its address holds them, and back again: checked one by one."""

from collections.abc import Callable, Mapping
from typing import Any

from kdlab.experiments.framework.experiment import Experiment
from kdlab.registry import OBJECTIVES, InputError, Knob, knob_fields
from kdlab.train.spec import Spec, knob_defaults

__all__ = ["read_settings", "read_sliders", "read_spec", "write_settings", "write_sliders", "write_spec"]

LONGEST = 1000  # characters of one choice
MOST = 400  # characters of a complaint, which may repeat a choice
SLIDER = "move."  # before the key of a slider of "Move and see", as settings may have the same names
Texts = Mapping[str, str]


def _text(value: Any) -> str:
    """Write 4.0 and True as 4 and 1, and all other numbers so that nothing is lost."""
    if isinstance(value, str):
        return value
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _number(knob: Knob, text: str) -> float:
    return knob.check({"0": False, "1": True}.get(text, text) if knob.kind is bool else text)


def _read(texts: Texts, known: Callable[[str], bool], take: Callable[[str, str], None]) -> list[str]:
    """Take what can be used, and return a sentence for each of what cannot."""
    complaints = []
    for key, text in texts.items():
        if not known(key):
            complaints.append(f"This page has no choice {key[:40]!r}, which its address names.")
        elif len(text) > LONGEST:
            complaints.append(f"What the address says of {key} is too long to be read.")
        else:
            try:
                take(key, text)
            except InputError as error:
                complaints.append(f"The address's {key} cannot be used: {str(error)[:MOST]}")
    return complaints


# --- a run of distillation --------------------------------------------------------------------------------------------


def _start(opening: Spec, dataset: str) -> Spec:
    """The choices that an address with this data set alone stands for."""
    if dataset == opening.dataset:
        return opening
    return Spec.suggested(dataset, objective=opening.objective, knobs=opening.knobs, seed=opening.seed)


def _flat(spec: Spec) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in (*Spec.names(), *Spec.run_knobs())} | dict(spec.knobs)


def _changed(spec: Spec, opening: Spec, key: str, text: str) -> Spec:
    if key == "dataset":
        return _start(opening, text)
    if key == "objective":
        known = knob_defaults(OBJECTIVES.find(text)[0].key)
        return spec.replace(objective=text, knobs={name: spec.knobs[name] for name in known if name in spec.knobs})
    for knob in OBJECTIVES.find(spec.objective)[0].knobs:
        if knob.key == key:
            return spec.replace(knobs={**spec.knobs, key: _number(knob, text)})
    return spec.replace(**{key: text})


def write_spec(values: Mapping[str, Any], opening: Spec) -> dict[str, str]:
    """Return what of a page's choices differs from its opening and from what the data set brings, as texts by key.

    `values`: names, numbers and the objective's knobs. What cannot be used is left out.
    """
    texts: dict[str, str] = {}
    spec = opening
    # A data set brings settings, an objective knobs: they come before what differs from these.
    for key in sorted(values, key=lambda key: ("dataset", "objective", key).index(key)):
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

    def take(key: str, text: str) -> None:
        nonlocal spec
        spec = _changed(spec, opening, key, text)

    ordered = {key: texts[key] for key in sorted(texts, key=lambda key: ("dataset", "objective", key).index(key))}
    complaints = _read(ordered, lambda key: key in _flat(spec), take)
    return spec, complaints


# --- an experiment ----------------------------------------------------------------------------------------------------


def write_settings(values: Mapping[str, Any], kind: type[Experiment], quick: bool) -> dict[str, str]:
    """Return what of an experiment's settings differs from the quick ones as texts by key; `size` where it is full."""
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

    def take(key: str, text: str) -> None:
        if key == "size":
            if text not in ("quick", "full"):
                raise InputError("a size is quick or full.")
            return
        value = _number(knobs[key], text) if key in knobs else text
        kind.of_size(quick, **{key: value})
        settings[key] = value

    complaints = _read(texts, lambda key: key == "size" or hasattr(start, key), take)
    return quick, settings, complaints


def write_sliders(turned: Mapping[str, float], knobs: tuple[Knob, ...]) -> dict[str, str]:
    """Return the sliders that are not where they begin as texts by key."""
    return {f"{SLIDER}{one.key}": _text(turned[one.key]) for one in knobs if turned[one.key] != one.default}


def read_sliders(texts: Texts, knobs: tuple[Knob, ...]) -> tuple[dict[str, float], list[str]]:
    """Return where the address puts sliders, the others where they begin, and a sentence for each bad text."""
    known = {f"{SLIDER}{one.key}": one for one in knobs}
    turned = {one.key: float(one.default) for one in knobs}

    def take(key: str, text: str) -> None:
        turned[known[key].key] = float(_number(known[key], text))

    return turned, _read(texts, known.__contains__, take)
