"""``davkeep ops`` against real servers."""

import json
import os
import pty
import signal
import subprocess
from contextlib import suppress
from typing import Any

import pytest

from davkeep.operations import MemberFailure, Outcome
from harness.commands import DAVKEEP, environment, run
from harness.inside import Inside, Start
from harness.server import DEADLINE

USERS = {name: {"password": f"{name}'s"} for name in ("ann", "bob")}


def ops(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return run("ops", *arguments, **environ)


@pytest.fixture
def server(inside: Start) -> Inside:
    """A server for everybody on this machine."""
    return inside()


@pytest.fixture
def guarded(inside: Start, tmp_path: Any) -> Inside:
    """A server with a share for everybody and one of users, of whom Bob is an administrator."""
    for name in ("open", "own"):
        (tmp_path / name).mkdir()
    top = {
        "provider_mapping": {"/": str(tmp_path / "open"), "/own": str(tmp_path / "own")},
        "simple_dc": {"user_mapping": {"/": True, "/own": USERS}},
    }
    return inside(top, administrators=["bob"])


def _rows(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


# The list


def test_the_list(server: Inside) -> None:
    """A row for each, the newest first, with what a person wants to know."""
    assert _rows(ops(server.url)) == ["There are no operations."]
    over = server.ended(outcome=Outcome(207, (MemberFailure("/a/x", 403),))).operation
    running = server.begin().operation
    running.progress.members_done, running.progress.members_total = 3, 12
    running.progress.bytes_done, running.progress.bytes_total = 250_000, 1_000_000
    head, first, second = _rows(ops(server.url))
    assert head.split()[:5] == ["ID", "STATE", "METHOD", "WHAT", "PROGRESS"]
    assert "OWNER" not in head
    assert first.split()[:3] == [running.id[:8], "running", "COPY"]
    for part in ("/a1 -> /b", "25%", "3 of 12", "250.0 kB of 1.0 MB"):
        assert part in first
    assert second.split()[:3] == [over.id[:8], "failed", "COPY"]
    assert "status 207" in second


def test_the_list_for_programs(server: Inside) -> None:
    """Every operation as its status monitor tells it."""
    assert json.loads(ops(server.url, "--json").stdout) == []
    operation = server.ended().operation
    (told,) = json.loads("".join(_rows(ops("--json", server.url))))
    assert (told["id"], told["state"], told["status"]) == (operation.id, "succeeded", 201)


@pytest.mark.parametrize("below", ["", ".davkeep/operations", ".davkeep/operations/0123/response"])
def test_the_url_of_the_page_will_do(server: Inside, below: str) -> None:
    """Who has it in the browser's address line can use it as it is."""
    server.ended()
    assert len(_rows(ops(f"{server.url}{below}"))) == 2


def test_a_long_list(server: Inside) -> None:
    """Of some megabytes, all of it arrives."""
    failures = tuple(MemberFailure(f"/a/{'x' * 2000}", 403) for _ in range(5))
    for _ in range(250):
        held = server.admit(outcome=Outcome(207, failures))
        server.registry.begin(held.operation, 0.0)
        held.end()
    assert len(json.loads(ops(server.url, "--json").stdout)) == 250


# Users


def test_users(guarded: Inside) -> None:
    """One sees what is one's own, an administrator everything, with the owners' names."""
    anns, nobodys = guarded.begin("ann").operation, guarded.begin().operation
    passwords = {"ann": {"DAVKEEP_PASSWORD": "ann's"}, "bob": {"DAVKEEP_PASSWORD": "bob's"}}

    def seen(*arguments: str, **environ: str) -> set[str]:
        return {each["id"] for each in json.loads(ops(*arguments, "--json", **environ).stdout)}

    assert seen(guarded.url, "--user", "ann", **passwords["ann"]) == {anns.id}
    assert seen("--user", "bob", guarded.url, **passwords["bob"]) == {anns.id, nobodys.id}
    assert seen(guarded.url) == {nobodys.id}
    rows = _rows(ops(guarded.url, "--user", "bob", **passwords["bob"]))
    assert rows[0].split()[-1] == "OWNER"
    assert rows[2].split()[-1] == "ann"


def test_who_is_refused(guarded: Inside) -> None:
    """A wrong password is 401, and what is somebody else's is not there."""
    anns, nobodys = guarded.begin("ann").operation, guarded.begin().operation
    for arguments, environ, told in (
        ((guarded.url, "--user", "ann"), {"DAVKEEP_PASSWORD": "x"}, "401"),
        (
            ("--user", "ann", "cancel", guarded.url, nobodys.id),
            {"DAVKEEP_PASSWORD": "ann's"},
            "404",
        ),
        (("cancel", guarded.url, anns.id), {}, "401"),
        ((guarded.url, "--user", "ann"), {}, "DAVKEEP_PASSWORD"),
    ):
        done = ops(*arguments, **environ)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        assert told in done.stderr
    assert not anns.is_cancel_due
    assert not nobodys.is_cancel_due


# Cancelling


@pytest.mark.parametrize("digits", [32, 8])
def test_cancel(server: Inside, digits: int) -> None:
    """By the identifier or its first digits; it waits for the end, and says what is left."""
    operation = server.begin().operation
    done = ops("cancel", server.url, operation.id[:digits])
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "COPY /a0 -> /b: cancelled, status 409."
        " The operation was cancelled. Nothing of the copy is left.\n"
    )
    assert operation.state.value == "cancelled"


def test_cancel_for_programs(server: Inside) -> None:
    """The last word of the status monitor."""
    done = ops("--json", "cancel", server.url, server.begin().operation.id)
    told = json.loads(done.stdout)
    assert (done.returncode, told["state"], told["status"]) == (0, "cancelled", 409)


def test_what_cannot_be_cancelled(server: Inside) -> None:
    """What is over, unknown, no identifier, or the beginning of several."""
    over = server.ended().operation.id
    for _ in range(20):
        server.ended()
    for id, told in (
        (over, "409: it is too late to cancel it. It says: The operation is over: succeeded."),
        ("0" * 32, "404: there is no operation"),
        ("../" * 20, "is no operation's identifier"),
        ("0" * 31, "no operations begin with"),
        (_shared_digit(server), "operations begin with"),
    ):
        done = ops("cancel", server.url, id)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        assert told in done.stderr


def _shared_digit(server: Inside) -> str:
    """The first digit of two of more than sixteen identifiers."""
    firsts = [each.id[0] for each in server.registry.visible(lambda _: True)]
    return next(each for each in firsts if firsts.count(each) > 1)


def test_what_ended_after_all(server: Inside) -> None:
    """A cancel that came too late to be heard is no success."""
    held = server.begin()

    def effect(_: object) -> None:
        held.operation.reach_effective_point()
        held._opened.set()

    held.operation.on_cancel = effect
    done = ops("cancel", server.url, held.operation.id)
    assert (done.returncode, "succeeded, status 201" in done.stdout) == (1, True)
    assert done.stderr == "davkeep: it ended before it could be cancelled\n"


# Watching


def _watching(server: Inside, **streams: Any) -> "subprocess.Popen[str]":
    command = [*DAVKEEP, "ops", "--watch", server.url]
    return subprocess.Popen(command, text=True, env=environment(COLUMNS="100"), **streams)


def test_watch_without_a_terminal(server: Inside) -> None:
    """A line for what runs, and one for each end; it ends when nothing runs any more."""
    assert ops("--watch", server.url).stdout == "Nothing is running.\n"
    server.ended()
    one, two = server.begin(), server.begin()
    with _watching(server, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        begun = {process.stdout.readline(), process.stdout.readline()}
        assert begun == {
            f"{each.operation.id[:8]}  running  COPY  {each.operation.source} -> /b\n"
            for each in (one, two)
        }
        one.end()
        assert process.stdout.readline().split()[:2] == [one.operation.id[:8], "succeeded"]
        two.operation.cancel()
        told = process.stdout.read()
        assert "Nothing of the copy is left." in told
        assert process.wait(DEADLINE) == 0
    assert two.operation.id[:8] in told


def test_watch_on_a_terminal(server: Inside) -> None:
    """A bar that is drawn again; at the end the table stays, with how it ended."""
    held = server.begin()
    held.operation.progress.members_done, held.operation.progress.members_total = 1, 4
    held.operation.progress.bytes_total = 0
    leader, follower = pty.openpty()
    with _watching(server, stdout=follower, stderr=follower) as process:
        os.close(follower)
        drawn = _read_until(leader, "25%")
        assert "━" in drawn
        held.end()
        drawn = _read_until(leader, None)
        assert process.wait(DEADLINE) == 0
    os.close(leader)
    assert "succeeded" in drawn
    assert "status 201" in drawn


def _read_until(descriptor: int, text: str | None) -> str:
    """What is written on a terminal up to some text, or up to its end."""
    read = b""
    with suppress(OSError):
        while text is None or text.encode() not in read:
            read += os.read(descriptor, 4096)
    return read.decode(errors="replace")


def test_watch_until_somebody_has_seen_enough(server: Inside) -> None:
    """Ctrl-C ends it quietly; what it looked at goes on."""
    held = server.begin()
    with _watching(server, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert "running" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=DEADLINE) == ("", "")
        assert process.returncode == 0
    assert not held.operation.state.is_over


def test_watch_a_server_that_goes_away(inside: Start) -> None:
    """One line that says so, and status 1."""
    server = inside()
    server.begin()
    with _watching(server, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert "running" in process.stdout.readline()
        server.stop()
        _, told = process.communicate(timeout=DEADLINE)
        assert process.returncode == 1
    assert told.startswith("davkeep: no ")
    assert told.count("\n") == 1


# What cannot be asked


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["ftp://localhost/"], 1),
        (["http://"], 1),
        (["http://127.0.0.1:1/"], 1),
        (["--watch", "http://127.0.0.1:1/"], 1),
        (["cancel", "http://127.0.0.1:1/", "0" * 32], 1),
        (["cancel", "http://ann:one@localhost/", "0" * 32], 1),
        (["https://127.0.0.1:1/", "--cafile", "/nonexistent"], 1),
        ([], 2),
        (["cancel"], 2),
        (["cancel", "http://localhost/"], 2),
        (["cancel", "http://localhost/", "1", "2"], 2),
        (["http://localhost/", "http://localhost/"], 2),
        (["--watch", "--json", "http://localhost/"], 2),
        (["--watch", "cancel", "http://localhost/", "1"], 2),
        (["--password", "x", "http://localhost/"], 2),
    ],
)
def test_what_cannot_be_asked(arguments: list[str], status: int) -> None:
    """One line on standard error; 2 for a wrong command line, 1 for a server without an answer."""
    done = ops(*arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (status, "", 1)
    assert done.stderr.startswith("davkeep: ")


def test_a_url_that_is_no_davkeep(server: Inside) -> None:
    """404 is told as what it is."""
    done = ops(f"{server.url}somewhere/")
    assert (done.returncode, "there is no davkeep" in done.stderr) == (1, True)


# The number of rows


def test_a_list_is_bounded(server: Inside) -> None:
    """What is not over comes first, then the newest; it is said how many are left out."""
    running = server.begin().operation
    for _ in range(5):
        server.ended()
    rows = _rows(ops(server.url, "--limit", "3"))
    assert len(rows) == 1 + 3 + 1
    assert rows[3].split()[:2] == [running.id[:8], "running"]
    assert rows[4] == "3 more, which --limit shows."
    assert len(_rows(ops(server.url))) == 1 + 6
    assert len(json.loads(ops("--json", "--limit", "2", server.url).stdout)) == 2
    with server.wire() as wire:
        answer = wire.ask("GET", "/.davkeep/operations?limit=2")
    assert answer.fields["X-Total-Count"] == "6"
    assert [each["state"] for each in json.loads(answer.body)] == ["succeeded", "running"]


def test_drawing_does_not_grow_with_what_there_is(server: Inside) -> None:
    """Of 2,000 operations as many are drawn as of any number, unless more are asked for."""
    for _ in range(2000):
        held = server.admit()
        held._opened.set()
        server.registry.begin(held.operation, 0.0)
    for each in server._held:
        assert each.operation.wait(DEADLINE)
    rows = _rows(ops(server.url))
    assert (len(rows), rows[-1]) == (1 + 100 + 1, "1,900 more, which --limit shows.")


@pytest.mark.parametrize("limit", ["0", "-1", "x", "1e3", "9" * 5000, "\u0661"])
def test_limits_that_are_none(limit: str) -> None:
    """One line and status 2."""
    done = ops("--limit", limit, "http://localhost/")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
