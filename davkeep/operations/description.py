"""What is told of an operation: one description for the status monitor and for webhooks."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import islice
from math import inf
from types import MappingProxyType
from typing import Any

from davkeep.operations.operation import Operation
from davkeep.operations.outcome import MemberFailure
from davkeep.operations.state import State
from davkeep.words.status import reason

NOTHING: Mapping[str, Any] = MappingProxyType({})

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
    most_bytes: int | None = None,
    more: Mapping[str, Any] = NOTHING,
) -> dict[str, Any]:
    """Return the operation as a JSON object, by the design's section 4.

    ``ended``, ``status`` and ``explanation`` are null until it is over, a total until it is known.
    ``left_behind``: something hidden is left that could not be removed, or not be brought back.
    ``estimated_seconds`` is what is left of it, which is nothing when it is over. ``errors`` are
    the first of the ``errors_total`` members that a 207 names, no more than ``most_errors``, and
    as many as fit where the whole, with ``more`` members, is to take ``most_bytes`` as JSON in one
    line. ``errors_omitted`` are not named. Without any of them it may be longer than that.
    """
    (state, outcome), progress = operation.standing, operation.progress.seen()
    failures = outcome.failures if outcome else ()
    told = {
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
        "errors": [],
        "errors_total": len(failures),
        "errors_omitted": len(failures),
        "statusUrl": f"{MONITORS}{operation.id}",
        **more,
    }
    if failures:
        room = inf if most_bytes is None else most_bytes - len(json.dumps(told))
        told["errors"] = _errors(islice(failures, most_errors), room)
        told["errors_omitted"] -= len(told["errors"])
    return told


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


def _errors(failures: Iterable[MemberFailure], room: float) -> list[dict[str, Any]]:
    """The first of them, as long as there is ``room`` for their JSON, in bytes."""
    errors: list[dict[str, Any]] = []
    for failure in failures:
        error = {"href": failure.href, "status": failure.status}
        room -= len(json.dumps(error)) + len(", ")
        if room < 0:
            break
        errors.append(error)
    return errors
