"""How far an operation is."""

from dataclasses import dataclass


@dataclass(slots=True)
class Progress:
    """Counters of one operation: written by the thread that drives it, read by any.

    A member is a file, a link or a collection. A total is None until it is known.
    """

    members_done: int = 0
    bytes_done: int = 0
    members_total: int | None = None
    bytes_total: int | None = None
