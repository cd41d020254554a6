import itertools

import pytest

from davkeep.operations.state import IllegalTransition, State, follow

LEGAL = {
    ("pending", "running"),
    ("pending", "failed"),
    ("pending", "cancelled"),
    ("pending", "interrupted"),
    ("running", "succeeded"),
    ("running", "failed"),
    ("running", "cancelled"),
    ("running", "interrupted"),
}


@pytest.mark.parametrize(("before", "after"), list(itertools.product(State, State)))
def test_only_the_transitions_of_the_table_are_possible(before: State, after: State) -> None:
    """Every legal transition gives the next state, and every other one raises."""
    if (before.value, after.value) in LEGAL:
        assert follow(before, after) is after
    else:
        with pytest.raises(IllegalTransition):
            follow(before, after)


def test_which_states_are_over() -> None:
    """A state is over exactly when nothing can follow it."""
    over = {state.value for state in State if state.is_over}
    assert over == {"succeeded", "failed", "cancelled", "interrupted"}
