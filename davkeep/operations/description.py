"""What is told of an operation: one description for the status monitor and for webhooks."""

from datetime import UTC, datetime
from typing import Any

from davkeep.operations.operation import Operation
from davkeep.operations.outcome import Outcome
from davkeep.operations.state import State
from davkeep.words.status import reason

#: The list of all operations, and their page.
OPERATIONS = "/.davkeep/operations"

#: Below it, each operation's status monitor is called after its identifier.
MONITORS = f"{OPERATIONS}/"

#: Below an operation's monitor, the same in the words that ownCloud's clients know.
JOB = "job"


def describe(
    operation: Operation,
    *,
    estimated_seconds: float | None = None,
    most_errors: int | None = None,
) -> dict[str, Any]:
    """Return the operation as a JSON object, by the design's section 4.

    ``ended``, ``status`` and ``explanation`` are null until it is over, a total until it is known.
    ``left_behind``: something hidden is left that could not be removed, or not be brought back.
    ``estimated_seconds`` is what is left of it, which is nothing when it is over. ``errors`` are
    the members that a 207 names, no more than ``most_errors`` of ``errors_total``.
    """
    (state, outcome), progress = operation.standing, operation.progress.seen()
    return {
        "id": operation.id,
        "owner": operation.owner,
        "method": operation.method,
        "source": operation.source,
        "destination": operation.destination,
        "state": state.value,
        "created": rfc3339(operation.created),
        "ended": rfc3339(operation.ended) if state.is_over and operation.ended else None,
        "members_done": progress.members_done,
        "members_total": progress.members_total,
        "bytes_done": progress.bytes_done,
        "bytes_total": progress.bytes_total,
        "estimatedSeconds": None if state.is_over else estimated_seconds,
        "status": outcome.status if outcome else None,
        "explanation": outcome.explanation if outcome else None,
        "left_behind": operation.left_behind,
        "errors": _errors(outcome, most_errors),
        "errors_total": len(outcome.failures) if outcome else 0,
        "statusUrl": f"{MONITORS}{operation.id}",
    }


def describe_job(operation: Operation) -> dict[str, Any]:
    """Return the operation as the JSON object that `OC-JobStatus-Location` names.

    The states are ownCloud's: init, started, finished, error. ``ETag`` is there where the final
    response has one.
    """
    state, outcome = operation.standing
    if outcome is None:
        return {"status": "init" if state is State.PENDING else "started"}
    if state is State.SUCCEEDED:
        fields = dict(outcome.fields)
        return {"status": "finished", **({"ETag": fields["ETag"]} if "ETag" in fields else {})}
    text = outcome.explanation or reason(outcome.status)
    return {"status": "error", "errorCode": outcome.status, "errorMessage": text}


def rfc3339(moment: float) -> str:
    """Return ``moment``, in seconds of the epoch, as a date and time in UTC (RFC 3339)."""
    text = datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _errors(outcome: Outcome | None, most: int | None) -> list[dict[str, Any]]:
    failures = outcome.failures[:most] if outcome else ()
    return [{"href": failure.href, "status": failure.status} for failure in failures]
