"""`202 Accepted` for a client that would rather not wait: `Prefer: respond-async` (RFC 7240 4.1),
and `OC-LazyOps` as ownCloud's clients send it.

All checks were made when the operation was admitted; for a PUT the content has arrived by then.
"""

import json
from dataclasses import dataclass

from davkeep.dav.answers import Answer, Field
from davkeep.dav.request import Request
from davkeep.operations import Operation
from davkeep.operations.description import JOB, MONITORS
from davkeep.operations.statuses import retry_after, status_of
from davkeep.words.preferences import prefers, wait_of

#: What switches `OC-LazyOps` on: ownCloud's desktop client sends the one, its page the other.
LAZY = frozenset({"true", "1"})


@dataclass(frozen=True)
class Wish:
    """What a client said about waiting."""

    #: How long it waits for the final response before it is told where to look for it.
    seconds: int
    #: Whether it asked by `Prefer`, and for how long it would wait, and by `OC-LazyOps`.
    prefers: bool
    is_lazy: bool

    @classmethod
    def of(cls, request: Request) -> "Wish | None":
        """What `request` says; None: it waits for its answer."""
        field = request.field("Prefer")
        asked = prefers(field, "respond-async")
        is_lazy = (request.field("OC-LazyOps") or "").strip().lower() in LAZY
        if not (asked or is_lazy):
            return None
        return cls((wait_of(field) or 0) if asked else 0, asked, is_lazy)


def accepted(operation: Operation, wish: Wish, now: float, told: tuple[Field, ...] = ()) -> Answer:
    """The 202 that names the status monitor of ``operation``; ``now`` is the lanes' clock.

    ``told``: header fields that it has besides.
    """
    status = status_of(operation, now)
    content = json.dumps(status).encode()
    fields = [
        ("Location", f"{MONITORS}{operation.id}"),
        ("Link", f'<{MONITORS}{operation.id}>; rel="monitor"'),
        ("Retry-After", str(retry_after(status))),
        ("Content-Type", "application/json"),
        *_applied(wish),
        *told,
    ]
    if wish.is_lazy:
        fields.append(("OC-JobStatus-Location", f"{MONITORS}{operation.id}/{JOB}"))
    return Answer(202, tuple(fields), content)


def _applied(wish: Wish) -> list[Field]:
    if not wish.prefers:
        return []
    waited = f", wait={wish.seconds}" if wish.seconds else ""
    return [("Preference-Applied", f"respond-async{waited}")]
