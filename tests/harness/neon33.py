"""A stand-in for neon 0.33 and newer, which Debian 12 does not have.

Its rule: the interim responses of a request have to come within one read timeout, counted from the
request's start, before its body; one that comes later ends it. Silence ends it after one read
timeout. It reads the content of a 207 as it comes, and takes it for what it says.
"""

import time
from collections.abc import Iterable, Mapping

import h11
from lxml import etree

from harness.wire import Wire

#: As davfs2 and WinSCP name themselves on it.
DAVFS2, WINSCP = "davfs2/1.7.0 neon/0.33.0", "WinSCP/6.3.4 neon/0.33.0"
#: As neon's own programs do, which set no read timeout.
CADAVER = "cadaver/0.26 neon/0.34.0"


class TimedOut(Exception):
    """It has given up."""


class Failed(Exception):
    """It reports a failure: what the answer, or the content of a 207, says."""


class Neon33:
    """One connection; use it as a context manager."""

    def __init__(self, host: str, port: int, agent: str, read_timeout: float) -> None:
        """Connect; `read_timeout` in seconds."""
        self._wire = Wire(host, port, agent=agent)
        self._wire.socket.settimeout(read_timeout)
        self._read_timeout = read_timeout
        #: The statuses of the interim responses of the last request.
        self.interims: list[int] = []

    def __enter__(self) -> "Neon33":
        """Return the connection itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self._wire.close()

    def ask(
        self,
        method: str,
        path: str,
        fields: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes] | None = None,
    ) -> int:
        """Ask, and return the status of a success; that of a 207 is the one inside it."""
        began = time.monotonic()
        self.interims = []
        self._wire.send(method, path, fields, body)
        try:
            return self._answer(began)
        except TimeoutError:
            raise TimedOut("nothing came") from None
        except (h11.RemoteProtocolError, ConnectionError) as error:
            raise Failed(f"the answer was cut: {error}") from error

    def _answer(self, began: float) -> int:
        while isinstance(event := self._wire.event(), h11.InformationalResponse):
            if time.monotonic() - began > self._read_timeout:
                raise TimedOut(f"a {event.status_code} came after the read timeout")
            self.interims.append(event.status_code)
        if not isinstance(event, h11.Response):
            raise Failed(f"no response but {event!r}")
        status, content = event.status_code, self._content()
        if status == 207:
            status = _worst(content)
        if status >= 300:
            raise Failed(str(status))
        return status

    def _content(self) -> bytes:
        content = b""
        while isinstance(event := self._wire.event(), h11.Data):
            content += bytes(event.data)
        if not isinstance(event, h11.EndOfMessage):
            raise Failed(f"the content was cut: {event!r}")
        self._wire.ready()
        return content


def _worst(content: bytes) -> int:
    """The highest status in a 207."""
    try:
        root = etree.fromstring(content.lstrip())
    except etree.XMLSyntaxError as error:
        raise Failed(f"the content is no XML: {error}") from error
    lines = [element.text or "" for element in root.iter("{DAV:}status")]
    return max(int(line.split()[1]) for line in lines)
