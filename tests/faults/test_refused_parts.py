"""A part of an upload that is refused counts no more, although the file cannot be cut just then."""

import base64
import hashlib
import random
from typing import Any

import pytest

from harness.dav import Place
from harness.faulty import FaultyServer
from harness.uploads import offset, put_part, ranged, upload_path

CONTENT = random.Random(7).randbytes(1_000_000)
TOTAL = len(CONTENT)
HALF = TOTAL // 2
#: What is collected out of sight.
HIDDEN = r"/\.davkeep-[^/]*$"
WRONG = {"Content-Digest": f"sha-256=:{base64.b64encode(bytes(32)).decode()}:"}
RIGHT = {"Repr-Digest": f"sha-256=:{base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()}:"}


def arrived(here: Place) -> int:
    """The offset that HEAD of the upload tells; -1 if there is none."""
    answer = here.ask("HEAD", upload_path(here.path("file")))
    return offset(answer) if answer.status == 204 else -1


def refused(here: Place, first: int, stop: int, **fields: str) -> int:
    """PUT a part on a connection of its own, for one that is refused ends it."""
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    with here.server_wire() as client:
        return put_part(client, here.path("file"), CONTENT, first, stop, named).status


def size(server: FaultyServer, here: Place) -> int:
    """Bytes of the hidden file."""
    (hidden,) = server.staging(here.folder)
    return hidden.stat().st_size


@pytest.fixture
def begun(server: FaultyServer, here: Place) -> Any:
    """An upload of which the first half has arrived, on a disk that then takes nothing more."""
    assert refused(here, 0, HALF) == 202
    server.fail("ftruncate", "ENOSPC", HIDDEN)
    yield here
    server.heal()
    here.ask("DELETE", upload_path(here.path("file")))
    assert "Traceback" not in server.log


def test_507_counts_no_more(server: FaultyServer, begun: Place) -> None:
    """Some of it was written and stays for now; HEAD tells what counts, and there one goes on."""
    server.fail("write", "ENOSPC", HIDDEN, skip=1)
    assert refused(begun, HALF, TOTAL) == 507
    assert HALF < size(server, begun) < TOTAL
    assert arrived(begun) == HALF
    assert refused(begun, HALF + 1, TOTAL) == 409
    assert refused(begun, HALF, TOTAL) == 507
    assert arrived(begun) == HALF
    server.heal()
    assert refused(begun, HALF, HALF + 10) == 202
    assert size(server, begun) == HALF + 10
    assert put_part(begun, "file", CONTENT, HALF + 10, TOTAL, RIGHT).status == 201
    assert (begun.folder / "file").read_bytes() == CONTENT


def test_a_part_that_could_not_be_flushed(server: FaultyServer, begun: Place) -> None:
    """All of it had arrived; its client was told that it is not kept, and so it is not."""
    server.fail("fsync", "ENOSPC", HIDDEN)
    assert refused(begun, HALF, TOTAL - 1) == 507
    assert arrived(begun) == HALF
    server.heal()
    assert refused(begun, HALF, TOTAL, **RIGHT) == 201
    assert (begun.folder / "file").read_bytes() == CONTENT


@pytest.mark.parametrize("how", ["digest", "too long", "too short"])
def test_wrong_content_that_cannot_be_cut_off(server: FaultyServer, begun: Place, how: str) -> None:
    """The upload is over: after a restart the file alone tells, and it would tell a lie."""
    if how == "digest":
        assert refused(begun, HALF, TOTAL - 1, **WRONG) == 400
    else:
        body = CONTENT[HALF:] if how == "too long" else CONTENT[HALF : TOTAL - 2]
        blocks = iter([body[:300_000], body[300_000:]])
        with begun.server_wire() as client:
            head = ranged(HALF, TOTAL - 1, TOTAL)
            assert client.ask("PUT", begun.path("file"), head, blocks).status == 400
    assert arrived(begun) == -1
    assert server.staging(begun.folder) == []
    server.heal()
    assert refused(begun, HALF, TOTAL) == 409
    assert refused(begun, 0, TOTAL, **RIGHT) == 201


def test_wrong_content_that_can_be_cut_off(server: FaultyServer, begun: Place) -> None:
    """What came before it stays."""
    server.heal()
    assert refused(begun, HALF, TOTAL, **WRONG) == 400
    assert arrived(begun) == size(server, begun) == HALF
