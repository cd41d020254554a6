"""Operations that are over, written down for the process after this one."""

import json
from base64 import b64decode, b64encode
from collections.abc import Collection
from typing import Any

from davkeep.operations.operation import Operation
from davkeep.operations.outcome import Failures, MemberFailure, Outcome
from davkeep.operations.state import State
from davkeep.words.progress import Progress

#: The attributes that are kept as they are.
_PLAIN = ("id", "owner", "address", "method", "source", "destination", "created")

_PROGRESS = Progress.__slots__


def written(operation: Operation) -> str | None:
    """The operation as JSON; None for one that is not over."""
    state, outcome = operation.standing
    if outcome is None:
        return None
    told: dict[str, Any] = {name: getattr(operation, name) for name in _PLAIN}
    told |= {
        "ended": operation.ended,
        "left_behind": operation.left_behind,
        "state": state.value,
        "progress": [getattr(operation.progress, name) for name in _PROGRESS],
        "status": outcome.status,
        "failures": _in_text(outcome.failures),
        "fields": outcome.fields,
        "explanation": outcome.explanation,
        "condition": outcome.condition,
    }
    return json.dumps(told)


def _in_text(failures: Collection[MemberFailure]) -> list[str]:
    """Blocks of them, in base 64."""
    return [b64encode(block).decode() for block in Failures.of(failures).blocks()]


def _of_text(blocks: list[Any]) -> Collection[MemberFailure]:
    """0.1.0 wrote pairs of an href and a status instead."""
    if all(isinstance(each, str) for each in blocks):
        return Failures.of_blocks(b64decode(each, validate=True) for each in blocks)
    return Failures(MemberFailure(*each) for each in blocks)


def read(text: str) -> Operation:
    """The operation that was written so. ValueError, KeyError or TypeError for anything else."""
    told = json.loads(text)
    operation = Operation(**{name: told[name] for name in _PLAIN})
    operation.begin()
    operation.end(
        State(told["state"]),
        Outcome(
            told["status"],
            _of_text(told["failures"]),
            tuple((name, value) for name, value in told["fields"]),
            told["explanation"],
            told["condition"],
        ),
    )
    operation.ended, operation.left_behind = told["ended"], told["left_behind"]
    operation.progress = Progress(**dict(zip(_PROGRESS, told["progress"], strict=True)))
    return operation
