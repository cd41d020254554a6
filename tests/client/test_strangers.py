"""The client against servers and proxies that send anything."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from davkeep.client.address import Address, CannotAsk
from davkeep.client.documents import parsed
from davkeep.client.monitors import Operation, chosen
from davkeep.client.signs import signs
from davkeep.client.trials import Findings, Trial
from davkeep.client.verdict import judge
from davkeep.client.wire import MOST_CONTENT, MOST_INTERIMS, End, Heard, ask
from davkeep.http import Origin
from harness.commands import run
from harness.saying import answer, saying

#: What commands a terminal, in the forms in which it may come.
COMMANDS = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e"


def refused(*arguments: str, **environ: str) -> str:
    """What is told where a command cannot be carried out: one line, and nothing else."""
    done = run(*arguments, **environ)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    assert done.stderr.startswith("davkeep: ")
    assert not set("\x1b\x07\x9b\u202e") & set(done.stderr)
    return done.stderr


def test_a_refusal_is_not_printed_raw() -> None:
    """An escape sequence in the text of a 403 is shown by its code, for both commands."""
    said = answer(f"403\n{COMMANDS} no".encode(), "403 \x1b[2J", "Content-Type: text/plain")
    with saying(said) as url:
        for command in ("ops", "probe"):
            told = refused(command, url)
            assert r"\x1b[2J\x9b31m\u202e no" in told


def test_where_it_is_sent_is_not_printed_raw() -> None:
    """A redirection is told and not followed."""
    with saying(answer(b"", "302 Found", "Location: http://elsewhere/\x1b[2J")) as url:
        assert r"It sends elsewhere: http://elsewhere/\x1b[2J" in refused("ops", url)


def test_what_is_told_of_operations_is_not_printed_raw() -> None:
    """Names, users and explanations, also encoded ones; markup is no markup."""
    told = {
        "id": "0" * 32,
        "state": COMMANDS,
        "method": COMMANDS,
        "source": "/%1b%5b2J",
        "destination": "/[red]x[/red]",
        "owner": COMMANDS,
        "status": None,
    }
    with saying(answer(json.dumps([told]).encode())) as url:
        done = run("ops", url)
    assert (done.returncode, done.stderr) == (0, "")
    assert not set("\x1b\x07\x9b\u202e") & set(done.stdout)
    for part in (r"/\x1b[2J", "[red]x[/red]", r"\x1b]0;owned\x07"):
        assert part in done.stdout


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b"[" * 200 + b"]" * 200,
        b'[{"id": NaN}]',
        b'[{"bytes_done": 1e999}]',
        b'[{"bytes_done": ' + b"1" * 5000 + b"}]",
        b'["\xff\xfe"]',
        b"{}",
        b"",
    ],
    ids=lambda content: f"{len(content)} bytes",
)
def test_documents_that_are_none(content: bytes) -> None:
    """JSON of any depth, numbers that are none and bytes that are no text are one line."""
    with saying(answer(content)) as url:
        for arguments in (["ops", url], ["ops", "--json", url]):
            assert "that is no answer to it" in refused(*arguments)


@pytest.mark.parametrize(
    ("said", "endless", "end"),
    [
        (b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 100, End.ENDLESS),
        (b"HTTP/1.1 200 OK\r\n", b"X-More: " + b"x" * 1000 + b"\r\n", End.MALFORMED),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536, End.ENDLESS),
    ],
)
def test_what_has_no_end(said: bytes, endless: bytes, end: End) -> None:
    """Interim responses, fields and content are listened to up to a bound, not for all the time."""
    with saying(said, endless=endless) as url:
        port = int(url.rstrip("/").rpartition(":")[2])
        heard = ask(Address(Origin("127.0.0.1", port, "h"), "/"), "GET", "/", {}, 600.0)
    assert heard.end is end
    assert len(heard.interims) <= MOST_INTERIMS + 1
    assert len(heard.content) <= MOST_CONTENT


def test_a_request_that_cannot_be_written_does_not_show_its_fields() -> None:
    """The message of a wrong header field does not hold the password."""
    with saying(b"") as url:
        port = int(url.rstrip("/").rpartition(":")[2])
        address = Address(Origin("127.0.0.1", port, "h"), "/")
        with pytest.raises(CannotAsk) as caught:
            ask(address, "GET", "/", {"Authorization": "Basic secret\n"}, 1.0)
    assert "secret" not in str(caught.value)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=5,
)
MEMBERS = ("probe", "sent", "fields", "peer", "host", "version", "behindProxy")
FIELDS = st.dictionaries(st.sampled_from(["via", "x-varnish", "x-real-ip"]), ANYTHING)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(MEMBERS, ANYTHING | FIELDS)))
def test_strange_reports(report: dict[str, Any]) -> None:
    """Whatever a server says that it saw, there is a verdict."""
    content = json.dumps({**report, "probe": 1}).encode()
    trial = Trial(1, 1.0, Heard(status=200, content=content, end=End.COMPLETE))
    findings = Findings(trial, [trial])
    assert all(isinstance(each.text, str) for each in signs(findings))
    assert judge(findings, "h").sentences


@given(st.binary(max_size=40))
def test_strange_contents(content: bytes) -> None:
    """Bytes are a document or None."""
    parsed(Heard(status=200, content=content, end=End.COMPLETE))


def test_which_are_chosen() -> None:
    """Those that are not over come first, then the newest; the order stays."""
    every = [Operation({"id": f"n{n}", "status": None if n in (3, 8) else 201}) for n in range(10)]
    assert [each.id for each in chosen(every, 4)] == ["n0", "n1", "n3", "n8"]
    assert [each.id for each in chosen(every, 1)] == ["n3"]
    assert chosen(every, 10) == every
