"""Behind a proxy: the client's address, scheme and host, and the server's names."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.dav import make
from harness.server import RunningServer, Serve
from harness.waiting import until
from harness.wire import Response, Wire

#: What nginx sends that is told to pass everything on but the Host field.
PASSED_ON = {
    "X-Forwarded-For": "192.0.2.1",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "dav.example",
}

PUBLIC = "https://dav.example/new"

Ask = Callable[..., Response]


@pytest.fixture
def copied(root: Path, wire: Callable[..., Wire]) -> Ask:
    """COPY of a file to a Destination, with header fields."""

    def copy(server: RunningServer, destination: str, **fields: str) -> int:
        make(root, {"file": b"1"})
        (root / "new").unlink(missing_ok=True)
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        return wire(server).ask("COPY", "/file", {"Destination": destination, **named}).status

    return copy  # type: ignore[return-value]


def by(**fields: str) -> dict[str, str]:
    """``PASSED_ON`` as keywords, and more."""
    return {name.replace("-", "_"): value for name, value in PASSED_ON.items()} | fields


def test_the_destination_has_the_name_that_the_client_knows(serve: Serve, copied: Any) -> None:
    """Through a trusted proxy that rewrites the Host field; and the proxy's own name still is one
    of the server's (RFC 4918 9.8.5).
    """
    server = serve(trusted_proxies=["127.0.0.1"])
    own = f"http://{server.host}:{server.port}/new"
    assert copied(server, PUBLIC, **by()) == 201
    assert copied(server, "http://dav.example:80/new", **by()) == 201
    assert copied(server, own, **by()) == 201
    assert copied(server, PUBLIC, Forwarded="for=192.0.2.1;proto=https;host=dav.example") == 201
    assert copied(server, "https://dav.example:8443/new", **by()) == 502
    assert copied(server, "https://other.example/new", **by()) == 502


def test_a_public_name_that_nobody_told_is_another_server(serve: Serve, copied: Any) -> None:
    """502 where the proxy says nothing, and where it is not trusted."""
    trusting, other = serve(trusted_proxies=["127.0.0.1"]), serve(trusted_proxies=["10.0.0.0/8"])
    assert copied(trusting, PUBLIC) == 502
    assert copied(other, PUBLIC, **by()) == 502
    assert copied(serve(), PUBLIC, **by()) == 502


def test_a_proxy_that_keeps_the_host_field_needs_no_trust(serve: Serve, copied: Any) -> None:
    """The scheme may differ, for the proxy ends TLS."""
    assert copied(serve(), PUBLIC, Host="dav.example") == 201


def test_tagged_lists_have_public_names_too(serve: Serve, root: Path, wire: Any) -> None:
    """The If field's URLs are told from those of other servers in the same way."""
    make(root, {"file": b"1"})
    asked = wire(serve(trusted_proxies=["127.0.0.1/32"]))
    for host, status in (("other.example", 412), ("dav.example", 204)):
        etag = asked.ask("HEAD", "/file").fields["Etag"]
        tagged = f"<https://{host}/file> ([{etag}])"
        assert asked.ask("PUT", "/file", {**PASSED_ON, "If": tagged}, b"2").status == status


def test_the_log_has_the_clients_address(serve: Serve, wire: Any) -> None:
    """And never one that a client made up."""
    server = serve(trusted_proxies=["127.0.0.1"])
    asked = wire(server)
    asked.ask("OPTIONS", "/?1", {"X-Forwarded-For": "198.51.100.7, 192.0.2.1"})
    asked.ask("OPTIONS", "/?2", {"Forwarded": 'for=198.51.100.7, for="[2001:db8::1]:99"'})
    other = serve()
    wire(other).ask("OPTIONS", "/?3", {"X-Forwarded-For": "198.51.100.7"})
    assert re.search(r' 192\.0\.2\.1 - "OPTIONS /\?1', server.wait_for_log(r"OPTIONS /\?1")[0])
    assert re.search(r' 2001:db8::1 - "OPTIONS /\?2', server.wait_for_log(r"OPTIONS /\?2")[0])
    assert re.search(r' 127\.0\.0\.1 - "OPTIONS /\?3', other.wait_for_log(r"OPTIONS /\?3")[0])
    assert "198.51.100.7" not in server.log + other.log


def test_fields_on_several_lines_are_one_list(serve: Serve, wire: Any) -> None:
    """The last line is the nearest proxy's."""
    server = serve(trusted_proxies=["127.0.0.1"])
    asked = wire(server)
    lines = [b"OPTIONS /?several HTTP/1.1", b"Host: x"]
    lines += [b"X-Forwarded-For: " + each for each in (b"198.51.100.7", b"192.0.2.1")]
    asked.socket.sendall(b"\r\n".join([*lines, b"", b""]))
    asked.already_sent("OPTIONS", "/?several")
    assert asked.response().status == 200
    assert " 192.0.2.1 - " in server.wait_for_log(r"/\?several")[0]


def test_absolute_urls_have_the_public_name(serve: Serve, root: Path, wire: Any) -> None:
    """The mount file of a collection (RFC 4709) names the URL that the client can reach."""
    page = wire(serve(trusted_proxies=["127.0.0.1"])).ask("GET", "/?davmount", PASSED_ON)
    assert b"<dm:url>https://dav.example/</dm:url>" in page.body


def test_one_address_does_not_own_what_another_began(serve: Serve, root: Path, wire: Any) -> None:
    """Anonymous users behind one proxy are told apart: only the owner hears what is in the way."""
    make(root, {"tree": {str(number): b"" for number in range(50)}})
    server = serve(
        trusted_proxies=["127.0.0.1"],
        operations={"max_members_per_second": 2, "conflict_wait": 0, "grace": 0},
    )
    moving = {**PASSED_ON, "Destination": "/tree-2"}
    wire(server).send("COPY", "/tree", moving)
    until(server.staging, "the copy has begun")
    told = {}
    for address in ("192.0.2.1", "192.0.2.2"):
        fields = {**PASSED_ON, "X-Forwarded-For": address}
        told[address] = wire(server).ask("PUT", "/tree-2", fields, b"x")
    assert {answer.status for answer in told.values()} == {423}
    assert b"COPY" in told["192.0.2.1"].body
    assert b"COPY" not in told["192.0.2.2"].body


def test_a_trusted_header_is_still_the_proxys(serve: Serve, wire: Any) -> None:
    """The peer decides, whatever address its fields tell."""
    config = {
        "http_authenticator": {"trusted_auth_header": "HTTP_X_USER"},
        "simple_dc": {"user_mapping": {"*": {"anna": {"password": "x"}}}},
    }
    named = {"X-User": "anna"}
    trusting = serve(top=config, trusted_proxies=["127.0.0.1"])
    other = serve(top=config, trusted_proxies=["192.0.2.1"])
    assert wire(trusting).ask("OPTIONS", "/", {**named, **PASSED_ON}).status == 200
    assert wire(other).ask("OPTIONS", "/", {**named, **PASSED_ON}).status == 401
