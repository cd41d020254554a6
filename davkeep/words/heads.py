"""Heads of responses that are changed on their way out."""

from collections.abc import Callable, Sequence
from typing import Any

Field = tuple[str, str]

#: Makes of the header fields of a response those that are sent.
Rule = Callable[[list[Field]], list[Field]]


def begin(
    rule: Rule,
    start_response: Callable[..., Any],
    status: str,
    fields: list[Field],
    *more: Any,
) -> Any:
    """Begin a response as ``start_response`` does, with what ``rule`` makes of its fields."""
    return start_response(status, rule(fields), *more)


def replacing(added: Sequence[Field], fields: list[Field]) -> list[Field]:
    """``fields`` with ``added`` in the place of those of the same names; but a Vary is one more."""
    names = {name.lower() for name, _ in added} - {"vary"}
    return [*(field for field in fields if field[0].lower() not in names), *added]
