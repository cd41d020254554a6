import pytest

from davkeep.operations.outcome import MemberFailure, Outcome, cancelled
from davkeep.operations.state import State


@pytest.mark.parametrize("status", [0, 102, 199, 600])
def test_an_outcome_is_a_final_response(status: int) -> None:
    """An interim status, or none, cannot be the outcome of an operation."""
    with pytest.raises(ValueError, match=str(status)):
        Outcome(status)


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Outcome(201), State.SUCCEEDED),
        (Outcome(204), State.SUCCEEDED),
        (Outcome(207, failures=(MemberFailure("/a", 403),)), State.FAILED),
        (Outcome(207), State.FAILED),
        (Outcome(412), State.FAILED),
        (Outcome(507), State.FAILED),
    ],
)
def test_the_state_follows_from_the_status(outcome: Outcome, state: State) -> None:
    """Success is a status below 300 other than 207."""
    assert outcome.state is state


def test_a_cancelled_operation_answers_409() -> None:
    """Cancelling is told by a conflict with a named condition, which clients do not repeat."""
    assert cancelled().status == 409
    assert cancelled().condition == "operation-cancelled"
    assert cancelled("Nothing is left.").explanation == (
        "The operation was cancelled. Nothing is left."
    )
