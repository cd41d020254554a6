"""Operations of which very many members fail, on a server: what is told, and what is kept."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from bench.measures import memory

from davkeep.operations import Failures, MemberFailure, Outcome
from harness.inside import Start
from harness.onlooker import OPERATIONS, Onlooker
from harness.server import Serve

#: As many as a large folder has.
MANY = 20_000

#: Of the folder that cannot be emptied on a real server, and how often it is tried.
MEMBERS, TIMES = 5_000, 8


def names_in(document: bytes) -> list[int]:
    """The numbers in the names that a 207 tells, in its order."""
    return [int(each) for each in re.findall(rb"<D:href>[^<]*IMG_(\d+)", document)]


def test_the_document_is_whole(inside: Start) -> None:
    """Every member is named, in the order in which they failed, as often as it is asked for."""
    server = inside()
    hrefs = (f"/a/holiday%20in%20the%20mountains/IMG_{number:06d}.JPG" for number in range(MANY))
    held = server.ended(outcome=Outcome(207, Failures(MemberFailure(each, 403) for each in hrefs)))
    with server.wire() as wire:
        for _ in range(2):
            answer = wire.ask("GET", f"{OPERATIONS}/{held.operation.id}/response")
            assert (answer.status, names_in(answer.body)) == (207, list(range(MANY)))
            assert answer.body.endswith(b"</D:response></D:multistatus>\n")
    told = Onlooker(server.url).look(held.operation.id).json()
    assert (len(told["errors"]), told["errors_omitted"]) == (1000, MANY - 1000)


def test_neither_list_nor_monitor_grows_with_the_names(inside: Start) -> None:
    """Names of 10,000 characters: a monitor takes 256 KiB at most, a line of the list 4."""
    server = inside()
    long = tuple(MemberFailure(f"/a/{number}/{'%C3%A4' * 1600}", 403) for number in range(100))
    ids = [server.ended(outcome=Outcome(207, long)).operation.id for _ in range(3)]
    user = Onlooker(server.url)
    assert len(user.look(ids[0]).content) < 257 * 1024
    assert 20 < len(user.look(ids[0]).json()["errors"]) < 30
    assert len(user.ask("GET", OPERATIONS).content) < 3 * 4096


@contextmanager
def unchangeable(folder: Path) -> Iterator[None]:
    """Have even root remove nothing of a folder."""
    subprocess.run(["chattr", "+i", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", folder], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: an immutable folder")
def test_what_a_server_keeps(serve: Serve, root: Path, wire: Callable[..., Any]) -> None:
    """Results of many failed members add a tenth of what their documents take, each of them whole.

    Eight results of 5,000 added 14 MiB before they were compressed, and 2 MiB since.
    """
    folder = root / "holiday in the mountains"
    folder.mkdir()
    for number in range(MEMBERS):
        (folder / f"IMG_{number:06d}.JPG").touch()
    with unchangeable(folder):
        server = serve()
        with wire(server) as client:
            seen = []
            for _ in range(3 + TIMES):
                answer = client.ask("DELETE", "/holiday%20in%20the%20mountains")
                assert answer.status == 207
                assert sorted(names_in(answer.body)) == list(range(MEMBERS))
                seen.append(memory(server.process.pid))
        assert len(Onlooker(server.url).list()) == 3 + TIMES
    grown = (seen[-1] - seen[2]) * 1024 * 1024
    assert grown < TIMES * len(answer.body) / 10 + 4 * 1024 * 1024
