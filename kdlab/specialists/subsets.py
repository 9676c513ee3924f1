"""The classes of each specialist, as a user writes them: "cat, dog; ship, truck"."""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kdlab.registry import InputError

__all__ = ["Subset", "check_subsets", "membership", "read_subsets", "write_subsets"]

Subset = tuple[int, ...]

NAME = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^,;]*?))\s*([,;]|$)')  # in quotes or plain, and what follows it


def read_subsets(text: str, classes: Sequence[str]) -> list[Subset]:
    """Return the subsets that `text` names: class names with commas, subsets with semicolons between them.

    A name that contains one of these is written in double quotes, as in CSV. Raises InputError as `check_subsets` does,
    and for an unknown class.
    """
    numbers = {name: index for index, name in enumerate(classes)}
    subsets: list[Subset] = [()]
    for quoted, plain, separator in NAME.findall(text):
        if name := quoted.replace('""', '"') or plain:
            if name not in numbers:
                raise InputError(f"There is no class {name!r} for a specialist; the classes are {_list(classes)}.")
            subsets[-1] += (numbers[name],)
        if separator == ";":
            subsets.append(())
    check_subsets(subsets, classes)
    return subsets


def write_subsets(subsets: Sequence[Sequence[int]], classes: Sequence[str]) -> str:
    """Return the text that `read_subsets` reads."""
    return "; ".join(", ".join(_quoted(classes[index]) for index in subset) for subset in subsets)


def check_subsets(
    subsets: Sequence[Sequence[int]], classes: Sequence[str], labels: NDArray[np.int64] | None = None
) -> None:
    """Raise InputError for a subset without a class, with all classes, with one twice, or with one without data.

    Neither may two subsets be the same.

    `labels`, int64 (examples,): those of the training images, of which each class of a subset needs one.
    """
    if not subsets:
        raise InputError("There is no specialist: name the classes of at least one, such as cat, dog.")
    first_position: dict[frozenset[int], int] = {}
    labels_present = None if labels is None else set(np.unique(labels).tolist())
    for position, subset in enumerate(subsets, 1):
        if not subset:
            raise InputError(f"Specialist {position} has no class: give it one or more, or remove it.")
        if wrong := [number for number in subset if not 0 <= number < len(classes)]:
            raise InputError(
                f"Specialist {position} has the class number {wrong[0]}: they go from 0 to {len(classes) - 1}."
            )
        twice = [number for number, count in Counter(subset).items() if count > 1]
        if twice:
            raise InputError(f"Specialist {position} has the class {classes[twice[0]]!r} twice: name it once.")
        if len(subset) == len(classes):
            raise InputError(
                f"Specialist {position} has all {len(classes)} classes, and nothing is left for its dustbin: take one "
                "out."
            )
        if labels_present is not None and (missing := [number for number in subset if number not in labels_present]):
            raise InputError(
                f"Specialist {position} has the class {classes[missing[0]]!r}, of which there is no training image: "
                f"take the class out, or add images."
            )
        if (first := first_position.setdefault(frozenset(subset), position)) != position:
            raise InputError(f"Specialists {first} and {position} have the same classes: change or remove one of them.")


def membership(subsets: Sequence[Sequence[int]], classes: int) -> NDArray[np.bool_]:
    """Return which classes each specialist knows, bool (specialists, classes)."""
    members = np.zeros((len(subsets), classes), dtype=bool)
    for row, subset in zip(members, subsets, strict=True):
        row[list(subset)] = True
    return members


def _quoted(name: str) -> str:
    plain = name == name.strip() and not set(name) & set(',;"')
    return name if plain else '"' + name.replace('"', '""') + '"'


def _list(classes: Sequence[str]) -> str:
    return ", ".join(classes[:20]) + (" …" if len(classes) > 20 else "")
