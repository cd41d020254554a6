"""A call that is made later."""

import sys
from functools import partial

from davkeep.words.later import Later


def test_the_call_is_made_when_it_is_asked_for() -> None:
    """The function gets its argument, and what it returns comes back, each time."""
    seen: list[str] = []
    later = Later(seen.append, "a")
    assert seen == []
    assert (later(), later()) == (None, None)
    assert seen == ["a", "a"]
    assert Later(len, "abc")() == 3


def test_each_is_another_one() -> None:
    """Two that would make the same call are told apart, so that one can be taken back."""
    assert Later(len, "a") != Later(len, "a")


def test_it_takes_less_than_a_partial() -> None:
    """That is what it is there for; a partial's dictionary and tuple come on top."""
    assert sys.getsizeof(Later(len, "a")) < sys.getsizeof(partial(len, "a"))
