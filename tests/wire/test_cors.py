"""Pages of other origins: what they are let read."""

from collections.abc import Iterator
from typing import Any

import pytest

from davkeep.dav.cors import EXPOSED
from harness.server import RunningServer, Serve
from harness.wire import Response

HERE, THERE = "https://here.example", "https://there.example"

#: What a script may read of every response (Fetch standard), and what is for others than scripts.
SAFE = {"Cache-Control", "Content-Language", "Content-Length", "Content-Type", "Expires"} | {
    *("Last-Modified", "Pragma", "Connection", "Transfer-Encoding", "Vary", "Server"),
    *("X-Content-Type-Options", "X-Accel-Buffering", "Content-Security-Policy", "Referrer-Policy"),
}
LOCK = (
    b'<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>'
    b"<D:locktype><D:write/></D:locktype></D:lockinfo>"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that lets two origins in, with credentials."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "root").mkdir()
    (folder / "root" / "file").write_bytes(b"12")
    cors = {
        "allow_origin": [HERE, THERE],
        "allow_credentials": True,
        "allow_methods": ["PROPFIND", "DELETE"],
        "allow_headers": ["X-Davkeep-Token"],
        "expose_headers": ["X-Own"],
    }
    running = RunningServer(folder, folder / "root", {"cors": cors})
    yield running
    running.close()


def _exposed(answer: Response) -> set[str]:
    return set(answer.fields["Access-Control-Expose-Headers"].split(","))


def test_whatever_is_sent_may_be_read(server: RunningServer, wire: Any) -> None:
    """Every field of many kinds of responses is a simple one or exposed, and so is a configured
    one.
    """
    to = {"Destination": f"{server.url}new"}
    asked: list[tuple[str, str, dict[str, str], bytes | None]] = [
        ("OPTIONS", "/file", {}, None),
        ("GET", "/file", {}, None),
        ("GET", "/file", {"Range": "bytes=0-0"}, None),
        ("GET", "/file", {"Range": "bytes=9-"}, None),
        ("GET", "/", {}, None),
        ("GET", "/none", {}, None),
        ("PROPFIND", "/", {"Depth": "1", "Prefer": "return=minimal"}, None),
        ("PUT", "/other", {"X-OC-Mtime": "1700000000"}, b"1"),
        ("PUT", "/parts", {"Content-Range": "bytes 0-0/2"}, b"1"),
        ("HEAD", "/.davkeep/uploads/parts", {}, None),
        ("PATCH", "/file", {"Content-Type": "text/plain"}, b"1"),
        ("LOCK", "/locked", {}, LOCK),
        ("DELETE", "/locked", {}, None),
        ("MKCOL", "/file", {}, None),
        ("BREW", "/file", {}, None),
        ("COPY", "/file", {**to, "Prefer": "respond-async"}, None),
        ("COPY", "/file", {**to, "OC-LazyOps": "true"}, None),
        ("GET", "/.davkeep/operations", {}, None),
        ("GET", "/.davkeep/operations", {"Accept": "text/html"}, None),
        ("GET", "/.davkeep/operations/none", {"Prefer": "wait=1"}, None),
        ("GET", "/.davkeep/health", {}, None),
    ]
    seen: set[str] = set()
    for method, path, fields, body in asked:
        with wire(server) as client:
            answer = client.ask(method, path, {"Origin": HERE, **fields}, body)
        assert answer.fields["Access-Control-Allow-Origin"] == HERE, (method, path, answer)
        assert _exposed(answer) == {*EXPOSED, "X-Own"}
        seen |= {name for name in answer.fields if not name.startswith("Access-Control-")}
    assert seen - SAFE <= {name.title() for name in EXPOSED}
    assert {"Etag", "Location", "Lock-Token", "Upload-Offset", "Preference-Applied"} <= seen


def test_one_origin_does_not_get_what_another_was_told(server: RunningServer, wire: Any) -> None:
    """Of event streams, too, which share their fields: each is for who asked, or for nobody."""
    told = []
    for origin in (HERE, THERE, "https://else.example", None):
        with wire(server) as client:
            client.send("GET", "/.davkeep/operations/events", {"Origin": origin} if origin else {})
            head = client.event()
            fields = {name.decode().title(): value.decode() for name, value in head.headers}
            assert fields["Content-Type"] == "text/event-stream"
            assert (fields["Cache-Control"], fields["Vary"]) == ("no-store", "Origin")
            allowed = fields.get("Access-Control-Allow-Origin")
            told.append((allowed, fields.get("Access-Control-Allow-Credentials")))
    assert told == [(HERE, "true"), (THERE, "true"), (None, None), (None, None)]


def test_what_a_response_varies_by_stays(server: RunningServer, wire: Any) -> None:
    """The monitor's Vary and that of the origin are both told."""
    with wire(server) as client:
        client.send("GET", "/.davkeep/operations", {"Origin": HERE})
        head = client.event()
    names = [value.decode() for name, value in head.headers if name == b"vary"]
    assert {each.strip() for value in names for each in value.split(",")} == {
        *("Accept", "Authorization", "Origin")
    }


@pytest.mark.parametrize("path", ["/file", "/.davkeep/operations/x", "/.davkeep/health"])
def test_a_preflight_is_answered(server: RunningServer, wire: Any, path: str) -> None:
    """Below ``/.davkeep/`` as well, where caches keep none of it."""
    asked = {"Origin": HERE, "Access-Control-Request-Method": "DELETE"}
    with wire(server) as client:
        answer = client.ask("OPTIONS", path, asked)
    assert answer.status == 204
    assert answer.fields["Access-Control-Allow-Origin"] == HERE
    assert answer.fields["Access-Control-Allow-Credentials"] == "true"
    assert set(answer.fields["Access-Control-Allow-Methods"].split(",")) == {"PROPFIND", "DELETE"}
    kept = answer.fields.get("Cache-Control")
    assert kept == ("no-store" if path.startswith("/.davkeep") else None)


def test_without_cors_nothing_is_exposed(serve: Serve, wire: Any) -> None:
    """It is off unless an origin is named."""
    with wire(serve()) as client:
        answer = client.ask("GET", "/", {"Origin": HERE})
    assert not any(name.startswith("Access-Control-") for name in answer.fields)
