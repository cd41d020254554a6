"""COPY with helpers: members are copied at the same time, and nothing else is different."""

import errno
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from davkeep.trees.ahead import WIDTH
from davkeep.trees.content import SMALL_FILE
from davkeep.trees.copy import copy
from davkeep.trees.steps import DestinationError

FILES = {f"f{number}": bytes([number]) * number for number in range(40)}
TREE = {"d": {**FILES, "large": b"x" * (SMALL_FILE + 1), "l": "f1", "sub": {**FILES, "e": {}}}}


@pytest.fixture
def lent(world: Any) -> Iterator[Callable[..., Future[Any]]]:
    """Lend threads to the world's COPYs; all that was begun is done in the end."""
    begun: list[Future[Any]] = []
    with ThreadPoolExecutor(WIDTH) as pool:

        def submit(call: Callable[[], Any]) -> Future[Any]:
            begun.append(pool.submit(call))
            return begun[-1]

        world.control.helpers = lambda: submit
        yield submit
        assert begun


@pytest.mark.usefixtures("lent")
def test_the_copy_is_the_same(world: Any, fds: Callable[[], list[str]]) -> None:
    """Members, bytes and checkpoints are counted as ever, large files and links included."""
    world.make(TREE)
    before = fds()
    result = world.run(copy, "d", "e", overwrite=False)
    assert (result.complete, result.errors) == (True, ())
    assert world.snapshot("e") == world.snapshot("d")
    assert world.control.progress.members_done == len(FILES) * 2 + 5
    assert world.control.progress.bytes_done == 2 * sum(range(40)) + SMALL_FILE + 1
    assert fds() == before


@pytest.mark.usefixtures("lent")
def test_several_are_under_way_at_the_same_time(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as agreed are read before the first of them is counted."""
    world.make({"d": {f"f{number}": b"x" for number in range(WIDTH)}})
    meeting = threading.Barrier(WIDTH)
    read = os.read

    def together(fd: int, size: int) -> bytes:
        meeting.wait(10)
        return read(fd, size)

    monkeypatch.setattr(os, "read", together)
    assert world.run(copy, "d", "e", overwrite=False).errors == ()


@pytest.mark.usefixtures("lent")
def test_members_that_fail_are_named(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with its own error; the rest is copied."""
    world.make(TREE)
    _failing(monkeypatch, "f7", errno.EACCES)
    result = world.run(copy, "d", "e", overwrite=False)
    assert {(error.path, error.error.errno) for error in result.errors} == {
        (("f7",), errno.EACCES),
        (("sub", "f7"), errno.EACCES),
    }
    assert set(os.listdir(world.folder / "e")) == set(TREE["d"]) - {"f7"}


@pytest.mark.usefixtures("lent")
def test_an_error_of_the_destination_ends_it(
    world: Any, monkeypatch: pytest.MonkeyPatch, fds: Callable[[], list[str]]
) -> None:
    """What is still under way is waited for, and nothing is left of any of it."""
    world.make(TREE)
    before = fds()
    write = os.write

    def full(fd: int, data: bytes) -> int:
        if len(data) == 20:
            raise OSError(errno.ENOSPC, "full")
        return write(fd, data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(DestinationError):
        world.run(copy, "d", "e", overwrite=False)
    assert not (world.folder / "e").exists()
    assert world.hidden() == []
    assert fds() == before


@pytest.mark.usefixtures("lent")
@pytest.mark.parametrize("members", [1, 5, 39, 60])
def test_cancelled_nothing_is_left(world: Any, members: int, fds: Callable[[], list[str]]) -> None:
    """Closed with files under way, it waits for them before it removes what was staged."""
    world.make(TREE)
    before = fds()
    steps = world.steps(copy, "d", "e", overwrite=False)
    while world.control.progress.members_done < members:
        next(steps)
    steps.close()
    assert sorted(os.listdir(world.folder)) == ["d"]
    assert fds() == before


def _failing(monkeypatch: pytest.MonkeyPatch, name: str, number: int) -> None:
    """Let the source's file of that name refuse to be opened."""
    opened = os.open

    def failing(path: Any, flags: int, *arguments: Any, **named: Any) -> int:
        if path == name and not flags & os.O_CREAT:
            raise OSError(number, os.strerror(number))
        return opened(path, flags, *arguments, **named)

    monkeypatch.setattr(os, "open", failing)
