"""davkeep as an HTTP client: one connection at a time, with every response that comes on it.

Interim responses are told apart from the final one, which most libraries cannot, so it is h11. It
serves the commands (`client`) and the webhooks alike.
"""

from davkeep.http.connection import (
    MOST_INTERIMS,
    Connection,
    EndedError,
    Head,
    MalformedError,
    UnsendableError,
)
from davkeep.http.loop import Loop, Resolve, run
from davkeep.http.origin import Origin

__all__ = [
    "MOST_INTERIMS",
    "Connection",
    "EndedError",
    "Head",
    "Loop",
    "MalformedError",
    "Origin",
    "Resolve",
    "UnsendableError",
    "run",
]
