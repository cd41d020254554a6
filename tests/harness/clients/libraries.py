"""Python's libraries: requests, httpx and aiohttp."""

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import httpx
import requests

from harness.clients.words import DEADLINE, HELLO, Errand, Told

#: What the libraries raise.
ERRORS = (requests.RequestException, httpx.HTTPError, aiohttp.ClientError, TimeoutError)


def _caught(ask: Callable[[], Any]) -> Any:
    """What came, or the error."""
    try:
        return ask()
    except ERRORS as error:
        return repr(error)


def call_requests(errand: Errand) -> Told:
    """Two requests of one session."""
    patience = errand.patience or DEADLINE
    to = {"Destination": f"{errand.url}copied"}
    with requests.Session() as session:

        def copy() -> str:
            url = f"{errand.url}tree"
            return str(session.request("COPY", url, headers=to, timeout=patience).status_code)

        said = _caught(copy)
        following = _caught(lambda: session.get(f"{errand.url}hello", timeout=patience).content)
        pools = session.get_adapter(errand.url).poolmanager.pools
        opened = sum(pools[key].num_connections for key in pools.keys())  # noqa: SIM118  # no dict
    return Told(said == "201", said, following == HELLO, opened == 1)


def call_httpx(errand: Errand) -> Told:
    """Two requests of one client."""
    ends = set()

    def note(response: httpx.Response) -> None:
        ends.add(response.extensions["network_stream"].get_extra_info("client_addr"))

    with httpx.Client(
        base_url=errand.url,
        timeout=errand.patience or DEADLINE,
        event_hooks={"response": [note]},
    ) as client:
        to = {"Destination": f"{errand.url}copied"}
        said = _caught(lambda: str(client.request("COPY", "tree", headers=to).status_code))
        following = _caught(lambda: client.get("hello").content)
    return Told(said == "201", said, following == HELLO, len(ends) == 1)


def call_aiohttp(errand: Errand) -> Told:
    """Two requests of one session."""
    return asyncio.run(_call_aiohttp(errand))


async def _call_aiohttp(errand: Errand) -> Told:
    reused = []

    async def note(*_: object) -> None:
        reused.append(True)

    tracing = aiohttp.TraceConfig()
    tracing.on_connection_reuseconn.append(note)
    timeout = aiohttp.ClientTimeout(total=None, sock_read=errand.patience or DEADLINE)
    async with aiohttp.ClientSession(
        errand.url, timeout=timeout, trace_configs=[tracing]
    ) as session:
        said, _ = await _asked(session, "DELETE", "tree")
        _, following = await _asked(session, "GET", "hello")
    return Told(said == "204", said, following == HELLO, bool(reused))


async def _asked(session: aiohttp.ClientSession, method: str, name: str) -> tuple[str, bytes]:
    """The status, or the error, and the content."""
    try:
        async with session.request(method, name) as response:
            return str(response.status), await response.read()
    except ERRORS as error:
        return repr(error), b""
