"""What the server keeps of a request whose connection waits for its response."""

import gc
import threading
from collections.abc import Callable
from typing import Any

import pytest

from davkeep.dav.request import Request
from davkeep.dav.staged import Staged
from harness.inside import Inside, Start
from harness.server import DEADLINE, Serve
from harness.trees import members, plant
from harness.uploads import break_off
from harness.waiting import until

#: A COPY of these files takes until it is cancelled.
SLOW: dict[str, Any] = {
    "operations": {"max_members_per_second": 1, "grace": 0},
    "keepalive": {"interim": "always", "first_after": 0.05, "interval": 60},
}


@pytest.fixture
def slow(inside: Start, root: Any) -> Inside:
    """A server in this process on which a COPY takes long."""
    plant(root / "a", 30)
    return inside(**SLOW)


def _kept(wanted: Callable[[Any], bool]) -> int:
    gc.collect()
    return sum(wanted(each) for each in gc.get_objects())


def _is_environ(each: Any) -> bool:
    return type(each) is dict and "davkeep.exchange" in each


@pytest.mark.parametrize("method", ["COPY", "DELETE"])
def test_nothing_of_the_request_waits(slow: Inside, method: str) -> None:
    """Neither its environ, of some kilobytes, nor what was parsed of it."""
    before = _kept(_is_environ), _kept(lambda each: type(each) is Request)
    with slow.wire() as client:
        client.send(method, "/a", {"Destination": f"{slow.url}b"})
        assert client.interim() == 102
        assert _kept(_is_environ) <= before[0]
        assert _kept(lambda each: type(each) is Request) <= before[1]
        slow.last().cancel()
        assert client.response().status == 409


def test_what_is_given_up_on_a_disk_that_hangs(
    slow: Inside, root: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dropping the upload of a client that left holds up no connection that waits."""
    opened, begun, close = threading.Event(), threading.Event(), Staged.close

    def hang(self: Staged) -> None:
        begun.set()
        assert opened.wait(DEADLINE)
        close(self)

    monkeypatch.setattr(Staged, "close", hang)
    with slow.wire() as client, slow.wire() as leaves:
        client.send("COPY", "/a", {"Destination": f"{slow.url}b"})
        assert client.interim() == 102
        leaves.send("PUT", "/b", body=b"new")
        until(lambda: slow.parked == 2, "the upload waits")
        break_off(leaves.socket)
        assert begun.wait(DEADLINE)
        slow.last().cancel()
        assert client.response().status == 409
        opened.set()
    until(lambda: members(root) == ["a"], "nothing is left")


def test_its_line_in_the_access_log_is_whole(serve: Serve, wire: Any, root: Any) -> None:
    """The line of a COPY that waited has the address, the user, the request and the status."""
    plant(root / "a", 30)
    users = {"/": {"ann": {"password": "secret"}}}
    quick = {**SLOW, "operations": {"max_members_per_second": 100, "grace": 0}}
    server = serve({"simple_dc": {"user_mapping": users}, "verbose": 3}, **quick)
    fields = {"Destination": f"{server.url}b", "Authorization": "Basic YW5uOnNlY3JldA=="}
    with wire(server) as client:
        answer = client.ask("COPY", "/a?x=%41", fields)
    assert (answer.statuses[0], answer.statuses[-1]) == (102, 201)
    server.wait_for_log(r'127\.0\.0\.1 ann "COPY /a\?x=%41" 201 ')
