"""neon 0.33 and newer, by a stand-in: it bounds the time of all interim responses together."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.disks import folder_in_memory
from harness.neon33 import CADAVER, DAVFS2, WINSCP, Failed, Neon33, TimedOut
from harness.server import RunningServer, Serve
from harness.trees import contents, members, plant

#: Seconds of the stand-in's read timeout, and of the operation.
READ_TIMEOUT, LENGTH = 3.0, 9.25
#: Members a second.
RATE = 4


@pytest.fixture
def slow(serve: Serve, root: Path) -> Any:
    """A server that takes `LENGTH` for `tree`, and is to be silent for a second at most."""
    plant(root / "tree", round(LENGTH * RATE))

    def started(**keepalive: Any) -> RunningServer:
        return serve(
            keepalive={"first_after": 1, "interval": 1, **keepalive},
            operations={"max_members_per_second": RATE},
        )

    return started


def _copy(server: RunningServer, agent: str, read_timeout: float) -> tuple[int, list[int]]:
    """Copy the tree, and ask once more; return the status and the interim responses of the COPY."""
    with Neon33(server.host, server.port, agent, read_timeout) as client:
        status = client.ask("COPY", "/tree", {"Destination": f"{server.url}copied"})
        interims = client.interims
        assert client.ask("GET", "/tree/00001") == 200
        return status, interims


@pytest.mark.parametrize("agent", [DAVFS2, WINSCP])
def test_it_is_kept(slow: Any, root: Path, agent: str) -> None:
    """One 102 within the read timeout, then an early multi-status, keep it three times as long."""
    assert _copy(slow(), agent, READ_TIMEOUT) == (201, [102])
    assert contents(root / "copied") == contents(root / "tree")


def test_a_program_without_a_read_timeout_is_kept_by_interim_responses(
    slow: Any, root: Path
) -> None:
    """cadaver sets none, so neon's own 120 s hold, and interim responses do."""
    status, interims = _copy(slow(), CADAVER, 120)
    assert (status, set(interims)) == (201, {102})
    assert len(interims) >= 5
    assert contents(root / "copied") == contents(root / "tree")


def test_a_fixed_beat_breaks_it(slow: Any) -> None:
    """A 102 each second is its end as soon as one comes after the read timeout."""
    server = slow(interim="always")
    with (
        Neon33(server.host, server.port, DAVFS2, READ_TIMEOUT) as client,
        pytest.raises(TimedOut, match="102"),
    ):
        client.ask("COPY", "/tree", {"Destination": f"{server.url}copied"})


def test_silence_breaks_it(slow: Any) -> None:
    """Without any sign of life it gives up."""
    server = slow(interim="never")
    with (
        Neon33(server.host, server.port, DAVFS2, READ_TIMEOUT) as client,
        pytest.raises(TimedOut, match="nothing"),
    ):
        client.ask("COPY", "/tree", {"Destination": f"{server.url}copied"})


def test_a_failure_is_one(serve: Serve, root: Path, tmpfs: Callable[..., Path]) -> None:
    """A disk that is full, long after the answer has begun, is reported as a failure."""
    small = tmpfs(root / "small", size="1m")
    (root / "big").write_bytes(b"x" * 2**22)
    server = serve(
        keepalive={"first_after": 1, "interval": 1},
        operations={"max_bytes_per_second": 2**20 / 5},
    )
    with (
        Neon33(server.host, server.port, DAVFS2, READ_TIMEOUT) as client,
        pytest.raises(Failed, match="507"),
    ):
        client.ask("COPY", "/big", {"Destination": f"{server.url}small/big"})
    assert members(small) == []


def test_an_upload_is_left_alone(serve: Serve, root: Path) -> None:
    """On PUT its clock starts before the body, so it gets no interim response at all."""
    with folder_in_memory() as spool:
        server = serve(
            keepalive={"first_after": 0.2, "interval": 0.2},
            operations={"max_bytes_per_second": 2**20},
            put={"spool": str(spool)},
        )
        with Neon33(server.host, server.port, DAVFS2, READ_TIMEOUT) as client:
            assert client.ask("PUT", "/new", body=b"x" * 2**20) == 201
            assert client.interims == []
    assert (root / "new").stat().st_size == 2**20
