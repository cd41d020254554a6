import pytest

from davkeep.words.failure import Failure


@pytest.mark.parametrize("status", [-1, 0, 102, 200, 207, 299, 600])
def test_success_is_no_failure(status: int) -> None:
    """A status that is not that of a redirection or an error cannot be raised."""
    with pytest.raises(ValueError, match="not the status of a failure"):
        Failure(status)


def test_failure_keeps_what_it_was_given() -> None:
    """Everything the door needs to render the answer is on the exception, and cannot be changed."""
    failure = Failure(
        423, "It is locked.", condition="lock-token-submitted", hrefs=["/a"], fields=[("X", "y")]
    )
    assert (failure.status, failure.explanation) == (423, "It is locked.")
    assert failure.condition == "lock-token-submitted"
    assert failure.hrefs == ("/a",)
    assert failure.fields == (("X", "y"),)
    assert str(failure) == "423 It is locked."


def test_failure_needs_only_a_status() -> None:
    """A bare status is an answer too."""
    failure = Failure(304)
    assert (failure.condition, failure.hrefs, failure.fields, str(failure)) == (None, (), (), "304")
