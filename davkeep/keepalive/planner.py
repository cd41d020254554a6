"""What keeps the client of one request waiting, and when. Pure: facts and elapsed seconds in, the
next step out.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property, lru_cache

from davkeep.keepalive.facts import Facts, Mode, Settings
from davkeep.keepalive.profiles import DEFAULT_CAP, UNKNOWN_CLIENT, Profile
from davkeep.keepalive.proxies import DECLARABLE, UNKNOWN_PROXY, Proxy

#: The first version of HTTP with interim responses (RFC 9110 15.2: none to an HTTP/1.0 client).
FIRST_VERSION = (1, 1)

#: Seconds of patience that a silence grows towards where none is known: that of most proxies.
USUAL_PATIENCE = 60.0

#: The part of a patience that a silence takes, and what it grows towards while the number runs out.
BRISK, SLOW = 1 / 3, 2 / 3

#: The part of a client's window (`Profile.within`) at which an interim response is best spent, and
#: the part after which it might arrive too late.
SPENT_AT, TOO_LATE = 2 / 3, 0.9

#: Whose answer may be a 207 that began before the operation ended (RFC 4918 9.6.1, 9.8.3, 9.9.4).
MULTISTATUS_METHODS = frozenset({"COPY", "MOVE", "DELETE"})


class Action(Enum):
    """What to do next."""

    INTERIM = "interim"  #: send one 102
    MULTISTATUS = "multistatus"  #: begin a 207; once it has begun, send white space
    EFFECTIVE_POINT = "effective point"  #: answer as soon as it is reached; send nothing before
    SILENCE = "silence"  #: send nothing before the final response


@dataclass(frozen=True)
class Step:
    """One thing to do."""

    action: Action
    #: When, in seconds since the request was complete. None: the action has no moment.
    at: float | None = None


@dataclass(frozen=True)
class Plan:
    """The schedule of one request."""

    facts: Facts
    settings: Settings = field(default_factory=Settings)
    #: Whether something else answers before patience is over, so that no multi-status is begun.
    is_bounded: bool = False

    def next_step(
        self, elapsed: float, sent: int, *, continues: int = 0, begun: bool = False
    ) -> Step:
        """What is due next.

        `elapsed` is the moment of asking, or that of the last thing sent, in seconds since the
        request was complete; the step never lies before it. `sent` is how many 102s were sent,
        `continues` how many `100 Continue`. `begun`: an early multi-status has begun, and nothing
        but its white space can follow. A spent number is no error.
        """
        if not begun and (at := self._interim_at(elapsed, sent, continues)) is not None:
            return Step(Action.INTERIM, at)
        if not begun and self.client.effective_point:
            return Step(Action.EFFECTIVE_POINT)
        if begun or self.may_begin:
            first = sent == 0 and not begun
            return Step(Action.MULTISTATUS, _due(elapsed, self._pause(first), first))
        return Step(Action.SILENCE)

    @cached_property
    def client(self) -> Profile:
        """The row of the client."""
        return self.settings.client(self.facts.user_agent)

    @cached_property
    def proxy(self) -> Proxy | None:
        """The row of the proxy between; None: there is none that we know of."""
        declared = self.settings.behind_proxy
        if declared == "auto":
            return UNKNOWN_PROXY if self.facts.is_proxied else None
        return DECLARABLE.get(declared)

    @cached_property
    def cap(self) -> int:
        """Interim responses that the request may get, `100 Continue` included."""
        if self.facts.version < FIRST_VERSION or self.settings.interim is Mode.NEVER:
            return 0
        if self.settings.interim is Mode.ALWAYS:
            return min(DEFAULT_CAP, self._declared_limit)
        if self.client.within is not None and self._sent_a_body:
            return 0
        limit = DEFAULT_CAP if self.proxy is None else self.proxy.limit
        return min(self._client_limit, limit)

    def _silence(self, configured: float, left: int) -> float:
        """The seconds between two interim responses, with `left` of them to be sent.

        While that is at least half of the cap, the smaller of the configured ones and a third of
        the patience (the smallest that an interim response renews, the client's or the proxy's).
        After that it grows by the same amount each time, and stays below two thirds of the
        patience, or of `USUAL_PATIENCE` if none is known; it never shrinks.
        """
        patience = min(self._renewed, default=None)
        brisk = configured if patience is None else min(configured, BRISK * patience)
        slow = max(brisk, SLOW * (USUAL_PATIENCE if patience is None else patience))
        spent = max(0.0, 1 - 2 * left / self.cap)
        return brisk + spent * (slow - brisk)

    def _interim_at(self, elapsed: float, sent: int, continues: int) -> float | None:
        left = self.cap - sent - continues
        if left <= 0:
            return None
        pause = self._silence(self._configured(sent == 0), left)
        at = _due(elapsed, pause, sent == 0)
        if self.client.within is None or self.settings.interim is Mode.ALWAYS:
            return at
        at = max(elapsed, min(at, SPENT_AT * self.client.within))
        return at if at <= TOO_LATE * self.client.within else None

    def _pause(self, first: bool) -> float:
        """The silence before and in an early multi-status, whose every byte renews a patience."""
        known = [self.client.patience, self.proxy.patience if self.proxy else None]
        parts = [BRISK * each for each in known if each is not None]
        return min([self._configured(first), *parts])

    def _configured(self, first: bool) -> float:
        return self.settings.first_after if first else self.settings.interval

    @cached_property
    def _client_limit(self) -> int:
        opted_in = self.client is UNKNOWN_CLIENT and self.facts.prefers_processing
        return DEFAULT_CAP if opted_in else self.client.limit

    @property
    def _declared_limit(self) -> int:
        is_declared = self.proxy is not None and self.proxy is not UNKNOWN_PROXY
        return self.proxy.limit if self.proxy is not None and is_declared else DEFAULT_CAP

    @property
    def _sent_a_body(self) -> bool:
        return self.facts.had_body or self.facts.method == "PUT"

    @property
    def _renewed(self) -> Iterator[float]:
        """The patiences that an interim response renews, in seconds."""
        for row in (self.client, self.proxy):
            if row is not None and row.renews and row.patience is not None:
                yield row.patience

    @cached_property
    def may_begin(self) -> bool:
        """Whether an early multi-status may keep this client waiting."""
        if self.settings.interim is Mode.NEVER or not self.client.multistatus:
            return False
        if self.is_bounded or self.facts.method not in MULTISTATUS_METHODS:
            return False
        if self.proxy is None:
            return self.facts.version >= FIRST_VERSION
        return self.proxy.multistatus


def planner(settings: Settings) -> Callable[[Facts, bool], Plan]:
    """Makes the plan of a request by ``settings``, from its facts and whether it ``is_bounded``.

    Requests of which the same is known have one plan: the last few hundred are remembered.
    """
    return lru_cache(maxsize=256)(lambda facts, is_bounded: Plan(facts, settings, is_bounded))


def _due(elapsed: float, pause: float, first: bool) -> float:
    """The first pause counts from the request's end, every other one from what was sent last."""
    return max(elapsed, pause) if first else elapsed + pause
