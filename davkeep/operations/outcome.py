"""How an operation ended, in the words of HTTP."""

import json
from collections.abc import Collection
from dataclasses import dataclass

from davkeep.operations.state import State
from davkeep.words.packed import Packed

#: The precondition element of the 409 that a cancelled operation answers.
CANCELLED_CONDITION = "operation-cancelled"


@dataclass(frozen=True, slots=True)
class MemberFailure:
    """One line of a 207: a member by its percent-encoded URL path, and its HTTP status."""

    href: str
    status: int


class Failures(Packed[MemberFailure]):
    """The members that one 207 names, however many."""

    __slots__ = ()

    @staticmethod
    def _written(thing: MemberFailure) -> str:
        return json.dumps([thing.href, thing.status])

    @staticmethod
    def _read(text: str) -> MemberFailure:
        return MemberFailure(*json.loads(text))


@dataclass(frozen=True, slots=True)
class Outcome:
    """The final response of an operation, before it is written.

    ``failures`` are the members that a 207 names, ``fields`` further header fields, ``condition``
    the local name of an element of ``DAV:error`` (RFC 4918 16). A status below 200 is no final
    status and raises ValueError.
    """

    status: int
    failures: Collection[MemberFailure] = ()
    fields: tuple[tuple[str, str], ...] = ()
    explanation: str = ""
    condition: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be a final response, and keep failures in little memory."""
        if not 200 <= self.status <= 599:
            raise ValueError(f"{self.status} is not a final status")
        if self.failures:
            object.__setattr__(self, "failures", Failures.of(self.failures))

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes, beyond those of any outcome."""
        failures = self.failures.size if isinstance(self.failures, Failures) else 0
        return failures + len(self.explanation)

    @property
    def state(self) -> State:
        """The state that follows when work came to this end by itself; a 207 is a failure."""
        fine = self.status < 300 and self.status != 207 and not self.failures
        return State.SUCCEEDED if fine else State.FAILED


def cancelled(remains: str = "") -> Outcome:
    """Return what waiters of a cancelled operation get: 409, which clients do not repeat.

    ``remains`` says what stayed and what went.
    """
    explanation = f"The operation was cancelled. {remains}".rstrip()
    return Outcome(409, explanation=explanation, condition=CANCELLED_CONDITION)


def interrupted(stands: str) -> Outcome:
    """Return the outcome of an operation that the server's stop ended; ``stands`` says what is.

    Nobody is told this 503: connections are reset (the promises, Ends that are not success).
    """
    return Outcome(503, explanation=stands)


def broken() -> Outcome:
    """Return the outcome of an operation that met a bug of this program."""
    return Outcome(500, explanation="The server failed; its log says why.")
