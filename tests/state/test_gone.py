"""A state folder that goes away while the server runs, and what health says."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.dav import setting
from harness.inside import Start
from harness.server import RunningServer, Serve
from harness.states import DATABASE
from harness.waiting import until
from harness.wire import Wire

#: Seconds within which it has to be noticed; a chore looks each second.
SOON = 5.0


def _removed(state: Path) -> None:
    shutil.rmtree(state)


def _replaced(state: Path) -> None:
    """By a copy, which is another one although it says the same."""
    state.rename(state.with_name("old"))
    shutil.copytree(state.with_name("old"), state, ignore=shutil.ignore_patterns("control"))


def _database_removed(state: Path) -> None:
    (state / DATABASE).unlink()


def _database_replaced(state: Path) -> None:
    """As who restores a backup over a running server does."""
    shutil.copy(state / DATABASE, state / "new")
    os.replace(state / "new", state / DATABASE)


WAYS: dict[str, Callable[[Path], None]] = {
    "removed": _removed,
    "replaced": _replaced,
    "database removed": _database_removed,
    "database replaced": _database_replaced,
}


def _stores_nothing(client: Wire) -> None:
    assert client.ask("PROPPATCH", "/file", body=setting(a="2")).status == 503
    assert client.ask("LOCK", "/file", {"Depth": "0"}, b"").status in (412, 503)
    assert client.ask("PROPFIND", "/file", {"Depth": "0"}).status == 503


@pytest.mark.parametrize("way", WAYS)
def test_it_is_noticed(serve: Serve, root: Path, wire: Any, way: str) -> None:
    """Said once, by a chore; from then on what needs the store is 503, and a GET goes on.

    Nothing is written where nobody would look for it, and what stands there now is left alone.
    """
    (root / "file").write_bytes(b"x")
    server: RunningServer = serve()
    with wire(server) as client:
        assert client.ask("PROPPATCH", "/file", body=setting(a="1")).status == 207
        assert client.ask("GET", "/.davkeep/health").status == 200
        WAYS[way](server.state)
        server.wait_for_log("was removed or replaced: the state cannot be used", deadline=SOON)
        assert client.ask("GET", "/.davkeep/health").status == 503
        before = _content(server.state)
        _stores_nothing(client)
        assert client.ask("GET", "/file").body == b"x"
        assert client.ask("GET", "/.davkeep/operations").status == 200
        assert _content(server.state) == before
    assert server.stop() == 0
    assert server.log.count("was removed or replaced") == 1
    assert "Traceback" not in server.log
    # No end in order is noted in what is not ours, and no file of it is removed.
    assert _content(server.state).items() >= before.items()


def _content(state: Path) -> dict[str, bytes]:
    if not state.exists():
        return {}
    return {path.name: path.read_bytes() for path in state.iterdir() if path.is_file()}


def test_it_comes_back(serve: Serve, root: Path, wire: Any) -> None:
    """A folder that was moved away and back serves on, and is the one it was."""
    (root / "file").write_bytes(b"x")
    server: RunningServer = serve()
    away = server.state.with_name("away")
    with wire(server) as client:
        assert client.ask("PROPPATCH", "/file", body=setting(a="1")).status == 207
        server.state.rename(away)
        # Health looks itself, so it need not wait for the chore.
        assert client.ask("GET", "/.davkeep/health").status == 503
        _stores_nothing(client)
        away.rename(server.state)
        assert client.ask("GET", "/.davkeep/health").status == 200
        assert client.ask("PROPPATCH", "/file", body=setting(b="1")).status == 207
    server.stop()
    server.start()
    with wire(server) as client:
        found = client.ask("PROPFIND", "/file", {"Depth": "0"}).body
    assert all(name in found for name in (b"x:a", b"x:b"))


def test_health_without_a_share(serve: Serve, tmp_path: Path, wire: Any) -> None:
    """503 as soon as no share can be served, 200 while one can."""
    shares = {f"/{name}": tmp_path / name for name in "ab"}
    for folder in shares.values():
        folder.mkdir()
    server = serve(top={"provider_mapping": {url: str(path) for url, path in shares.items()}})
    with wire(server) as client:
        for folder, status in ((tmp_path / "a", 200), (tmp_path / "b", 503)):
            folder.rename(tmp_path / f"{folder.name} away")
            assert client.ask("GET", "/.davkeep/health").status == status
        (tmp_path / "b away").rename(tmp_path / "b")
        answer = client.ask("HEAD", "/.davkeep/health")
        assert (answer.status, answer.body) == (200, b"")
        assert client.ask("PUT", "/.davkeep/health", body=b"").status == 405


def test_health_while_draining(inside: Start) -> None:
    """503 from the moment that nothing more is admitted."""
    server = inside()
    with server.wire() as client:
        assert client.ask("GET", "/.davkeep/health").status == 200
        server.registry.stop(0.0)
        until(lambda: server.registry.is_stopping, "the registry stops")
        assert client.ask("GET", "/.davkeep/health").status == 503
