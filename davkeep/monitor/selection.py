"""Which operations a list shows, in which order, and how many."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qs

from davkeep.operations import Operation, State
from davkeep.words.failure import Failure

#: Digits that a limit has at most.
_DIGITS = 9

#: An identifier, or its first digits.
_PREFIX = re.compile(r"[0-9a-f]{1,32}", re.ASCII)

#: What runs comes first, then what waits, then what is over.
_ORDER = {State.RUNNING: 0, State.PENDING: 1}


@dataclass(frozen=True)
class Selection:
    """What a query asks for: ``?state=running,pending&limit=50``, ``?id=b2473a98``."""

    states: frozenset[State] = frozenset(State)
    #: What the identifiers begin with.
    prefix: str = ""
    most: int | None = None

    @classmethod
    def of(cls, query: str) -> Self:
        """Read the query of a URL; what is not known in it is ignored.

        Raises Failure 400 for a state that there is not, what no identifier begins with, a limit
        that is no number above 0, and for any of them given twice.
        """
        given = parse_qs(query, keep_blank_values=True)
        states, id, most = (_single(given.get(name)) for name in ("state", "id", "limit"))
        return cls(
            frozenset(State) if states is None else _states(states),
            "" if id is None else _prefix(id),
            None if most is None else _limit(most),
        )

    def apply(self, operations: Sequence[Operation]) -> tuple[Sequence[Operation], int]:
        """The first of those that are asked for, and how many they are without a limit."""
        found = [each for each in operations if self._matches(each)]
        return found[: self.most], len(found)

    def _matches(self, operation: Operation) -> bool:
        return operation.state in self.states and operation.id.startswith(self.prefix)


def in_order(operations: Sequence[Operation]) -> list[Operation]:
    """What runs and then what waits, each in the order of asking; then the last that ended first.

    So a list that is cut leaves out what matters least.
    """
    return sorted(operations, key=_place)


def _place(operation: Operation) -> tuple[int, float]:
    order = _ORDER.get(operation.state, len(_ORDER))
    is_over = order == len(_ORDER)
    moment = operation.created
    return order, -(operation.ended or moment) if is_over else moment


def _single(values: list[str] | None) -> str | None:
    if values is None:
        return None
    if len(values) != 1:
        raise Failure(400, "A parameter is given more than once.")
    return values[0]


def _states(text: str) -> frozenset[State]:
    try:
        return frozenset(State(name) for name in text.split(","))
    except ValueError:
        raise Failure(400, "That is no list of states.") from None


def _prefix(text: str) -> str:
    if not _PREFIX.fullmatch(text):
        raise Failure(400, "Those are no first digits of an identifier.")
    return text


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS and int(text) > 0):
        raise Failure(400, "The limit is a number above 0.")
    return int(text)
