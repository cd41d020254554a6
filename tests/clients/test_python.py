"""Python's two HTTP libraries: requests takes a 102 for the answer, httpx skips it."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests

from harness.server import RunningServer, Serve
from harness.trees import contents
from harness.waiting import until

Slow = Callable[..., RunningServer]
Tmpfs = Callable[..., Path]


def test_requests(slow: Slow, share: Path, interims: Callable[..., int]) -> None:
    """requests is told nothing before the result, and each answer is its own request's."""
    server = slow()
    with requests.Session() as session:
        copied = session.request(
            "COPY", f"{server.url}tree", headers={"Destination": f"{server.url}copied"}
        )
        assert (copied.status_code, copied.content) == (201, b"")
        assert copied.elapsed.total_seconds() > 0.9
        assert session.get(f"{server.url}hello").content == b"hello"
        assert _connections(session, server.url) == 1
    assert interims(server) == 0
    assert contents(share / "copied") == contents(share / "tree")


def test_requests_failure(slow: Slow, tmpfs: Tmpfs, share: Path) -> None:
    """requests reports an operation that fails, and then the next answer."""
    tmpfs(share / "small", size="1m")
    server = slow()
    with requests.Session() as session:
        copied = session.request(
            "COPY", f"{server.url}big", headers={"Destination": f"{server.url}small/big"}
        )
        assert copied.status_code == 507
        assert session.get(f"{server.url}hello").content == b"hello"


def test_httpx(slow: Slow, share: Path, interims: Callable[..., int]) -> None:
    """An interim response renews httpx's patience, and each answer is its own request's."""
    server = slow()
    with httpx.Client(base_url=server.url, timeout=0.5) as client:
        copied = client.request("COPY", "tree", headers={"Destination": f"{server.url}copied"})
        assert (copied.status_code, copied.content) == (201, b"")
        assert interims(server, "COPY") >= 4
        got = client.get("hello")
        assert got.content == b"hello"
        assert _own_address(got) == _own_address(copied)
    assert contents(share / "copied") == contents(share / "tree")


def test_httpx_failure(slow: Slow, tmpfs: Tmpfs, share: Path, interims: Callable[..., int]) -> None:
    """httpx reports an operation that fails after interim responses, and then the next answer."""
    tmpfs(share / "small", size="1m")
    server = slow()
    with httpx.Client(base_url=server.url) as client:
        copied = client.request("COPY", "big", headers={"Destination": f"{server.url}small/big"})
        assert copied.status_code == 507
        assert interims(server, "COPY") >= 1
        assert client.get("hello").content == b"hello"


def test_httpx_in_silence(slow: Slow, share: Path) -> None:
    """Without interim responses httpx gives up, and the operation ends all the same."""
    server = slow(keepalive={"interim": "never"})
    with httpx.Client(base_url=server.url, timeout=0.5) as client:
        with pytest.raises(httpx.ReadTimeout):
            client.request("COPY", "tree", headers={"Destination": f"{server.url}copied"})
        assert client.get("hello").content == b"hello"
    until((share / "copied").exists, "the end of the COPY")
    assert contents(share / "copied") == contents(share / "tree")


def _of_the_documentation() -> Callable[..., requests.Response]:
    """The function that `docs/uploads.md` shows."""
    text = (Path(__file__).parents[2] / "docs" / "uploads.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    found: Callable[..., requests.Response] = names["upload"]
    return found


def test_the_upload_of_the_documentation(serve: Serve, share: Path, tmp_path: Path) -> None:
    """It begins, goes on with what has arrived, and does not mix that up with another file."""
    upload = _of_the_documentation()
    server = serve()
    base = server.url.rstrip("/")
    content, other = os.urandom(100_000), b"short"
    for name, whole in (("file", content), ("other", other)):
        (tmp_path / name).write_bytes(whole)
    begun = {"Content-Range": "bytes 0-59999/100000"}
    with requests.Session() as session:
        assert upload(session, base, "/new", tmp_path / "file").status_code == 201
        for name, whole in (("file", content), ("other", other)):
            kept = session.put(f"{base}/new", data=content[:60_000], headers=begun)
            assert kept.status_code == 202
            assert upload(session, base, "/new", tmp_path / name).status_code == 204
            assert (share / "new").read_bytes() == whole
    assert server.staging() == []


def _connections(session: requests.Session, url: str) -> int:
    """How many connections were opened."""
    pools = session.get_adapter(url).poolmanager.pools
    return sum(pools[key].num_connections for key in pools.keys())  # noqa: SIM118  # not a dict


def _own_address(response: httpx.Response) -> object:
    """The client's end of the connection that a response came on."""
    return response.extensions["network_stream"].get_extra_info("client_addr")
