"""The event loop of one thread, which starts no other thread."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Returned = TypeVar("Returned")

#: Looks a name up as socket.getaddrinfo does. Raises OSError.
Resolve = Callable[..., list[Any]]


class Loop(asyncio.SelectorEventLoop):
    """Looks names up in its own thread: getaddrinfo(3) blocks and cannot be cut.

    So a look-up holds up what else goes on in this loop, and nobody else. What has a time limit is
    over as soon as the look-up returns, if that is later.
    """

    def __init__(self, resolve: Resolve = socket.getaddrinfo) -> None:
        """Make it in the thread that is to run it, or in another one before."""
        super().__init__()
        self._resolve = resolve

    async def getaddrinfo(
        self,
        host: bytes | str | None,
        port: bytes | str | int | None,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        """Return what `resolve` does, at once. Raises OSError, also for what can be no name."""
        try:
            return self._resolve(host, port, family, type, proto, flags)
        except UnicodeError as error:
            raise OSError(f"{host!r} is no name of a host: {error}") from None


def run(main: Coroutine[Any, Any, Returned], resolve: Resolve = socket.getaddrinfo) -> Returned:
    """Run `main` to its end in a loop of its own, and cancel what it has left behind."""
    with asyncio.Runner(loop_factory=lambda: Loop(resolve)) as runner:
        return runner.run(main)
