"""A long operation, as it looks on the wire."""

from pathlib import Path
from typing import Any

from harness.server import Serve


def _tree(folder: Path, members: int) -> None:
    folder.mkdir()
    for number in range(members - 1):
        (folder / f"{number:04}").write_bytes(b"x" * 10)


def test_a_throttled_copy_is_kept_alive(serve: Serve, root: Path, wire: Any) -> None:
    """A COPY that takes about a second gets interim responses, then 201, and the connection lives."""
    _tree(root / "a", 100)
    server = serve(
        keepalive={"first_after": 0.2, "interval": 0.2},
        operations={"grace": 0, "max_members_per_second": 100},
    )
    with wire(server, agent="curl/7.88.1") as client:
        copied = client.ask("COPY", "/a", {"Destination": f"{server.url}b"})
        assert copied.status == 201
        assert set(copied.interims) == {102}
        assert 3 <= len(copied.interims) <= 6
        assert client.ask("GET", "/b/0000").body == b"x" * 10
    assert len(list((root / "b").iterdir())) == 99
