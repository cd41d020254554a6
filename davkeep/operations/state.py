"""The states of an operation, as a table."""

from enum import Enum


class State(Enum):
    """Where an operation stands; the values are the words of the status monitor's JSON."""

    # By identity: that of Enum hashes the name, in Python, at each look into a table.
    __hash__ = object.__hash__

    PENDING = "pending"
    """Admitted, no thread has driven it yet; it fails if its checks do."""
    RUNNING = "running"
    """Begun. It may wait in a line between two of its turns."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """It ended with an error, or as a 207 that names failed members."""
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    """The server stopped before it ended."""

    @property
    def is_over(self) -> bool:
        """True when no other state can follow."""
        return not NEXT[self]


#: Which states may follow which. What is not here is a bug.
NEXT: dict[State, frozenset[State]] = {
    State.PENDING: frozenset({State.RUNNING, State.FAILED, State.CANCELLED, State.INTERRUPTED}),
    State.RUNNING: frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED, State.INTERRUPTED}),
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
    State.INTERRUPTED: frozenset(),
}


class IllegalTransition(RuntimeError):
    """A state was to follow that cannot follow: a bug in whoever drives the operation."""


def follow(state: State, following: State) -> State:
    """Return ``following`` if it may come after ``state``, else raise IllegalTransition."""
    if following not in NEXT[state]:
        raise IllegalTransition(f"{state.value} cannot become {following.value}")
    return following
