"""Tables for people, and amounts as they stand in them."""

from collections.abc import Iterable, Sequence

#: Spaces between two columns.
_GAP = "  "

#: Seconds of each unit in which an age is told, the largest first.
_AGES = ((86_400, "d"), (3600, "h"), (60, "min"))

#: Bytes of each unit in which a size is told, the largest first.
_SIZES = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


def aligned(rows: Iterable[Sequence[str]]) -> list[str]:
    """The rows as lines, each column as wide as its widest cell."""
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        _GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]


def age(seconds: float) -> str:
    """How long something is ago, in its largest whole unit: ``3 d ago``."""
    return f"{_in_units(int(seconds), _AGES) or f'{int(seconds)} s'} ago"


def size(count: int) -> str:
    """An amount of bytes, rounded down to its largest unit: ``12 kB``."""
    return _in_units(count, _SIZES) or f"{count} B"


def _in_units(amount: int, units: Iterable[tuple[int, str]]) -> str | None:
    return next((f"{amount // each} {unit}" for each, unit in units if amount >= each), None)
