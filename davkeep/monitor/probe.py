"""`POST /.davkeep/probe?count=N&seconds=S`: N interim responses spread over S seconds, then a
description of what the server saw.

`davkeep probe` asks for it through the public URL, to find out what the proxies between make of
interim responses. For administrators only.
"""

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from davkeep import __version__
from davkeep.keepalive import Action, Step, Waiting
from davkeep.words.callers import Caller
from davkeep.words.failure import Failure
from davkeep.words.proxies import fields_of
from davkeep.words.urls import Segments

Environ = dict[str, Any]

SEGMENTS: Segments = (".davkeep", "probe")

#: Interim responses of one probe; davkeep's own schedule never sends more than 100.
MOST = 200

#: Seconds that one probe takes at most.
LONGEST = 300.0

#: Probes that run at the same time; each holds a connection.
AT_ONCE = 4

#: Seconds beyond its end after which a probe whose connection broke no longer counts as running.
SLACK = 10.0

#: Seconds after which a probe that is behind its schedule looks again.
CATCH_UP = 0.5

#: Seconds after which a client may try again when too many probes run.
RETRY_AFTER = 10


@dataclass(frozen=True)
class Wish:
    """What a client asks for. Raises Failure 400 for a number that is out of bounds."""

    count: int
    seconds: float

    def __post_init__(self) -> None:
        if not 0 <= self.count <= MOST:
            raise Failure(400, f"count is a whole number from 0 to {MOST}.")
        # False for "nan" too.
        if not 0 < self.seconds <= LONGEST:
            raise Failure(400, f"seconds is a number above 0, up to {LONGEST:g}.")


def parse_wish(query: str) -> Wish:
    """The parameters of a request target; raises Failure 400.

    One interim response in one second, unless others are named.
    """
    given = parse_qsl(query, keep_blank_values=True)
    values = {"count": "1", "seconds": "1", **dict(given)}
    if len(dict(given)) < len(given) or len(values) > 2:
        raise Failure(400, "The parameters are count and seconds, each at most once.")
    with suppress(ValueError):
        return Wish(int(values["count"]), float(values["seconds"]))
    raise Failure(400, "count and seconds are numbers.")


class EvenBeat:
    """The schedule of a probe, whatever the client's profile says: it is what is to be found out.

    None for a client that must not get any (RFC 9110 15.2).
    """

    def __init__(self, wish: Wish, version: tuple[int, int]) -> None:
        self._wish = wish
        self.cap = wish.count if version >= (1, 1) else 0
        #: Interim responses that were sent when the schedule was last asked.
        self.sent = 0

    def next_step(
        self, elapsed: float, sent: int, *, continues: int = 0, begun: bool = False
    ) -> Step:
        """See `davkeep.keepalive.exchange.Schedule`."""
        self.sent = sent
        if sent >= self.cap:
            return Step(Action.SILENCE)
        due = self._wish.seconds * (sent + 1) / (self._wish.count + 1)
        return Step(Action.INTERIM, max(elapsed, due))


class Slots:
    """How many probes run. Each ends by itself, should nobody say that it has."""

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self._most = most
        self._clock = clock
        #: Guards the ends of those that run, as readings of the clock.
        self._lock = threading.Lock()
        self._ends: dict[object, float] = {}

    def take(self, seconds: float) -> object:
        """Begin one that lasts `seconds` at most; raises Failure 429 if too many run."""
        now, slot = self._clock(), object()
        with self._lock:
            self._ends = {each: end for each, end in self._ends.items() if end > now}
            if len(self._ends) >= self._most:
                fields = [("Retry-After", str(RETRY_AFTER))]
                raise Failure(429, "Too many probes are running.", fields=fields)
            self._ends[slot] = now + seconds
        return slot

    def free(self, slot: object) -> None:
        """It has ended. A second call does nothing."""
        with self._lock:
            self._ends.pop(slot, None)


