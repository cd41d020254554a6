"""A PUT that fails a check is refused before its content is sent."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.dav import LOCK, make
from harness.server import RunningServer
from harness.wire import Wire

UPLOAD = {"Content-Length": "1000000", "Expect": "100-continue"}


@pytest.fixture(scope="module")
def checking(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A server with a share of users, a read-only one and an open one."""
    folder = tmp_path_factory.mktemp("checking")
    for name in ("guarded", "fixed", "open"):
        make(folder / name, {"file": b"old"})
    mapping: dict[str, Any] = {f"/{name}": str(folder / name) for name in ("guarded", "open")}
    mapping["/fixed"] = {"root": str(folder / "fixed"), "readonly": True}
    users: dict[str, Any] = {"*": True, "/guarded": {"anna": {"password": "x"}}}
    config = {"provider_mapping": mapping, "simple_dc": {"user_mapping": users}}
    server = RunningServer(folder, None, config)
    yield server
    server.close()
    assert "Traceback" not in server.log


REFUSED = [
    ("/guarded/file", {}, 401),
    ("/fixed/file", {}, 403),
    ("/open/.davkeep-x", {}, 403),
    ("/open/missing/file", {}, 409),
    ("/open/file", {"If-Match": '"other"'}, 412),
    ("/open/file", {"If-None-Match": "*"}, 412),
    ("/open/file", {"If": '(["other"])'}, 412),
    ("/open", {}, 405),
    ("/open/locked", {}, 423),
]


@pytest.mark.parametrize(("path", "fields", "status"), REFUSED)
def test_a_refused_upload_is_never_continued(
    checking: RunningServer,
    wire: Callable[..., Wire],
    path: str,
    fields: dict[str, str],
    status: int,
) -> None:
    """No 100, the final status at once, and a connection that is closed as it says (RFC 9110
    10.1.1), so that nothing of the content is taken for a request.
    """
    if status == 423:
        wire(checking).ask("LOCK", path, {}, LOCK.format(scope="exclusive").encode())
    asked = wire(checking)
    lines = [f"PUT {path} HTTP/1.1", f"Host: {asked.host}"]
    lines += [f"{name}: {value}" for name, value in {**UPLOAD, **fields}.items()]
    asked.socket.sendall("\r\n".join([*lines, "", ""]).encode())
    asked.already_sent("PUT", path)
    answer = asked.response()
    assert answer.statuses == [status]
    assert answer.fields["Connection"] == "close"
    assert asked.socket.recv(1) == b""
    stored = Path(checking.folder) / path.lstrip("/")
    assert not stored.is_file() or stored.read_bytes() in (b"old", b"")


def test_one_that_passes_its_checks_is_continued_once(
    checking: RunningServer, wire: Callable[..., Wire]
) -> None:
    """And its connection serves the next request."""
    asked = wire(checking)
    head = f"PUT /open/new HTTP/1.1\r\nHost: {asked.host}\r\n"
    asked.socket.sendall(f"{head}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n".encode())
    asked.already_sent("PUT", "/open/new")
    assert asked.interim() == 100
    asked.socket.sendall(b"hello")
    assert asked.response().statuses == [201]
    assert asked.ask("GET", "/open/new").body == b"hello"
