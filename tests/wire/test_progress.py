"""What is known of how far operations are, while real clients wait for them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from davkeep.operations import Operation, State
from davkeep.words.progress import Progress
from harness.inside import Inside, servers_inside
from harness.trees import plant
from harness.waiting import until
from harness.wire import Wire

FILES = 900
#: Members a second, so that copying them lasts two seconds.
LIMIT = 450


@pytest.fixture
def inside(tmp_path: Path, root: Path) -> Iterator[Callable[..., Inside]]:
    """Start a server in this process; the arguments are keys of ``operations``."""
    with servers_inside(tmp_path, root) as start:
        yield lambda spool=None, **operations: start(operations=operations, put={"spool": spool})


def _copy(server: Inside, wire: Wire, target: str) -> Operation:
    wire.send("COPY", "/a", {"Destination": f"{server.url}{target}"})
    until(lambda: server.registry.counts()[State.RUNNING], "it is running")
    return server.last()


def test_the_total_of_a_copy(inside: Callable[..., Inside], root: Path) -> None:
    """It is unknown, then right while most is still to be done, and reached in the end."""
    plant(root / "a", FILES)
    server = inside(max_members_per_second=LIMIT)
    with server.wire() as wire:
        operation = _copy(server, wire, "b")
        looks = [operation.progress.seen()]
        until(lambda: operation.progress.seen().bytes_total is not None, "it is counted")
        looks.append(operation.progress.seen())
        left = operation.estimated_seconds(server.registry.lanes.now())
        rate = operation.rate(server.registry.lanes.now())
        assert wire.response().status == 201
    size = sum(len(f"{number}\n") for number in range(FILES))
    assert (looks[0].members_total, looks[0].bytes_total) == (None, None)
    assert (looks[1].members_total, looks[1].bytes_total) == (FILES + 1, size)
    assert looks[1].members_done < FILES
    assert left is not None
    assert 0 < left < 5 * FILES / LIMIT
    assert 0 < rate.members < 1.2 * LIMIT
    assert operation.progress == Progress(FILES + 1, size, FILES + 1, size)


def test_a_cancelled_copy_leaves_its_count(inside: Callable[..., Inside], root: Path) -> None:
    """Cancelled while it is counted or before, it ends, and says no total that it did not know."""
    plant(root / "a", FILES)
    server = inside(max_members_per_second=LIMIT)
    with server.wire() as wire:
        operation = _copy(server, wire, "b")
        assert operation.cancel()
        assert wire.response().status == 409
    assert operation.progress.members_total is None
    assert not operation.wants_total


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("PUT", Progress(1, 5, 1, 5)),
        ("DELETE", Progress(11, 0, 11, 0)),
        ("COPY", Progress(11, 20, 11, 20)),
        ("MOVE", Progress(1, 0, 1, 0)),
    ],
)
def test_what_is_over_at_once(
    inside: Callable[..., Inside], root: Path, method: str, expected: Progress
) -> None:
    """Without any count the totals of each method are known in the end, and reached."""
    plant(root / "a", 10)
    server = inside()
    with server.wire() as wire:
        target = "/new" if method == "PUT" else "/a"
        fields = {"Destination": f"{server.url}b"} if method in ("COPY", "MOVE") else {}
        body = b"12345" if method == "PUT" else None
        assert wire.ask(method, target, fields, body).status in (201, 204)
    assert server.last().progress == expected


def test_a_spooled_upload(inside: Callable[..., Inside], root: Path, elsewhere: Path) -> None:
    """An upload that is copied from its spool has its bytes twice: as it came, and as it goes."""
    server = inside(spool=str(elsewhere))
    with server.wire() as wire:
        assert wire.ask("PUT", "/new", {}, b"12345").status == 201
    assert server.last().progress == Progress(1, 10, 1, 10)
