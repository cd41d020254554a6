"""What the status monitor says of an operation, as a JSON object."""

from typing import Any

from davkeep.operations.description import describe
from davkeep.operations.operation import Operation

#: Members of a 207 that are named in an operation's own monitor; all of them are in its final
#: response. The text stays below about 200 kB.
MOST_ERRORS = 1000

#: Likewise in the list, where each operation is a line of some 700 bytes.
MOST_ERRORS_LISTED = 3

#: Seconds after which a client may look again: at least, where nothing is known, and at most.
SOONEST, USUAL, LATEST = 1, 2, 30

#: What is below an operation's monitor.
RESPONSE = "response"


def status_of(operation: Operation, now: float, most_errors: int = MOST_ERRORS) -> dict[str, Any]:
    """The operation as it stands at `now`, by the lanes' clock.

    Rates are of the last seconds, and nothing unless it runs. `cancelling`: a cancel was asked for
    and is not over. `cancellable`: a cancel would be accepted.
    """
    estimated, rate = operation.estimated_seconds(now), operation.rate(now)
    told = describe(
        operation,
        estimated_seconds=None if estimated is None else round(estimated, 1),
        most_errors=most_errors,
    )
    return {
        **told,
        "members_per_second": round(rate.members, 1),
        "bytes_per_second": round(rate.bytes),
        "cancelling": operation.is_being_cancelled,
        "cancellable": operation.is_cancellable,
        "responseUrl": f"{told['statusUrl']}/{RESPONSE}",
    }


def retry_after(status: dict[str, Any]) -> int:
    """The seconds after which it is worth while to look at a pending operation again."""
    estimated = status["estimatedSeconds"]
    return USUAL if estimated is None else max(SOONEST, min(LATEST, round(estimated)))
