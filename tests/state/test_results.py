"""What is found at a status monitor after an orderly stop."""

import json
from pathlib import Path
from typing import Any

from harness.server import RunningServer, Serve
from harness.trees import plant
from harness.waiting import until
from harness.wire import Wire

ASYNC = {"Prefer": "respond-async"}
#: Basic credentials of two users, whose passwords are their names.
ANN, BOB = ({"Authorization": f"Basic {text}"} for text in ("YW5uOmFubg==", "Ym9iOmJvYg=="))
USERS = {
    "http_authenticator": {"accept_digest": False, "default_to_digest": False},
    "simple_dc": {
        "user_mapping": {"*": {name: {"password": name} for name in ("ann", "bob")}},
    },
}


def _begun(client: Wire, method: str, path: str, to: str = "", **fields: str) -> str:
    """Ask for an operation, to be told 202; return where its status monitor is."""
    more = {"Destination": f"http://{client.host}{to}"} if to else {}
    answer = client.ask(method, path, {**ASYNC, **more, **fields})
    assert answer.status == 202, answer
    return answer.fields["Location"].removeprefix(f"http://{client.host}")


def _status(client: Wire, monitor: str, **fields: str) -> dict[str, Any]:
    answer = client.ask("GET", monitor, fields)
    assert answer.status in (200, 202), answer
    found: dict[str, Any] = json.loads(answer.body)
    return found


def _until_over(client: Wire, monitor: str, **fields: str) -> dict[str, Any]:
    until(lambda: _status(client, monitor, **fields)["status"], "it is over")
    return _status(client, monitor, **fields)


def test_results_outlive_a_stop(serve: Serve, root: Path, wire: Any) -> None:
    """The client that was told 202 finds the same result, and the same final response, twice over.

    A new destination, an old one, and one that was cancelled.
    """
    plant(root / "tree", 30)
    (root / "file").write_bytes(b"x")
    (root / "taken").write_bytes(b"y")
    server: RunningServer = serve(operations={"max_members_per_second": 20, "grace": 0})
    with wire(server) as client:
        monitors = [
            _begun(client, "COPY", "/file", "/copy"),
            _begun(client, "MOVE", "/file", "/taken"),
            _begun(client, "COPY", "/tree", "/cancelled"),
        ]
        assert client.ask("DELETE", monitors[2]).status == 202
        before = [_until_over(client, monitor) for monitor in monitors]
        assert [each["status"] for each in before] == [201, 204, 409]
        responses = [client.ask("GET", f"{monitor}/response") for monitor in monitors]
    for _ in range(2):
        assert server.stop() == 0
        server.start()
        with wire(server) as client:
            assert [_status(client, monitor) for monitor in monitors] == before
            for monitor, response in zip(monitors, responses, strict=True):
                again = client.ask("GET", f"{monitor}/response")
                assert (again.status, again.body) == (response.status, response.body)
            listed = json.loads(client.ask("GET", "/.davkeep/operations").body)
            assert {each["statusUrl"] for each in listed} >= set(monitors)


def test_what_the_stop_interrupted(serve: Serve, root: Path, wire: Any) -> None:
    """It is found as interrupted, with what became of it, and nothing of it is left."""
    plant(root / "tree", 200)
    server: RunningServer = serve(
        top={"server_args": {"shutdown_timeout": 0}},
        operations={"max_members_per_second": 20, "grace": 0},
    )
    with wire(server) as client:
        monitor = _begun(client, "COPY", "/tree", "/copy")
    server.stop()
    server.start()
    with wire(server) as client:
        found = _status(client, monitor)
        assert (found["state"], found["status"]) == ("interrupted", 503)
        assert found["explanation"].startswith("The server was stopped.")
        assert client.ask("GET", f"{monitor}/response").status == 503
    assert not (root / "copy").exists()


def test_they_are_their_owners_alone(serve: Serve, root: Path, wire: Any) -> None:
    """Another user finds 404, as before the stop, and it is in nobody else's list."""
    plant(root / "tree", 2)
    server: RunningServer = serve(top=USERS)
    with wire(server) as client:
        monitor = _begun(client, "COPY", "/tree", "/copy", **ANN)
        before = _until_over(client, monitor, **ANN)
    server.stop()
    server.start()
    with wire(server) as client:
        assert _status(client, monitor, **ANN) == before
        for below in ("", "/response"):
            assert client.ask("GET", monitor + below, BOB).status == 404
        assert json.loads(client.ask("GET", "/.davkeep/operations", BOB).body) == []


def test_for_the_rest_of_their_time(serve: Serve, root: Path, wire: Any) -> None:
    """After `keep_results`, counted from the end, it is 410 to its owner and 404 to others."""
    plant(root / "tree", 2)
    server: RunningServer = serve(top=USERS, operations={"keep_results": 1.0})
    with wire(server) as client:
        monitor = _begun(client, "COPY", "/tree", "/copy", **ANN)
        _until_over(client, monitor, **ANN)
    server.stop()
    server.start()
    with wire(server) as client:
        until(lambda: client.ask("GET", monitor, ANN).status == 410, "it expires")
        assert client.ask("GET", monitor, BOB).status == 404
    for _ in range(2):
        server.stop()
        server.start()
        with wire(server) as client:
            assert client.ask("GET", monitor, ANN).status == 410
            assert client.ask("GET", monitor, BOB).status == 404
