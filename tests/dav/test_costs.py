"""What requests ask of the kernel and the database: no more than before shares had identities."""

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.dav import LOCK, setting
from harness.inside import Start
from harness.trees import plant

#: Calls of the file system, by their names in ``os``; those for each member of a listing are made
#: by DirEntry and are no part of it.
CALLS = (
    *("open", "close", "stat", "lstat", "fstat", "readlink", "scandir", "listdir", "access"),
    *("rename", "unlink", "mkdir", "rmdir", "link", "utime", "chmod", "fchmod", "read", "write"),
)
#: Threads that work at something else meanwhile.
OTHERS = ("MainThread", "davkeep-upkeep")

#: Members of a large collection, and how often everything is asked for.
MEMBERS, ROUNDS = 1000, 4

#: What each request took at commit 2e9b4f9, which knew what is stored by real paths: calls, and
#: statements.
BEFORE = {
    "GET": (13, 0),
    "PROPFIND": (11, 2),
    "PROPFIND 1": (12, 2),
    "PROPFIND many": (12, 2),
    "PROPPATCH": (20, 5),
    "PUT": (42, 3),
    "LOCK": (20, 6),
    "MKCOL": (15, 3),
    "DELETE": (33, 32),
    "COPY": (56, 32),
    "MOVE": (39, 41),
}


class Costs:
    """Counts what a server in this process asks for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: Counter[str] = Counter()
        self.statements: list[str] = []
        for name in CALLS:
            monkeypatch.setattr(os, name, self._counted(name, getattr(os, name)))

    def _counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            if threading.current_thread().name not in OTHERS:
                self.calls[name] += 1
            return call(*arguments, **named)

        return counted

    def reset(self) -> None:
        """Begin anew."""
        self.calls.clear()
        self.statements.clear()


@pytest.fixture
def costs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Costs]:
    """Counted from the beginning of a test."""
    return Costs(monkeypatch)


REQUESTS: dict[str, tuple[str, str, dict[str, str], bytes]] = {
    "GET": ("GET", "/d/e/f", {}, b""),
    "PROPFIND": ("PROPFIND", "/d/e/f", {"Depth": "0"}, b""),
    "PROPFIND 1": ("PROPFIND", "/d/", {"Depth": "1"}, b""),
    "PROPFIND many": ("PROPFIND", "/many/", {"Depth": "1"}, b""),
    "PROPPATCH": ("PROPPATCH", "/d/e/f", {}, setting(color="red")),
    "PUT": ("PUT", "/d/e/f", {}, b"x"),
    "LOCK": ("LOCK", "/d/e/g", {}, LOCK.format(scope="shared").encode()),
    "MKCOL": ("MKCOL", "/d/new{}", {}, b""),
    "DELETE": ("DELETE", "/d/new{}", {}, b""),
    "COPY": ("COPY", "/d/e/f", {"Destination": "/d/copy{}"}, b""),
    "MOVE": ("MOVE", "/d/copy{}", {"Destination": "/d/moved{}"}, b""),
}


def test_costs(inside: Start, root: Path, costs: Costs) -> None:
    """By count, the smallest of some rounds: also for a collection, whose members cost no more."""
    plant(root / "many", MEMBERS)
    (root / "d" / "e").mkdir(parents=True)
    for name in ("f", "g"):
        (root / "d" / "e" / name).write_bytes(b"x")
    server = inside()
    server.site.database._connection.set_trace_callback(costs.statements.append)
    calls: dict[str, list[int]] = {name: [] for name in REQUESTS}
    statements: dict[str, list[int]] = {name: [] for name in REQUESTS}
    with server.wire() as client:
        for number in range(ROUNDS):
            for name, (method, path, fields, body) in REQUESTS.items():
                costs.reset()
                told = {key: value.format(number) for key, value in fields.items()}
                answer = client.ask(method, path.format(number), told, body)
                assert answer.status < 300, (name, answer)
                calls[name].append(costs.calls.total())
                statements[name].append(len(costs.statements))
    found = {name: (min(calls[name]), min(statements[name])) for name in REQUESTS}
    assert found.keys() == BEFORE.keys()
    for name, (most_calls, most_statements) in BEFORE.items():
        # The last call of a request, a close, may be counted as the first of the next one.
        assert found[name][0] <= most_calls + 1, (name, found)
        assert found[name][1] <= most_statements, (name, found)
    assert sum(each[0] for each in found.values()) <= sum(each[0] for each in BEFORE.values()), (
        found
    )
