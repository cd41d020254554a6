"""Who gets interim responses, and when."""

import select
import shutil
import socket
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from harness.server import DEADLINE, RunningServer, Serve
from harness.trees import contents, plant

#: A COPY of these files takes 0.6 s, and a 102 is due after each sixth of it.
FILES = 60
SLOW = {"max_members_per_second": 100}
SOON = {"first_after": 0.1, "interval": 0.1}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server on which COPY /a takes more than half a second."""
    root = tmp_path_factory.mktemp("root")
    plant(root / "a", FILES)
    block = {"keepalive": SOON, "operations": {**SLOW, "workers": 16}}
    running = RunningServer(tmp_path_factory.mktemp("server"), root, {"davkeep": block})
    yield running
    running.close()


@pytest.fixture
def to(server: RunningServer) -> Iterator[dict[str, str]]:
    """The fields of a COPY to /b, which is gone afterwards."""
    yield {"Destination": f"{server.url}b"}
    assert server.root is not None
    shutil.rmtree(server.root / "b", ignore_errors=True)


def is_copied(server: RunningServer) -> bool:
    """Whether /b is what /a is."""
    assert server.root is not None
    return contents(server.root / "b") == contents(server.root / "a")


def test_agents_that_take_a_1xx_for_the_answer(
    server: RunningServer, wire: Any, together: ThreadPoolExecutor
) -> None:
    """None of them gets a 102, each gets the 201; curl at the same time gets both."""
    agents = [
        "python-requests/2.34.2",
        "python-urllib3/2.8.0",
        "Python-urllib/3.11",
        "Java/17.0.9",
        "okhttp/4.9.3",
        "curl/7.88.1",
    ]

    def copied(agent: str) -> tuple[list[int], int]:
        name = agent.partition("/")[0]
        with wire(server, agent=agent) as client:
            copy = client.ask("COPY", "/a", {"Destination": f"{server.url}{name}"})
            return copy.statuses, client.ask("GET", f"/{name}/00059").status

    seen = dict(zip(agents, together.map(copied, agents), strict=True))
    assert seen.pop("curl/7.88.1")[0][:2] == [102, 102]
    assert set(map(repr, seen.values())) == {"([201], 200)"}


def test_requests(server: RunningServer, to: dict[str, str]) -> None:
    """The real requests gets 201, and then the right answers on the same connection."""
    with requests.Session() as session:
        assert session.request("COPY", f"{server.url}a", headers=to).status_code == 201
        assert session.get(f"{server.url}b/00042").content == b"42\n"
        assert session.request("DELETE", f"{server.url}b").status_code == 204
        assert session.get(f"{server.url}b").status_code == 404


def test_urllib(server: RunningServer, to: dict[str, str]) -> None:
    """The real urllib gets 201."""
    request = urllib.request.Request(f"{server.url}a", method="COPY", headers=to)
    with urllib.request.urlopen(request, timeout=DEADLINE) as response:
        assert response.status == 201
    assert is_copied(server)


@pytest.mark.parametrize("connection", ["close", "keep-alive"])
def test_http_1_0(server: RunningServer, to: dict[str, str], connection: str) -> None:
    """HTTP/1.0 never sees an interim response: the first byte is that of the final one."""
    fields = f"Destination: {to['Destination']}\r\nConnection: {connection}\r\n"
    head = f"COPY /a HTTP/1.0\r\n{fields}\r\n"
    with socket.create_connection((server.host, server.port), DEADLINE) as client:
        client.sendall(head.encode())
        response = client.makefile("rb")
        assert response.readline().split()[:2] == [b"HTTP/1.1", b"201"]
        while response.readline() != b"\r\n":
            pass
        if connection == "close":
            assert response.read() == b""
        else:
            client.sendall(b"GET /b/00001 HTTP/1.0\r\n\r\n")
            assert response.read().endswith(b"\r\n\r\n1\n")


@pytest.mark.parametrize(
    ("interim", "agent", "gets"),
    [("never", "curl/7.88.1", False), ("always", "python-requests/2.34.2", True)],
)
def test_whatever_the_agent(
    serve: Serve, root: Path, wire: Any, interim: str, agent: str, gets: bool
) -> None:
    """``interim: never`` silences all, ``always`` speaks to all."""
    plant(root / "a", FILES)
    server = serve(keepalive={**SOON, "interim": interim}, operations=SLOW)
    with wire(server, agent=agent) as client:
        copied = client.ask("COPY", "/a", {"Destination": f"{server.url}b"})
    assert copied.status == 201
    assert (102 in copied.interims) is gets


@pytest.mark.parametrize(
    ("behind_proxy", "fields", "gets"),
    [
        ("auto", {}, {102}),
        ("auto", {"Via": "1.1 squid"}, set()),
        ("none", {"Via": "1.1 squid"}, {102}),
        ("haproxy", {"X-Forwarded-For": "192.0.2.1"}, {102}),
        ("nginx", {}, set()),
    ],
)
def test_behind_a_proxy(
    serve: Serve, root: Path, wire: Any, behind_proxy: str, fields: dict[str, str], gets: set[int]
) -> None:
    """A field that betrays a proxy silences, unless the configuration declares which one it is."""
    plant(root / "a", FILES)
    server = serve(keepalive={**SOON, "behind_proxy": behind_proxy}, operations=SLOW)
    with wire(server) as client:
        copied = client.ask("COPY", "/a", {"Destination": f"{server.url}b", **fields})
    assert (copied.status, set(copied.interims)) == (201, gets)


def test_the_cap_of_a_proxy(serve: Serve, root: Path, wire: Any) -> None:
    """Traefik fails at the sixth, so five are sent, and then the answer."""
    plant(root / "a", FILES)
    soon = {"first_after": 0.02, "interval": 0.02, "behind_proxy": "traefik"}
    # The last silences grow towards 40 s; a row with a short patience keeps them short.
    row = {"name": "ours", "agent": "Ours", "patience": 0.06}
    server = serve(keepalive={**soon, "profiles": [row]}, operations=SLOW)
    with wire(server, agent="Ours/1.0") as client:
        copied = client.ask("COPY", "/a", {"Destination": f"{server.url}b"})
    assert copied.statuses == [102] * 5 + [201]


@pytest.mark.parametrize(
    ("agent", "fields", "gets"),
    [
        ("Ours/2.1", {}, {102}),
        ("Ours/3.0", {}, set()),
        (None, {}, set()),
        (None, {"Prefer": "processing"}, {102}),
    ],
)
def test_rows_of_the_configuration_and_unknown_clients(
    serve: Serve, root: Path, wire: Any, agent: str | None, fields: dict[str, str], gets: set[int]
) -> None:
    """Who is unknown gets none, unless a row of the configuration or the client itself says so."""
    plant(root / "a", FILES)
    row = {"name": "ours", "agent": "Ours/", "versions": "<3"}
    server = serve(keepalive={**SOON, "profiles": [row]}, operations=SLOW)
    with wire(server, agent=agent) as client:
        copied = client.ask("COPY", "/a", {"Destination": f"{server.url}b", **fields})
    assert (copied.status, set(copied.interims)) == (201, gets)


@pytest.mark.parametrize("chunked", [False, True])
def test_none_before_the_body_is_in(
    serve: Serve, root: Path, elsewhere: Path, wire: Any, chunked: bool
) -> None:
    """A slow PUT gets its 100, then nothing while it sends, and 102s only after its last byte."""
    server = serve(
        keepalive={"first_after": 0.1, "interval": 0.1},
        operations={"max_bytes_per_second": 2**21},
        put={"spool": str(elsewhere)},
    )
    half = b"x" * 2**19
    body = [half, half]
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {2 * len(half)}"
    fields = "Host: x\r\nUser-Agent: curl/7.88.1\r\nExpect: 100-continue"
    head = f"PUT /new HTTP/1.1\r\n{fields}\r\n{framing}\r\n\r\n"
    with wire(server) as client:
        client.already_sent("PUT", "/new")
        client.socket.sendall(head.encode())
        assert client.interim() == 100
        for block in body:
            # Longer than the first 102 may take, once the request is complete.
            assert select.select([client.socket], [], [], 0.3)[0] == []
            size = f"{len(block):x}\r\n".encode()
            client.socket.sendall(size + block + b"\r\n" if chunked else block)
        if chunked:
            assert select.select([client.socket], [], [], 0.3)[0] == []
            client.socket.sendall(b"0\r\n\r\n")
        stored = client.response()
        assert stored.status == 201
        assert set(stored.interims) == {102}
    assert (root / "new").read_bytes() == half + half


def test_a_request_that_fails_its_checks_never_uploads(serve: Serve, root: Path, wire: Any) -> None:
    """No 100 and no 102 comes before a 409: the body is never asked for."""
    server = serve(keepalive={"first_after": 0.1, "interval": 0.1})
    with wire(server) as client:
        client.already_sent("PUT", "/missing/new")
        head = "PUT /missing/new HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
        client.socket.sendall(f"{head}Content-Length: 1000000000\r\n\r\n".encode())
        assert client.response().statuses == [409]


def test_grace_answers_inline(serve: Serve, root: Path, wire: Any) -> None:
    """What ends within the grace period gets no 102, however early one would be due."""
    plant(root / "a", 300)
    server = serve(keepalive={"first_after": 0.01, "interval": 0.01}, operations={"grace": 20})
    with wire(server, agent="curl/7.88.1") as client:
        assert client.ask("COPY", "/a", {"Destination": f"{server.url}b"}).statuses == [201]
        assert client.ask("MOVE", "/b", {"Destination": f"{server.url}c"}).statuses == [201]
        assert client.ask("DELETE", "/c").statuses == [204]


def test_no_grace(serve: Serve, root: Path, wire: Any) -> None:
    """Without a grace period everything is parked, and answered just the same."""
    planted = plant(root / "a", 5)
    server = serve(operations={"grace": 0})
    with wire(server, agent="curl/7.88.1") as client:
        assert client.ask("PUT", "/f", body=b"new").statuses == [201]
        assert client.ask("COPY", "/a", {"Destination": f"{server.url}b"}).statuses == [201]
        assert client.ask("MOVE", "/b", {"Destination": f"{server.url}c"}).statuses == [201]
        assert contents(root / "c") == planted
        assert client.ask("DELETE", "/c").statuses == [204]
        assert client.ask("DELETE", "/c").statuses == [404]


def test_half_close(server: RunningServer, to: dict[str, str], wire: Any) -> None:
    """A client that only stops sending gets its 102s and the final answer."""
    with wire(server, agent="curl/7.88.1") as client:
        client.send("COPY", "/a", to)
        assert client.interim() == 102
        client.socket.shutdown(socket.SHUT_WR)
        copied = client.response()
    assert copied.status == 201
    assert copied.interims
    assert is_copied(server)


def test_pipelined_requests(server: RunningServer, to: dict[str, str], wire: Any) -> None:
    """Requests that come while one is parked are answered afterwards, in their order."""
    requests_ = [("GET", "/b/00042"), ("DELETE", "/b/00042"), ("GET", "/b/00042")]
    with wire(server, agent="curl/7.88.1") as client:
        client.send("COPY", "/a", to)
        assert client.interim() == 102
        for method, path in requests_:
            client.socket.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        copied = client.response()
        assert copied.status == 201
        assert copied.interims
        answers = []
        for method, path in requests_:
            client.already_sent(method, path)
            answers.append(client.response())
    assert [answer.status for answer in answers] == [200, 204, 404]
    assert answers[0].body == b"42\n"
