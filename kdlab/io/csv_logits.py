"""Logits out of a CSV file: a line of names, then one line an example.

    label,teacher:cat,teacher:dog,student:cat,student:dog
    cat,4.1,-0.3,2.5,0.1

`label` is a class's name or, counted from 0, its number; `baseline:cat` … may come too, and other columns are left
alone. UTF-8, with commas, semicolons or tabs between the columns and points in the numbers.
"""

import csv
import io
from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdlab.io.predictions import ROLES
from kdlab.io.sanitize import MOST_NAME, tidy
from kdlab.registry import InputError

__all__ = ["read_table"]

FORM = "label, teacher:cat, teacher:dog, student:cat, student:dog"
SEPARATORS = ",;\t"
LONGEST_LINE = 100_000  # characters


def read_table(title: str, content: bytes, most_classes: float, most_examples: float) -> dict[str, NDArray[Any]]:
    """Return `labels`, `classes` and the logits of each role; raises InputError, which names line and column."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{title} is neither an NPZ file nor text in UTF-8: save it as one of them.") from error
    if "\0" in text:
        raise InputError(
            f"{title} is neither an NPZ file nor a CSV file, as it holds zero bytes: save it as one of them."
        )
    if text.count("\n") + text.count("\r") > 2 * most_examples:
        raise InputError(f"{title} has more than {most_examples:,} lines: give fewer examples.")
    lines = text.splitlines()
    if long := next((at for at, line in enumerate(lines, 1) if len(line) > LONGEST_LINE), 0):
        raise InputError(f"Line {long} of {title} has more than {LONGEST_LINE:,} characters: give one line an example.")
    first = lines[0] if lines else ""
    rows = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=max(SEPARATORS, key=first.count),
        quoting=csv.QUOTE_MINIMAL,
        strict=True,
    )
    try:
        header = next(rows, [])
        columns, classes = _columns(title, header, most_classes)
        labels, numbers = _rows(title, rows, columns, len(header))
    except csv.Error as error:
        raise InputError(f"Line {rows.line_num} of {title} cannot be read as CSV: mind its quotation marks.") from error
    if not labels:
        raise InputError(f"{title} has no example under its line of names: give one line for each.")
    values = np.array(numbers).reshape(len(labels), -1, len(classes))
    roles = [role for role in ROLES if (role, classes[0]) in columns]
    logits = {role: values[:, at] for at, role in enumerate(roles)}
    return {"labels": _numbered(title, labels, classes), "classes": np.array(classes), **logits}


def _columns(title: str, header: Sequence[str], most: float) -> tuple[dict[tuple[str, str], int], list[str]]:
    """Where the label and each role's logits stand, role after role in one order of classes; and these classes."""
    if len(header) > 4 * most + 100:
        raise InputError(f"{title} has {len(header):,} columns, more than {most} classes need: give fewer.")
    found: dict[tuple[str, str], int] = {}
    for at, name in enumerate(header):
        role, _, named = name.partition(":")
        key = role.strip().lower(), tidy(named, MOST_NAME)
        if key[0] != "label" and (key[0] not in ROLES or not key[1]):
            continue
        if key in found:
            raise InputError(f'{title} has two columns "{tidy(name, 40)}": give each a name of its own.')
        found[key] = at
    classes = [named for role, named in found if role == "teacher"]
    if ("label", "") not in found or not classes:
        raise InputError(f"The first line of {title} must name the columns: {FORM}.")
    columns = {("label", ""): found["label", ""]}
    for role in ROLES:
        own = {one for owner, one in found if owner == role}
        if role == "baseline" and not own:
            continue
        if odd := own ^ set(classes):
            raise InputError(f'{title} needs a column "{role}:{min(odd)}" or none of that class, as in {FORM}.')
        columns |= {(role, one): found[role, one] for one in classes}
    return columns, classes


def _rows(title: str, rows: Any, columns: dict[tuple[str, str], int], width: int) -> "tuple[list[str], array[float]]":
    (_, label), *others = columns.items()
    places = [at for _, at in others]
    labels, numbers = [], array("d")
    for row in rows:
        if not row:
            continue
        if any(cell.strip() for cell in row[width:]):
            raise InputError(
                f"Line {rows.line_num} of {title} has {len(row)} columns, and its first line names {width}: give a "
                "number for each, written with a point and no comma."
            )
        try:
            numbers.extend([float(row[at]) for at in places])
            labels.append(tidy(row[label], MOST_NAME))
        except IndexError:
            wanted = 1 + max(columns.values())
            raise InputError(
                f"Line {rows.line_num} of {title} has {len(row)} of {wanted} columns: give a number for each."
            ) from None
        except ValueError:
            (role, name), text = next((key, row[at]) for key, at in others if not _is_number(row[at]))
            raise InputError(
                f'Line {rows.line_num} of {title} has "{tidy(text, 20)}" where a number of {role}:{name} must be, such '
                "as -1.25."
            ) from None
    return labels, numbers


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _numbered(title: str, labels: list[str], classes: list[str]) -> NDArray[np.int64]:
    """The labels as numbers of classes, from names where all are names, else from numbers."""
    place = {name: at for at, name in enumerate(classes)} if set(labels) <= set(classes) else {}
    numbers = place or {str(at): at for at in range(len(classes))}
    if odd := next((one for one in labels if one not in numbers), None):
        raise InputError(
            f'The label "{tidy(odd, 30)}" in {title} is no class: give its name as in teacher:NAME, or for all labels '
            f"their numbers from 0 to {len(classes) - 1}."
        )
    if "" in labels and "" not in numbers:
        raise InputError(f"Example {labels.index('')} of {title} has no label: give the name of its class.")
    return np.array([numbers[one] for one in labels], dtype=np.int64)
