"""A server in this process, with the socket for its administration, and what it logs."""

import logging
import re
import threading
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from davkeep.administration import start_control
from davkeep.app import make_server, make_site, recover
from davkeep.settings.load import Overrides, load
from harness.server import DEADLINE
from harness.waiting import until


class Here(logging.Handler):
    """One life of a server; it has what tests ask of one in a process of its own."""

    def __init__(self, config: Path) -> None:
        """Start it, recovery included. Raises what a start raises that refuses."""
        super().__init__()
        self._lines: list[str] = []
        self._told = logging.getLogger("davkeep")
        with ExitStack() as opened:
            self._told.addHandler(self)
            opened.callback(self._told.removeHandler, self)
            configuration = load(str(config), Overrides(port=0))
            site = make_site(configuration, opened)
            recovery = recover(site, opened)
            server = make_server(configuration, site)
            server.prepare()
            start_control(site, opened)
            recovery.start(site.upkeep)
            thread = threading.Thread(target=server.serve)
            thread.start()
            opened.callback(thread.join, DEADLINE)
            opened.callback(server.stop, 1.0)
            self._identities = site.identities
            self._opened = opened.pop_all()
        self.url = server.url
        parts = urlsplit(server.url)
        self.host, self.port = str(parts.hostname), int(parts.port or 0)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self._lines.append(f"{record.levelname} {record.name}: {record.getMessage()}")

    @property
    def log(self) -> str:
        """Everything that was logged so far."""
        return "\n".join(self._lines)

    def wait_for_log(self, pattern: str) -> None:
        """Wait until a line matches."""
        until(lambda: re.search(pattern, self.log), f"the log has {pattern!r}")

    def look(self) -> None:
        """Look at the roots, as happens from time to time."""
        self._identities._look_at_all()

    def known(self) -> list[object]:
        """What is known of the shares that are served."""
        return [place.served for place in self._identities._places.values()]

    def stop(self) -> None:
        """Stop it in order. A second call does nothing."""
        self._opened.close()
