"""Work for which the system starts no thread, or fewer than it could use."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from davkeep.operations import Operation, Outcome
from davkeep.operations.counting import COUNT_AFTER, CountingThread
from davkeep.operations.helpers import Helpers
from davkeep.operations.lanes import Lanes
from davkeep.trees.counting import Count, Totals
from davkeep.words.threads import ThreadRefusedError
from harness.refusing import Refusing

DEADLINE = 10.0


def test_a_call_is_made_by_who_asks_where_nobody_helps(refusing: Refusing) -> None:
    """No call waits for a thread that is not there, and later ones are helped again."""
    helpers = Helpers(2)
    refusing.begin()
    me = threading.get_ident()
    assert helpers.submit(threading.get_ident).result(0.0) == me
    assert isinstance(helpers.submit(lambda: 1 / 0).exception(0.0), ZeroDivisionError)
    assert helpers.count() == 0
    refusing.end()
    assert helpers.submit(threading.get_ident).result(DEADLINE) != me
    refusing.begin()
    assert helpers.submit(threading.get_ident).result(DEADLINE) != me
    assert helpers.count() == 1
    helpers.stop()
    assert helpers.submit(threading.get_ident).result(0.0) == me


def test_what_cannot_be_counted_is_counted_later(clock: Any, refusing: Refusing) -> None:
    """A total stays unknown without a thread; with the next operation the thread is tried again."""
    thread = CountingThread(clock)
    counted = [threading.Event(), threading.Event()]
    found = Totals(7, 70)

    def noted(event: threading.Event) -> Count:
        event.set()
        yield None
        return found

    operations = [Operation(owner="", method="COPY", source="/a", created=0.0) for _ in counted]
    refusing.begin()
    thread.add(operations[0], lambda: noted(counted[0]))
    clock.advance(COUNT_AFTER)
    assert (operations[0].progress.members_total, refusing.refused) == (None, 1)
    refusing.end()
    thread.add(operations[1], lambda: noted(counted[1]))
    clock.advance(COUNT_AFTER)
    assert counted[0].wait(DEADLINE)
    thread.stop(DEADLINE)


def test_a_line_without_any_thread_is_no_line(refusing: Refusing) -> None:
    """Whether work would ever end is known before any is taken in."""
    for allowed in range(3):
        refusing.begin(allowed=allowed)
        lanes = Lanes()
        with pytest.raises(ThreadRefusedError):
            lanes.start()
        lanes.stop(DEADLINE)
    refusing.begin(allowed=3)
    lanes = Lanes()
    lanes.start()
    assert lanes.counts().threads == 3
    lanes.stop(DEADLINE)


def test_one_worker_does_the_work_of_all_that_were_refused(
    make_bench: Callable[..., Any], refusing: Refusing
) -> None:
    """Work only waits longer, is undone and ends, and a worker that is allowed later helps."""
    bench = make_bench(workers=2)
    bench.lanes.start()
    refusing.begin()
    first, waits = bench.busy(), bench.queue(bench.noted("a"))
    cancelled = bench.queue(bench.noted("b"))
    assert bench.lanes.counts().long_waiting == 2
    assert bench.lanes.counts().threads == 3
    assert cancelled.cancel()
    ended = cancelled.wait(DEADLINE)
    assert ended is not None
    assert ended.status == 409
    refusing.end()
    # The first is still busy: this starts the second, which takes both.
    later = bench.queue(bench.noted("c"))
    assert waits.wait(DEADLINE) == later.wait(DEADLINE) == Outcome(201)
    first.opened.set()


def test_a_stop_needs_no_thread(make_bench: Callable[..., Any], refusing: Refusing) -> None:
    """What has begun is undone, and nothing is left."""
    bench = make_bench()
    bench.lanes.start()
    refusing.begin()
    gate = bench.busy()
    operations = [bench.queue(bench.noted("a")) for _ in range(3)]
    gate.opened.set()
    assert bench.lanes.stop(0.0) == 0
    assert all(operation.outcome is not None for operation in operations)


def test_a_line_that_was_never_started(bench: Any, refusing: Refusing) -> None:
    """Lanes without ``start`` lose nothing either: the next work brings the thread."""
    refusing.begin()
    waits = bench.queue(bench.noted("a"))
    assert bench.lanes.counts().threads == 0
    refusing.end()
    assert bench.queue(bench.noted("b")).wait(DEADLINE) == Outcome(201)
    assert waits.wait(DEADLINE) == Outcome(201)
