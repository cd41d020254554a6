"""``/.davkeep/probe``, over real sockets."""

import json
import socket
import struct
from collections.abc import Callable
from typing import Any

import pytest
import requests
from requests.auth import HTTPBasicAuth, HTTPDigestAuth

from harness.dav import exchange
from harness.server import RunningServer, Serve
from harness.waiting import until
from harness.wire import Response, Wire

PROBE = "/.davkeep/probe"

Connect = Callable[..., Wire]


def probe(wire: Wire, query: str = "", **fields: str) -> Response:
    """Ask for a probe; ``X_User`` is the field X-User."""
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    return wire.ask("POST", f"{PROBE}?{query}", {"Content-Length": "0", **named})


# The resource


def test_so_many_interim_responses_as_were_asked_for(server: RunningServer, wire: Connect) -> None:
    """Then a description of what the server saw; and the connection serves the next request."""
    asked = wire(server, agent="Python-urllib/3.11")
    answer = probe(asked, "count=7&seconds=0.2")
    assert answer.statuses == [102] * 7 + [200]
    report = json.loads(answer.body)
    assert (report["probe"], report["sent"], report["version"]) == (1, 7, "HTTP/1.1")
    local = asked.socket.getsockname()
    assert report["peer"] == {"address": local[0], "port": str(local[1]), "trusted": False}
    assert (report["host"], report["scheme"], report["fields"]) == (asked.host, "http", {})
    assert probe(asked, "count=0&seconds=0.01").statuses == [200]
    assert answer.fields["Cache-Control"] == "no-store"


def test_all_are_sent_however_short_the_time(server: RunningServer, wire: Connect) -> None:
    """A schedule that cannot be kept is made up for."""
    answer = probe(wire(server), "count=200&seconds=0.001")
    assert answer.statuses == [102] * 200 + [200]
    assert json.loads(answer.body)["sent"] == 200


def test_none_to_http_1_0(server: RunningServer) -> None:
    """RFC 9110 15.2; and HTTP/1.0 from this machine is a proxy's, so nobody's we know."""
    (answer,) = exchange(server, f"POST {PROBE} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
    assert answer.status == 403


@pytest.mark.parametrize(
    "query",
    [
        "count=201",
        "count=-1",
        "count=1.5",
        "count=x",
        "count=",
        "seconds=0",
        "seconds=-1",
        "seconds=301",
        "seconds=nan",
        "seconds=inf",
        "seconds=x",
        "count=1&count=2",
        "counts=1",
        "count=" + "9" * 5000,
        "%ff",
    ],
)
def test_bad_parameters(server: RunningServer, wire: Connect, query: str) -> None:
    """400, at once."""
    assert probe(wire(server), query).statuses == [400]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PROPFIND", "OPTIONS", "X"])
def test_other_methods(server: RunningServer, wire: Connect, method: str) -> None:
    """405, and which one there is."""
    answer = wire(server).ask(method, PROBE)
    assert (answer.status, answer.fields["Allow"]) == (405, "POST")


def test_other_names(server: RunningServer, wire: Connect) -> None:
    """Nothing is to be read there, nor to be written."""
    for name in ("/.davkeep/", "/.davkeep/probes", PROBE + "/x", "/.davkeep/Probe"):
        assert wire(server).ask("GET", name).status == 404
        assert wire(server).ask("PUT", name, {}, b"x").status == 403


def test_few_at_once(server: RunningServer, wire: Connect) -> None:
    """The fifth is refused with 429; one whose client goes makes room."""
    held = [wire(server) for _ in range(4)]
    for each in held:
        each.send("POST", f"{PROBE}?count=200&seconds=60", {"Content-Length": "0"})
        assert each.interim() == 102
    last = wire(server)

    def statuses(status: int) -> bool:
        return probe(last, "count=0&seconds=0.01").status == status

    refused = probe(last, "count=0&seconds=0.01")
    assert (refused.statuses, refused.fields["Retry-After"]) == ([429], "10")
    _leave(held.pop())
    until(lambda: statuses(200), "one has gone")
    for each in held:
        _leave(each)


def _leave(asked: Wire) -> None:
    """Reset a connection; its end alone would be taken for a half-close."""
    asked.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    asked.close()


def test_a_probe_holds_no_thread(server: RunningServer, wire: Connect) -> None:
    """Its connection is parked like any other."""
    probe(wire(server), "count=0&seconds=0.01")
    before = server.threads
    held = [wire(server) for _ in range(3)]
    for each in held:
        each.send("POST", f"{PROBE}?count=1&seconds=0.5", {"Content-Length": "0"})
    assert [each.interim() for each in held] == [102] * 3
    assert server.threads <= before
    assert [each.response().status for each in held] == [200] * 3


# Administrators


@pytest.mark.parametrize(
    "fields",
    [
        {"Host": "dav.example"},
        {"X_Forwarded_For": "127.0.0.1"},
        {"X_Forwarded_For": "192.0.2.1"},
        {"Via": "1.1 proxy"},
        {"Forwarded": "for=127.0.0.1"},
        {"X_Real_IP": "127.0.0.1"},
    ],
)
def test_who_comes_by_way_of_a_proxy_is_not_on_this_machine(
    server: RunningServer, wire: Connect, fields: dict[str, str]
) -> None:
    """403, also for a page whose name leads here; nobody can make himself local."""
    assert probe(wire(server), "count=0", **fields).statuses == [403]


def test_a_trusted_proxy_tells_who_is_on_this_machine(serve: Serve, wire: Connect) -> None:
    """Its word alone counts; where it says nothing, nobody is."""
    trusting = serve(trusted_proxies=["127.0.0.1"])
    quick = "count=0&seconds=0.01"
    assert probe(wire(trusting), quick, X_Forwarded_For="127.0.0.1").status == 200
    assert probe(wire(trusting), quick, X_Forwarded_For="127.0.0.1, 192.0.2.1").status == 403
    assert probe(wire(trusting), quick).status == 403
    declared = serve(keepalive={"behind_proxy": "nginx"})
    assert probe(wire(declared), quick).status == 403


@pytest.mark.parametrize("scheme", [HTTPBasicAuth, HTTPDigestAuth])
def test_named_administrators(guarded: RunningServer, scheme: Any) -> None:
    """They prove who they are as for a share; others are asked for it, or refused."""
    url = f"{guarded.url}.davkeep/probe?count=0&seconds=0.01"

    def status(auth: Any) -> int:
        with requests.Session() as session:
            session.trust_env = False
            return session.post(url, auth=auth).status_code

    assert status(scheme("anna", "one")) == 200
    assert status(scheme("bert", "two")) == 403
    assert status(scheme("anna", "two")) == 401
    assert status(None) == 401


def test_the_challenge_names_a_share_that_has_users(guarded: RunningServer, wire: Connect) -> None:
    """The open share above would let everybody in, and make nobody an administrator."""
    answer = probe(wire(guarded), "count=0")
    assert answer.fields["Www-Authenticate"].startswith('Digest realm="/own"')


def test_nobody_is_asked_where_everybody_may_come(serve: Serve, wire: Connect) -> None:
    """Anonymous access that serves other machines knows no administrator: 403."""
    top = {"host": "0.0.0.0", "simple_dc": {"user_mapping": {"*": True}}}
    assert probe(wire(serve(top=top)), "count=0").status == 403


def test_administrators_have_an_effect(serve: Serve) -> None:
    """The log does not say otherwise."""
    assert "no effect" not in serve(administrators=["anna"]).log
