"""What every response says to caches."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.server import RunningServer, Serve

OWN = [
    ("GET", "/.davkeep/operations", 200),
    ("HEAD", "/.davkeep/operations", 200),
    ("OPTIONS", "/.davkeep/operations", 200),
    ("PUT", "/.davkeep/operations", 405),
    ("GET", "//.davkeep/operations/none", 404),
    ("GET", "/%2Edavkeep/operations/none/response", 404),
    ("GET", "/.davkeep/operations/none/events", 404),
    ("GET", "/.davkeep/none", 404),
    ("GET", "/.davkeep", 404),
    ("PROPFIND", "/.davkeep/", 404),
    ("COPY", "/.davkeep/x", 403),
    ("HEAD", "/.davkeep/uploads/file", 404),
    ("OPTIONS", "/.davkeep/uploads/file", 200),
    ("PUT", "/.davkeep/uploads/file", 405),
    ("GET", "/.davkeep/health", 200),
    ("PUT", "/.davkeep/health", 405),
    ("GET", "/.davkeep/probe", 405),
    ("POST", "/.davkeep/probe?count=x", 400),
    ("GET", "/.davkeep/%zz", 400),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server of a file and a collection."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "root" / "folder").mkdir(parents=True)
    (folder / "root" / "file").write_bytes(b"1")
    running = RunningServer(folder, folder / "root", {})
    yield running
    running.close()


@pytest.mark.parametrize("accept", ["*/*", "text/html"])
def test_nothing_of_the_server_itself_is_stored(
    server: RunningServer, wire: Any, accept: str
) -> None:
    """Whatever is asked below ``/.davkeep/``, and however it is answered."""
    for method, path, status in OWN:
        with wire(server) as client:
            answer = client.ask(method, path, {"Accept": accept})
        told = (method, path, answer.status, answer.fields.get("Cache-Control"))
        assert told == (method, path, status, "no-store")


def test_what_an_operation_is_told_by_is_not_stored(server: RunningServer, wire: Any) -> None:
    """Its monitor, 304, its response, its stream and the refusal to cancel it."""
    with wire(server) as client:
        fields = {"Destination": f"{server.url}new", "Prefer": "respond-async"}
        url = client.ask("COPY", "/file", fields).fields["Location"]
        etag = client.ask("GET", url, {"Prefer": "wait=20"}).fields["Etag"]
        answers = [
            client.ask("GET", url, {"If-None-Match": etag}),
            client.ask("GET", url, {"If-Match": '"x"'}),
            client.ask("GET", url, {"If-None-Match": "x"}),
            client.ask("GET", f"{url}/response"),
            client.ask("GET", f"{url}/job"),
            client.ask("GET", f"{url}/events"),
            client.ask("DELETE", url),
        ]
    assert [each.status for each in answers] == [304, 412, 400, 201, 200, 200, 409]
    assert {each.fields["Cache-Control"] for each in answers} == {"no-store"}


def test_files_and_listings_are_asked_for_again(server: RunningServer, wire: Any) -> None:
    """Whatever a cache may keep, it asks before it uses it; a file is then 304."""
    with wire(server) as client:
        kept = {
            (method, path): client.ask(method, path, fields).fields["Cache-Control"]
            for method, path, fields in (
                ("GET", "/file", {}),
                ("HEAD", "/file", {}),
                ("GET", "/file", {"Range": "bytes=0-0"}),
                ("GET", "/none", {}),
                ("HEAD", "/none", {}),
                ("GET", "/folder", {}),
                ("GET", "/folder/", {}),
                ("HEAD", "/folder/", {}),
                ("PROPFIND", "/folder/", {"Depth": "1"}),
                ("GET", "/:dir_browser/style.css", {}),
            )
        }
        pages = {kept.pop((method, "/folder/")) for method in ("GET", "HEAD")}
        assert pages == {"private, no-cache"}
        assert set(kept.values()) == {"no-cache"}
        etag = client.ask("GET", "/file").fields["Etag"]
        same = client.ask("GET", "/file", {"If-None-Match": etag})
        assert (same.status, same.fields["Cache-Control"]) == (304, "no-cache")


def test_a_configured_rule_stays(serve: Serve, root: Path, wire: Any) -> None:
    """``cors.add_always`` says how files are kept; nothing keeps what is below ``/.davkeep/``."""
    (root / "file").write_bytes(b"1")
    rule = {"Cache-Control": "max-age=9"}
    server = serve({"cors": {"allow_origin": "*", "add_always": rule}})
    with wire(server) as client:
        assert client.ask("GET", "/file").fields["Cache-Control"] == "max-age=9"
        told = client.ask("GET", "/.davkeep/operations")
        assert told.fields["Cache-Control"] == "no-store"


def test_what_the_server_refuses_is_not_stored(server: RunningServer, wire: Any) -> None:
    """A response that no application makes."""
    with wire(server) as client:
        answer = client.ask("GET", "/" + "x" * 70_000)
    assert (answer.status, answer.fields["Cache-Control"]) == (414, "no-store")
