"""Sentences about the conversion of a person's images, once for a data set."""

from collections import Counter
from collections.abc import Sequence

from kdlab.datasets.image_pixels import COLOUR_16, Format, ImageRecord

__all__ = ["describe"]

MAX_LISTED_SIZES = 3  # sizes that a note lists one by one


def describe(records: Sequence[ImageRecord], form: Format, training: int) -> tuple[str, ...]:
    """Return notes on sizes, orientation, transparency, pages and scale; the first `training` records set the scale."""
    turned, transparent, several = (
        sum(getattr(record, name) for record in records) for name in ("turned", "transparent", "several")
    )
    notes = [_sizes(records, form)]
    if turned:
        notes.append(f"Images turned as their EXIF orientation says: {turned:,} of {len(records):,}.")
    if transparent:
        notes.append(f"Images whose transparent pixels were laid on white: {transparent:,} of {len(records):,}.")
    if several:
        notes.append(f"Files with several pages or frames, of which only the first was read: {several:,}.")
    notes += [_scale(depth, white, records, training) for depth, white in form.whites.items()]
    if any(record.depth == COLOUR_16 for record in records):
        notes.append("The 16-bit colours were scaled so that 65,535 is full.")
    return tuple(filter(None, notes))


def _sizes(records: Sequence[ImageRecord], form: Format) -> str:
    """Return a note on images that were resized."""
    target = f"{form.width}×{form.height} pixels"
    counts = Counter(record.size for record in records)
    others = Counter({size: count for size, count in counts.items() if size != (form.width, form.height)})
    if not others:
        return ""
    stretched = {size: count for size, count in others.items() if _is_stretched(size, form)}
    if len(counts) == 1:
        ((width, height),) = counts
        return f"The images were brought from {width}×{height} to {target}{': stretched' if stretched else ''}."
    if len(others) <= MAX_LISTED_SIZES:
        named = " and ".join(
            f"{width}×{height} ({count:,} of {len(records):,}{', stretched' if (width, height) in stretched else ''})"
            for (width, height), count in others.most_common()
        )
        return f"Images were brought to {target} from {named}."
    (low, lower), *_, (high, higher) = sorted(counts, key=lambda size: size[0] * size[1])
    many = sum(stretched.values())
    return (
        f"Images of {len(counts):,} sizes, from {low}×{lower} to {high}×{higher}, were brought to {target}: "
        f"{f'{many:,} of {len(records):,}' if many else 'none'} stretched."
    )


def _is_stretched(size: tuple[int, int], form: Format) -> bool:
    """Return whether width and height change by different factors, beyond rounding to whole pixels."""
    width, height = size
    return abs(width * form.height - height * form.width) > (width + height) / 2


def _scale(depth: str, white: float, records: Sequence[ImageRecord], training: int) -> str:
    """Return a note on the scaling of images with more than 8 bits."""
    kind, figure = ("floating-point", ",.4g") if depth == "float" else (depth, ",.0f")
    top = max(record.brightest for record in records[:training] if record.depth == depth)
    clipped_count = sum(record.brightest > white for record in records[training:] if record.depth == depth)
    clipped = f"; {clipped_count:,} other images hold larger ones, which became white" if clipped_count else ""
    return (
        f"The {kind} values were scaled so that {white:{figure}} is white, because the largest in the training images "
        f"is {top:{figure}}{clipped}."
    )
