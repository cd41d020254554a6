"""A server that lacks something answers every request, and is as before once it has it again."""

import pytest

from harness.server import interpreter_for_others
from starved.conftest import OTHER, Shared, Starving, starving_server
from starved.kinds import (
    KINDS,
    check_log,
    check_nothing_hidden,
    check_that_all_works,
    check_what_was_left,
)


def _answer_and_recover(starved: Starving, what: str, name: str) -> None:
    """Ask for one kind of request without something, then with it for every kind."""
    scene, after = starved.scene(), starved.scene()
    with scene.wire() as wire:
        assert wire.ask("GET", f"{scene.url}file").status == 200
        with starved.without(what):
            answer = KINDS[name].ask(wire, scene)
    check_what_was_left(scene, name, answer)
    check_that_all_works(after)
    after.remove()
    check_nothing_hidden(starved.server)
    check_log(starved.server)


@pytest.mark.parametrize("name", ["COPY", "MOVE", "DELETE"])
@pytest.mark.parametrize("first", ["threads", "memory"])
def test_the_first_operation_of_a_process(starved: Starving, first: str, name: str) -> None:
    """Before it there was no reason to start most threads, and now none can be started."""
    _answer_and_recover(starved, first, name)


def test_a_process_that_lacks_something(shared: Shared, lacks: str, name: str) -> None:
    """A request gets a clear answer without threads, descriptors or memory.

    When they are there again, every kind of request works, and nothing stays reserved or hidden.
    """
    with shared.use(lacks) as starved:
        _answer_and_recover(starved, lacks, name)


def test_disks_that_lack_something(shared: Shared, disks: str, name: str) -> None:
    """The same where the state, the share or both are full, or cannot be written to."""
    with shared.use(disks) as starved:
        _answer_and_recover(starved, disks, name)


@pytest.mark.parametrize("full", ["room in the state", "room in the share", "room"])
def test_a_delete_makes_room(starved: Starving, full: str) -> None:
    """What one does when a disk is full works, of a collection and of a file."""
    scene = starved.scene()
    with starved.without(full), scene.wire() as wire:
        for name in ("removed", "copied", "file"):
            assert wire.ask("DELETE", f"{scene.url}{name}").status == 204
            assert not (scene.folder / name).exists()
    scene.remove()
    check_nothing_hidden(starved.server)
    check_log(starved.server)


def test_a_connection_that_comes_meanwhile(shared: Shared, what: str) -> None:
    """It is answered, at the latest when nothing is missing any more."""
    with shared.use("") as starved:
        scene = starved.scene()
        with starved.without(what):
            early = [scene.wire() for _ in range(3)]
            for wire in early:
                wire.send("GET", f"{scene.url}file")
        for wire in early:
            assert wire.response().status in (200, 503)
            wire.close()
        scene.remove()
        check_log(starved.server)


def test_a_stop_meanwhile(starved: Starving, what: str) -> None:
    """SIGTERM ends the process in order although something is missing, and it starts again."""
    scene = starved.scene()
    check_that_all_works(starved.scene())
    with scene.wire() as wire:
        assert wire.ask("GET", f"{scene.url}file").status == 200
        with starved.without(what):
            wire.send("COPY", f"{scene.url}copied", scene.destination("copy"))
            status = starved.server.stop()
    assert status == 0, starved.server.log
    check_log(starved.server)
    starved.server.start()
    check_that_all_works(starved.scene())
    check_nothing_hidden(starved.server)


def test_a_user_whose_threads_are_counted() -> None:
    """The same by the limit of an ordinary user (ulimit -u), where the tests use a group's."""
    try:
        interpreter_for_others()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    with starving_server(OTHER, None) as starved:
        scene = starved.scene()
        with starved.without("threads"), scene.wire() as wire:
            assert KINDS["COPY"].ask(wire, scene).status == 201
        check_that_all_works(starved.scene())
        with starved.without("threads"):
            assert starved.server.stop() == 0
        check_log(starved.server)
