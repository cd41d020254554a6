"""Threads of which the system may refuse some."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from davkeep.words.crew import Crew
from davkeep.words.threads import ThreadRefusedError
from harness.refusing import Refusing

DEADLINE = 10.0


@pytest.fixture
def over() -> Iterator[threading.Event]:
    """Give what the threads wait for."""
    event = threading.Event()
    yield event
    event.set()


def test_only_those_that_run_are_counted(
    over: threading.Event, refusing: Refusing, caplog: Any
) -> None:
    """What was refused is not there, is told once, and is tried again at the next occasion."""
    crew = Crew("davkeep-x", 3, over.is_set)
    crew.grow(over.wait)
    refusing.begin()
    for _ in range(5):
        crew.grow(over.wait, 2)
        assert len(crew) == 1
    assert refusing.refused == 5
    assert [record.getMessage() for record in caplog.records] == [
        "the system starts no thread davkeep-x-2, so there are 1"
    ]
    refusing.end()
    crew.grow(over.wait, 9)
    assert [thread.name for thread in crew.threads] == [f"davkeep-x-{n}" for n in (1, 2, 3)]


def test_the_first_is_there_or_it_is_said(over: threading.Event, refusing: Refusing) -> None:
    """Who cannot do without one finds out before anything depends on it."""
    crew = Crew("davkeep-x", 3, over.is_set)
    refusing.begin()
    with pytest.raises(ThreadRefusedError):
        crew.begin(over.wait)
    assert len(crew) == 0
    refusing.end()
    for _ in range(2):
        crew.begin(over.wait)
    assert len(crew) == 1


def test_joining(over: threading.Event) -> None:
    """All that end are waited for, and one that does not costs the time that was given."""
    crew = Crew("davkeep-x", 2, over.is_set)
    crew.grow(over.wait, 2)
    crew.join(0.0)
    assert all(thread.is_alive() for thread in crew.threads)
    over.set()
    crew.join(threading.TIMEOUT_MAX)
    assert not any(thread.is_alive() for thread in crew.threads)
