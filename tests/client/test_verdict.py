"""From what was heard to what is recommended, without a network."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from davkeep.client.trials import BEATS, STEPS, Findings, Trial, run
from davkeep.client.verdict import judge
from davkeep.client.wire import End, Heard, Interim
from davkeep.keepalive import DECLARABLE
from davkeep.words.configuration import parse

AUTHORITY = "dav.example"


def heard(sent: int, *, answered: Mapping[str, str] | None = None, **report: Any) -> Heard:
    """A whole answer of the server's."""
    seen = {
        "probe": 1,
        "sent": sent,
        "version": "HTTP/1.1",
        "peer": {"address": "10.0.0.1", "port": "9", "trusted": True},
        "host": AUTHORITY,
        "fields": {},
        "behindProxy": "auto",
    }
    return Heard(
        [Interim(102, 0.0) for _ in range(sent)],
        200,
        answered or {},
        json.dumps({**seen, **report}).encode(),
        End.COMPLETE,
        local=("10.0.0.9", 8),
    )


class Way:
    """A way to the server that bears so many interim responses, and so long a silence."""

    def __init__(self, bears: int, timeout: float = 1000.0, renews: bool = True) -> None:
        self.bears, self.timeout, self.renews = bears, timeout, renews
        self.asked: list[int] = []

    def ask(self, count: int, seconds: float) -> Trial:
        """One probe."""
        self.asked.append(count)
        silence = seconds / (count + 1) if self.renews else seconds
        if count <= self.bears and silence < self.timeout:
            return Trial(count, seconds, heard(count))
        return Trial(count, seconds, Heard(status=502, end=End.COMPLETE))

    def findings(self, most: int = 100, patience: float | None = None) -> Findings:
        """All experiments."""
        return run(self.ask, self.ask(0, 0.1), most, 0.1, patience)


@given(st.integers(0, 200), st.integers(1, 200))
def test_the_cap_is_found_exactly(bears: int, most: int) -> None:
    """And in few tries, none of more than was allowed."""
    way = Way(bears)
    found = way.findings(most)
    assert found.passed == min(bears, most)
    assert found.failed == (bears + 1 if bears < most else None)
    assert max(way.asked) <= most
    assert len(way.asked) <= len(STEPS) + 12


@pytest.mark.parametrize(
    ("timeout", "renews", "expected"),
    [(1000, True, (True, None)), (30, True, (False, True)), (30, False, (False, False))],
)
def test_whether_the_timeout_is_renewed(
    timeout: float, renews: bool, expected: tuple[bool, bool | None]
) -> None:
    """The same time with a silence, and with interim responses."""
    way = Way(100, timeout, renews)
    found = way.findings(patience=30)
    assert (found.silence_passed, found.renewed) == expected
    assert expected[0] or way.asked[-1] == BEATS


def test_without_a_102_nothing_can_be_renewed() -> None:
    """It is not tried."""
    assert Way(0, timeout=30).findings(patience=30).renewed is None


@given(
    st.sampled_from([*(set(DECLARABLE) - {"haproxy", "traefik"}), None]),
    st.integers(0, 120),
    st.sampled_from([None, True, False]),
)
def test_what_is_recommended_is_safe(name: str | None, bears: int, renewed: bool | None) -> None:
    """davkeep never sends more through the recommended proxy than was seen to pass."""
    found = Way(bears).findings()
    found.renewed = renewed
    server = {} if name is None else {"server": name}
    found.trials.append(Trial(0, 0.1, heard(0, answered=server)))
    verdict = judge(found, AUTHORITY)
    assert verdict.proxy == name
    cap = DECLARABLE[verdict.behind_proxy].cap
    assert bears >= 100 or (cap is not None and cap <= bears)
    assert parse({"davkeep": {"keepalive": {"behind_proxy": verdict.behind_proxy}}})


@pytest.mark.parametrize(
    ("report", "proxy"),
    [
        ({"fields": {"x-varnish": "1"}}, "varnish"),
        ({"fields": {"via": "1.1 host (squid/5.7)"}}, "squid"),
        ({"fields": {"x-forwarded-server": "a"}}, "apache"),
        ({"fields": {"x-forwarded-server": "a", "x-real-ip": "192.0.2.1"}}, "traefik"),
        ({"fields": {"x-forwarded-for": "192.0.2.1"}}, None),
        ({"version": "HTTP/1.0"}, "nginx"),
        ({"fields": ["strange"], "peer": None}, None),
    ],
)
def test_what_the_server_saw_tells_the_proxy(report: dict[str, Any], proxy: str | None) -> None:
    """Where the responses do not."""
    found = Findings(Trial(0, 0.1, heard(0, **report)), [Trial(1, 0.1, heard(1))], passed=1)
    assert judge(found, AUTHORITY).proxy == proxy


@pytest.mark.parametrize(
    ("report", "told"),
    [
        ({"host": "10.0.0.2:8080"}, "X-Forwarded-Host"),
        ({"fields": {"via": "x"}, "peer": {"address": "10.0.0.1", "port": "9"}}, "[10.0.0.1]"),
    ],
)
def test_names_that_do_not_match_are_told(report: dict[str, Any], told: str) -> None:
    """With what to set."""
    found = Findings(Trial(0, 0.1, heard(0, **report)), [Trial(1, 0.1, heard(1))], passed=1)
    assert any(told in sentence for sentence in judge(found, AUTHORITY).sentences)


@given(st.binary() | st.from_type(dict).map(lambda _: b'{"probe": 1}'))
def test_strange_answers_are_no_reports(content: bytes) -> None:
    """Whatever a server says, it is either a report or not."""
    trial = Trial(1, 0.1, Heard(status=200, content=content, end=End.COMPLETE))
    assert trial.passed == (content == b'{"probe": 1}')
