"""What is known of an operation that a crash ended, as its status monitor tells it."""

from enum import Enum

from davkeep.operations.operation import Operation
from davkeep.operations.outcome import Failures, MemberFailure, Outcome, interrupted
from davkeep.operations.state import State
from davkeep.store.record import Record, Stage


class Finding(Enum):
    """What stands, where the operation did not simply succeed."""

    NOTHING = "Nothing that a reader sees was changed."
    PARTIAL = "It is complete but for members that failed."
    SOME = "Members were removed before the server stopped; those that are there were not."
    RETURNED = "It was being cancelled: what was left of it is there again."
    TAKEN = "It was being cancelled, but its name had been taken: what was left of it is removed."
    REPLACED = "The destination is complete; the source was replaced meanwhile and is still there."
    ABSENT = "The share is not there. What was begun stays in the journal until it is back."
    UNCLEAR = (
        "What became of it cannot be told, because somebody else changed the same names."
        " Nothing was touched, and what is hidden is kept."
    )
    REFUSED = "A disk refused what is left to do; it is tried again until that works."


def operation_of(record: Record, finding: Finding | None) -> Operation:
    """The operation, which is over; ``finding`` None: it succeeded, or failed as it was settled."""
    operation = Operation(
        id=record.id,
        owner=record.owner,
        address=record.address,
        method=record.method,
        source=record.source_url,
        destination=record.destination_url,
        created=record.created,
    )
    operation.begin()
    if finding is None:
        outcome = outcome_of(record)
        operation.end(outcome.state, outcome)
        # How much it was is not known any more.
        operation.progress.members_total = operation.progress.bytes_total = None
    else:
        outcome = interrupted(f"The server stopped unexpectedly. {finding.value}")
        operation.end(State.INTERRUPTED, outcome)
    return operation


def outcome_of(record: Record) -> Outcome:
    """What its client would have been answered."""
    failures = Failures(MemberFailure(*each) for each in record.failures)
    return Outcome(record.status or _usual_status(record), failures)


def _usual_status(record: Record) -> int:
    return 201 if record.change is not None and record.change.creates else 204


def finding_of(record: Record) -> Finding | None:
    """What is to be said of a record that an earlier start has settled."""
    if record.finding is not None:
        return Finding[record.finding]
    if record.stage is Stage.EFFECTIVE:
        is_told = record.status is not None
        is_partial = record.change is not None and record.change.is_partial
        return Finding.PARTIAL if is_partial and not is_told else None
    return Finding.NOTHING