class Probe:
    """The resource."""

    def __init__(self, behind_proxy: str, clock: Callable[[], float] = time.monotonic) -> None:
        """`behind_proxy` is what is configured, and told to those who ask."""
        self._behind_proxy = behind_proxy
        self._clock = clock
        self._slots = Slots(AT_ONCE, clock)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer after a while. Raises Failure 400, 403, 405, 429; 401 goes out with what the
        client has to answer.
        """
        if environ["REQUEST_METHOD"] != "POST":
            raise Failure(405, fields=[("Allow", "POST")])
        caller: Caller = environ["davkeep.caller"]
        if not caller.is_administrator:
            return _refuse(environ, start_response, caller)
        wish = parse_wish(environ.get("QUERY_STRING", ""))
        slot = self._slots.take(wish.seconds + SLACK)
        until = self._clock() + wish.seconds
        _Run(self, environ, start_response, wish, slot, until + SLACK).wait(until)
        return ()

    def end(self, slot: object) -> None:
        """A probe is over."""
        self._slots.free(slot)

    def report(self, environ: Environ, wish: Wish, sent: int) -> dict[str, Any]:
        """What the server saw of a request, and did."""
        return {
            "probe": 1,
            "server": f"davkeep/{__version__}",
            "count": wish.count,
            "seconds": wish.seconds,
            "sent": sent,
            "version": "HTTP/{}.{}".format(*environ["davkeep.http_version"]),
            "peer": {
                "address": environ["davkeep.peer"],
                "port": environ.get("REMOTE_PORT", ""),
                "trusted": environ["davkeep.peer_is_trusted"],
            },
            "client": environ["REMOTE_ADDR"],
            "scheme": environ["wsgi.url_scheme"],
            "host": environ.get("HTTP_HOST"),
            "fields": fields_of(environ),
            "behindProxy": self._behind_proxy,
        }

    def clock(self) -> float:
        """Seconds, as deadlines are told."""
        return self._clock()


@dataclass(eq=False)
class _Run:
    """One probe."""

    probe: Probe
    environ: Environ
    start_response: Callable[..., Any]
    wish: Wish
    slot: object

    #: Reading of the clock at which it ends, whatever was sent by then.
    last: float

    def __post_init__(self) -> None:
        self.beat = EvenBeat(self.wish, self.environ["davkeep.http_version"])

    def wait(self, until: float) -> None:
        """Have the connection parked until that reading of the clock."""
        self.environ["davkeep.exchange"].hold(
            Waiting(
                subscribe=lambda _: None,
                resume=self._resume,
                beat=self.beat,
                deadline=until,
                disconnected=lambda: self.probe.end(self.slot),
                label=f"a probe of {self.wish.count} in {self.wish.seconds:g} s",
            )
        )

    def _resume(self) -> Iterable[bytes]:
        """The time is up; a client that reads slowly may still have to get some."""
        now = self.probe.clock()
        if self.beat.sent < self.beat.cap and now < self.last:
            self.wait(now + CATCH_UP)
            return ()
        self.probe.end(self.slot)
        report = self.probe.report(self.environ, self.wish, self.beat.sent)
        return _send(self.start_response, report)


def _send(start_response: Callable[..., Any], report: dict[str, Any]) -> Iterator[bytes]:
    body = json.dumps(report, indent=2).encode() + b"\n"
    fields = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response("200 OK", fields)
    return iter((body,))


def _refuse(
    environ: Environ, start_response: Callable[..., Any], caller: Caller
) -> Iterable[bytes]:
    challenge = environ["davkeep.challenge"]
    if not caller.user and challenge is not None:
        answer: Iterable[bytes] = challenge(start_response)
        return answer
    raise Failure(
        403,
        "Only administrators may do this (davkeep.administrators). Without a name that is nobody"
        " but a program on this machine, not by way of a proxy, unless davkeep.trusted_proxies"
        " names the proxy and it tells the client's address.",
    )
