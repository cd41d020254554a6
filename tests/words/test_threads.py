"""Threads that live long."""

import logging
import threading

import pytest

from davkeep.words.threads import run_lasting, start_brief, start_thread

DEADLINE = 10.0


def test_a_loop_runs_again_after_an_exception(caplog: pytest.LogCaptureFixture) -> None:
    """It goes on, the traceback is logged once for each kind, and a return ends the thread."""
    runs: list[int] = []

    def run() -> None:
        runs.append(1)
        if len(runs) < 4:
            raise ValueError("odd" if len(runs) % 2 else "even")

    thread = start_thread(run, "davkeep-x", is_over=lambda: False, pause=0.01)
    thread.join(DEADLINE)
    assert not thread.is_alive()
    assert len(runs) == 4
    told = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [bool(record.exc_info) for record in told] == [True, True, False]
    assert all("the thread davkeep-x met a bug" in record.getMessage() for record in told)


def test_at_the_end_it_is_run_once_more() -> None:
    """So that it can put things in order, and no longer than that where it fails again."""
    runs: list[int] = []

    def run() -> None:
        runs.append(1)
        raise ValueError

    run_lasting(run, "davkeep-x", is_over=lambda: True, pause=DEADLINE)
    assert len(runs) == 2


def test_a_pause_ends_with_the_stop() -> None:
    """Who stops it does not wait for a long pause."""
    over = threading.Event()
    begun = threading.Event()

    def run() -> None:
        begun.set()
        raise ValueError

    thread = start_thread(run, "davkeep-x", is_over=over.is_set, pause=60.0)
    assert begun.wait(DEADLINE)
    over.set()
    thread.join(DEADLINE)
    assert not thread.is_alive()


def test_a_brief_thread_is_over_with_its_bug(caplog: pytest.LogCaptureFixture) -> None:
    """What was to be done once is not done again."""
    runs: list[int] = []

    def run() -> None:
        runs.append(1)
        raise ValueError("odd")

    start_brief(run, "davkeep-x").join(DEADLINE)
    assert runs == [1]
    assert "the thread davkeep-x met a bug" in caplog.text
