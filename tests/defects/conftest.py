"""The two servers on which every defect is tried."""

import itertools
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from harness.defects import Either, Scene
from harness.server import RunningServer
from harness.stock import SECONDS_A_FILE, StockServer

#: What both are configured with: a share for everybody, and one for Ann.
SHARED: dict[str, Any] = {
    "simple_dc": {"user_mapping": {"*": True, "/private": {"ann": {"password": "a"}}}},
    "http_authenticator": {"accept_basic": True, "accept_digest": False},
    "hotfixes": {"emulate_win32_lastmod": True},
}
#: What makes davkeep as slow as the seam makes stock WsgiDAV.
BLOCK = {
    "fsync": False,
    "keepalive": {"first_after": 0.1, "interval": 0.1},
    "operations": {
        "grace": 0,
        "conflict_wait": 0.2,
        "max_members_per_second": round(1 / SECONDS_A_FILE),
    },
}

_numbers = itertools.count(1)


def _shares(folder: Path) -> dict[str, str]:
    shares = {"/": folder / "root", "/Upper": folder / "upper", "/private": folder / "private"}
    for share in shares.values():
        share.mkdir()
        (share / "hello").write_bytes(b"hello")
    return {url: str(share) for url, share in shares.items()}


@pytest.fixture(scope="package")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Either]]:
    """davkeep and stock WsgiDAV, by name."""
    ours, theirs = tmp_path_factory.mktemp("davkeep"), tmp_path_factory.mktemp("stock")
    davkeep = RunningServer(
        ours, None, {**SHARED, "provider_mapping": _shares(ours), "davkeep": BLOCK}
    )
    davkeep.root = ours / "root"
    stock = StockServer({**SHARED, "provider_mapping": _shares(theirs)}, theirs / "root")
    yield {"davkeep": davkeep, "stock": stock}
    stock.close()
    davkeep.close()
    assert "Traceback" not in davkeep.log
    assert not davkeep.staging()


@pytest.fixture
def scene_on(servers: dict[str, Either]) -> Iterator[Callable[[str], Scene]]:
    """``scene_on("stock")``: a new collection on a server."""
    with ExitStack() as opened:

        def new(name: str) -> Scene:
            server = servers[name]
            assert server.root is not None
            folder = server.root / f"t{next(_numbers)}"
            folder.mkdir()
            opened.callback(shutil.rmtree, folder, ignore_errors=True)
            return Scene(server, folder, opened)

        yield new
