"""After any number of requests, and however their clients leave, nothing more is in memory."""

import logging
import ssl
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from davkeep.monitor import news
from davkeep.operations import results
from davkeep.store import journal
from harness.inside import Inside, Start
from harness.living import caches, living
from harness.visits import KINDS, SETTINGS, Guest, furnish, pay, requests
from harness.waiting import until

#: Who visit at the same time.
GUESTS = 6
#: Visits of each kind that come before anything is counted: threads, caches and tables are there.
FIRST = 12
#: By how many a class, or what is in a table, may have grown, however many visits there were.
MOST = 8
#: By how many it may change while nothing but a request now and then comes.
UNREST = 2
#: How many that are gone are remembered, in place of thousands: tables are full before they are
#: looked at.
REMEMBERED = 4


@pytest.fixture
def house(
    inside: Start, root: Path, certified: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[[bool], Inside]:
    """Start a server that keeps next to nothing of what is over."""
    # pytest keeps what is logged, and whatever a line is about.
    monkeypatch.setattr(logging.root.manager, "disable", logging.CRITICAL)
    monkeypatch.setattr(news, "REMOVED_MOST", REMEMBERED)
    monkeypatch.setattr(results, "EXPIRED_MOST", REMEMBERED)
    monkeypatch.setattr(journal, "IDLE_FOLDERS", REMEMBERED)
    monkeypatch.setattr(results, "KEPT_MOST", REMEMBERED)
    furnish(root)

    def start(secure: bool) -> Inside:
        # So many threads that the pool need not grow.
        server = {"server_args": {"numthreads": 4 * GUESTS}}
        return inside({**server, **(certified if secure else {})}, **SETTINGS)

    return start


def _visit(guests: list[Guest], kind: Callable[[Guest], None], times: int) -> None:
    """All of them at the same time, so many in all."""

    def come(guest: Guest) -> None:
        for _ in range(times // len(guests)):
            pay(guest, kind)

    with ThreadPoolExecutor(len(guests)) as together:
        list(together.map(come, guests))


def _alive(guest: Guest) -> Counter[str]:
    """What lives, but for what is remembered by caches. A request before it has each stream
    written to, which is how a client that closed is told from one that only has said all.
    """
    pay(guest, requests)
    with guest.wire() as wire:
        # Whoever opens the page has the table of events looked through.
        assert wire.ask("GET", "/.davkeep/operations", {"Accept": "text/html"}).status == 200
    for cache in caches():
        cache.cache_clear()
    return living()


def _settled(guest: Guest) -> Counter[str]:
    """What lives when all is over."""
    seen = [_alive(guest)]

    def stands_still() -> bool:
        seen.append(_alive(guest))
        moved = (seen[-1] - seen[-2]) + (seen[-2] - seen[-1])
        return all(number <= UNREST for number in moved.values())

    until(stands_still, "what is over goes")
    return seen[-1]


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_nothing_is_left_of_any_visit(
    house: Callable[[bool], Inside],
    trusting: ssl.SSLContext,
    request: pytest.FixtureRequest,
    secure: bool,
) -> None:
    """The objects of each class, and what is in the tables, are as many as before."""
    times = request.config.getoption("--visits")
    server = house(secure)
    tls = trusting if secure else None
    guests = [Guest(server.host, server.port, number, tls) for number in range(GUESTS)]
    for kind in KINDS:
        _visit(guests, kind, FIRST)
    before = _settled(guests[0])
    for kind in KINDS:
        _visit(guests, kind, times)
    grown: Counter[str] = Counter()

    def is_none_left() -> bool:
        grown.clear()
        grown.update(_alive(guests[0]) - before)
        return all(number <= MOST for number in grown.values())

    with suppress(AssertionError):
        until(is_none_left, "nothing is left")
    assert not {name: number for name, number in grown.items() if number > MOST}


def test_every_cache_is_bounded() -> None:
    """No cache of a function's results grows for ever."""
    assert caches()
    unbounded = [each for each in caches() if each.cache_parameters()["maxsize"] is None]
    assert not [each for each in unbounded if each.__wrapped__.__code__.co_argcount]
