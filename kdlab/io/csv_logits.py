"""Read logits from a CSV file: a line of names, then one line per example.

    label,teacher:cat,teacher:dog,student:cat,student:dog
    cat,4.1,-0.3,2.5,0.1

`label` is the name of a class or its number from 0; `baseline:cat` … are optional, and other columns are ignored.
UTF-8, with commas, semicolons or tabs between the columns and decimal points in the numbers.
"""

import csv
import io
from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdlab.io.predictions import ROLES
from kdlab.io.sanitize import MAX_CLASS_NAME, sanitize_text
from kdlab.registry import InputError

__all__ = ["read_csv_logits"]

EXAMPLE_HEADER = "label, teacher:cat, teacher:dog, student:cat, student:dog"
SEPARATORS = ",;\t"
MAX_LINE = 100_000  # characters


def read_csv_logits(title: str, content: bytes, max_classes: float, max_examples: float) -> dict[str, NDArray[Any]]:
    """Return `labels`, `classes` and the logits of each role; raises InputError, which names line and column."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{title} is neither an NPZ file nor text in UTF-8: save it as one of them.") from error
    if "\0" in text:
        raise InputError(
            f"{title} is neither an NPZ file nor a CSV file, as it holds zero bytes: save it as one of them."
        )
    if text.count("\n") + text.count("\r") > 2 * max_examples:
        raise InputError(f"{title} has more than {max_examples:,} lines: give fewer examples.")
    lines = text.splitlines()
    if long_line := next((index for index, line in enumerate(lines, 1) if len(line) > MAX_LINE), 0):
        raise InputError(
            f"Line {long_line} of {title} has more than {MAX_LINE:,} characters: give one line an example."
        )
    header_line = lines[0] if lines else ""
    rows = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=max(SEPARATORS, key=header_line.count),
        quoting=csv.QUOTE_MINIMAL,
        strict=True,
    )
    try:
        header = next(rows, [])
        columns, classes = _columns(title, header, max_classes)
        labels, numbers = _rows(title, rows, columns, len(header))
    except csv.Error as error:
        raise InputError(f"Line {rows.line_num} of {title} cannot be read as CSV: mind its quotation marks.") from error
    if not labels:
        raise InputError(f"{title} has no example under its line of names: give one line for each.")
    values = np.array(numbers).reshape(len(labels), -1, len(classes))
    roles = [role for role in ROLES if (role, classes[0]) in columns]
    logits = {role: values[:, index] for index, role in enumerate(roles)}
    return {"labels": _numbered(title, labels, classes), "classes": np.array(classes), **logits}


def _columns(title: str, header: Sequence[str], max_classes: float) -> tuple[dict[tuple[str, str], int], list[str]]:
    """Return the positions of the label and of each role's logits, in one order of classes, and these classes."""
    if len(header) > 4 * max_classes + 100:
        raise InputError(f"{title} has {len(header):,} columns, more than {max_classes} classes need: give fewer.")
    positions: dict[tuple[str, str], int] = {}
    for position, name in enumerate(header):
        role, _, class_name = name.partition(":")
        key = role.strip().lower(), sanitize_text(class_name, MAX_CLASS_NAME)
        if key[0] != "label" and (key[0] not in ROLES or not key[1]):
            continue
        if key in positions:
            raise InputError(f'{title} has two columns "{sanitize_text(name, 40)}": give each a name of its own.')
        positions[key] = position
    classes = [class_name for role, class_name in positions if role == "teacher"]
    if ("label", "") not in positions or not classes:
        raise InputError(f"The first line of {title} must name the columns: {EXAMPLE_HEADER}.")
    columns = {("label", ""): positions["label", ""]}
    for role in ROLES:
        role_classes = {class_name for owner, class_name in positions if owner == role}
        if role == "baseline" and not role_classes:
            continue
        if unmatched := role_classes ^ set(classes):
            raise InputError(
                f'{title} needs a column "{role}:{min(unmatched)}" or none of that class, as in {EXAMPLE_HEADER}.'
            )
        columns |= {(role, class_name): positions[role, class_name] for class_name in classes}
    return columns, classes


def _rows(title: str, rows: Any, columns: dict[tuple[str, str], int], width: int) -> "tuple[list[str], array[float]]":
    (_, label_position), *logit_columns = columns.items()
    positions = [position for _, position in logit_columns]
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
            numbers.extend([float(row[position]) for position in positions])
            labels.append(sanitize_text(row[label_position], MAX_CLASS_NAME))
        except IndexError:
            required = 1 + max(columns.values())
            raise InputError(
                f"Line {rows.line_num} of {title} has {len(row)} of {required} columns: give a number for each."
            ) from None
        except ValueError:
            (role, name), text = next(
                (key, row[position]) for key, position in logit_columns if not _is_number(row[position])
            )
            raise InputError(
                f'Line {rows.line_num} of {title} has "{sanitize_text(text, 20)}" where a number of {role}:{name} must '
                "be, such as -1.25."
            ) from None
    return labels, numbers


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _numbered(title: str, labels: list[str], classes: list[str]) -> NDArray[np.int64]:
    """Return the labels as class numbers: from names where all labels are names, else from numbers."""
    by_name = {name: index for index, name in enumerate(classes)} if set(labels) <= set(classes) else {}
    numbers = by_name or {str(index): index for index in range(len(classes))}
    if unknown := next((label for label in labels if label not in numbers), None):
        raise InputError(
            f'The label "{sanitize_text(unknown, 30)}" in {title} is no class: give its name as in teacher:NAME, or '
            f"for all labels their numbers from 0 to {len(classes) - 1}."
        )
    if "" in labels and "" not in numbers:
        raise InputError(f"Example {labels.index('')} of {title} has no label: give the name of its class.")
    return np.array([numbers[label] for label in labels], dtype=np.int64)
