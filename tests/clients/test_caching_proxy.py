"""Varnish with the rules that it has by itself, which keep what nobody forbids them to keep."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness import proxy_files
from harness.proxies import PROXIES
from harness.server import RunningServer, Serve
from harness.wire import Wire

#: Seconds that it waits for an answer.
PATIENCE = 20


@pytest.fixture
def server(serve: Serve) -> RunningServer:
    """What is behind it, with its requests in the log."""
    return serve()


@pytest.fixture
def client(server: RunningServer, tmp_path: Path) -> Iterator[Wire]:
    """A connection through it."""
    varnish = replace(PROXIES["Varnish"], text=proxy_files.CACHING_VARNISH)
    with (
        varnish.start(tmp_path / "varnish", server.port, PATIENCE) as running,
        Wire("127.0.0.1", running.port) as connection,
    ):
        yield connection


def test_a_file_is_the_one_that_is_stored(client: Wire, root: Path) -> None:
    """A GET after a PUT has its content, also where it was there, or was missed, before."""
    for _ in range(2):
        assert client.ask("GET", "/file").status == 404
    assert client.ask("HEAD", "/file").status == 404
    for content in (b"one", b"two"):
        assert client.ask("PUT", "/file", body=content).status in (201, 204)
        assert [client.ask("GET", "/file").body for _ in range(2)] == [content, content]


def test_an_upload_that_was_not_there_is_found(client: Wire) -> None:
    """A HEAD tells where to go on although one before it was 404."""
    for _ in range(2):
        assert client.ask("HEAD", "/.davkeep/uploads/file").status == 404
    part = {"Content-Range": "bytes 0-2/6"}
    assert client.ask("PUT", "/file", part, b"one").status == 202
    found = client.ask("HEAD", "/.davkeep/uploads/file")
    assert (found.status, found.fields["Upload-Offset"]) == (204, "3")


@pytest.mark.parametrize("fields", [{}, {"Authorization": "Basic YW5uOmE="}])
def test_who_has_it_is_sent_no_content(
    client: Wire, server: RunningServer, fields: dict[str, str]
) -> None:
    """A GET with the entity tag is 304. The server itself says so to who has credentials; for the
    others Varnish asks it for the whole, and compares the tags.
    """
    client.ask("PUT", "/file", body=b"x" * 10_000)
    etag = client.ask("GET", "/file", fields).fields["Etag"]
    for _ in range(3):
        again = client.ask("GET", "/file", {"If-None-Match": etag, **fields})
        assert (again.status, again.body) == (304, b"")
    server.wait_for_log(f'"GET /file" {304 if fields else 200}', 3)
