"""People with a browser, and clients that ask for what they look at."""

from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Page

from harness.server import DEADLINE, RunningServer
from harness.wire import Wire

#: Milliseconds after which something that should be seen counts as missing.
PATIENCE = 1000 * DEADLINE

#: Nothing but the pages under test: no sandbox, which root cannot have, and no errands of its own.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

#: The window of an ordinary desktop, and that of a small phone.
DESKTOP = {"width": 1000, "height": 760}
PHONE = {"width": 360, "height": 740}


class Watched:
    """A person's browser, with everything that its pages complain of or ask for."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        context.set_default_timeout(PATIENCE)
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        context.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))

    def _hear(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def open(self, server: Any, path: str = "/.davkeep/operations") -> Page:
        """A new page."""
        page = self.context.new_page()
        page.goto(server.url.rstrip("/") + path)
        return page


class Client:
    """Asks for long operations, each on a connection that waits for its answer."""

    def __init__(self, server: RunningServer, opened: ExitStack) -> None:
        self._server = server
        self._opened = opened

    def ask(self, method: str, path: str, to: str | None = None) -> Wire:
        """Send the request; its response is read by who wants it."""
        wire = self._opened.enter_context(Wire(self._server.host, self._server.port))
        fields = {} if to is None else {"Destination": self._server.url.rstrip("/") + to}
        wire.send(method, path, fields)
        return wire
