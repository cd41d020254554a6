"""A WebDAV client's view: a place of a test's own on a server, and answers taken apart."""

import http.client
import io
import os
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lxml import etree

from davkeep.trees.marker import MARKER
from harness.server import DEADLINE, RunningServer
from harness.wire import Response, Wire

#: Name space of WebDAV, for Clark names.
DAV = "{DAV:}"

LOCK = (
    '<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:{scope}/></D:lockscope>'
    "<D:locktype><D:write/></D:locktype><D:owner>somebody</D:owner></D:lockinfo>"
)


def snapshot(folder: Path) -> dict[bytes, tuple[Any, ...]]:
    """What is below a folder: mode and times of each member, and the content of files.

    The markers that shares have are left out.
    """
    seen: dict[bytes, tuple[Any, ...]] = {}
    pending = [os.fsencode(folder)]
    while pending:
        above = pending.pop()
        status = os.lstat(above)
        seen[above] = (oct(status.st_mode), status.st_mtime_ns)
        with os.scandir(above) as entries:
            for entry in entries:
                if os.fsdecode(entry.name) == MARKER:
                    continue
                status = entry.stat(follow_symlinks=False)
                what: tuple[Any, ...] = (oct(status.st_mode), status.st_mtime_ns)
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                elif entry.is_symlink():
                    what += (os.readlink(entry.path),)
                elif entry.is_file():
                    what += (Path(os.fsdecode(entry.path)).read_bytes(),)
                seen[entry.path] = what
    return seen


def make(folder: Path, tree: Mapping[str, Any]) -> None:
    """Make files (bytes), collections (mappings) and symbolic links (str)."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, what in tree.items():
        path = folder / name
        if isinstance(what, Mapping):
            make(path, what)
        elif isinstance(what, str):
            path.symlink_to(what)
        else:
            path.write_bytes(what)


class Found:
    """One ``DAV:response`` of a 207."""

    def __init__(self, element: etree._Element) -> None:
        self.href = element.findtext(f"{DAV}href") or ""
        text = element.findtext(f"{DAV}status")
        #: Its status; None where each property has its own.
        self.status = int(text.split()[1]) if text else None
        #: By Clark name: the status and the element.
        self.properties: dict[str, tuple[int, etree._Element]] = {}
        for propstat in element.iterfind(f"{DAV}propstat"):
            status = int((propstat.findtext(f"{DAV}status") or "").split()[1])
            for each in propstat.iterfind(f"{DAV}prop/*"):
                assert each.tag not in self.properties, f"{each.tag} is there twice"
                self.properties[str(each.tag)] = (status, each)

    @property
    def statuses(self) -> dict[str, int]:
        """The status of each property."""
        return {name: status for name, (status, _) in self.properties.items()}

    def text(self, name: str) -> str | None:
        """The text of a property that was found."""
        status, element = self.properties[name]
        assert status == 200, f"{name}: {status}"
        return element.text


def multistatus(response: Response) -> dict[str, Found]:
    """The responses of a 207 by their hrefs."""
    assert response.status == 207, (response.status, response.body)
    root = etree.fromstring(response.body)
    assert root.tag == f"{DAV}multistatus"
    found = [Found(each) for each in root.iterfind(f"{DAV}response")]
    assert len({each.href for each in found}) == len(found)
    return {each.href: each for each in found}


def failed(response: Response) -> dict[str, int | None]:
    """What a 207 says of each failed member."""
    return {href: each.status for href, each in multistatus(response).items()}


def condition(response: Response) -> tuple[str, list[str]]:
    """The condition of a ``DAV:error``, without its name space, and the hrefs in it."""
    root = etree.fromstring(response.body)
    assert root.tag == f"{DAV}error"
    first = root[0]
    hrefs = [each.text or "" for each in first.iterfind(f"{DAV}href")]
    return str(first.tag).removeprefix(DAV), hrefs


class Place:
    """A collection of a test's own, and a connection to the server that serves it.

    Names are percent-encoded and relative to the collection; "" is the collection itself.
    """

    def __init__(self, server: RunningServer, wire: Wire, folder: Path, url: str) -> None:
        self.server = server
        self.wire = wire
        self.folder = folder
        #: Percent-encoded path of the collection, with a slash at its end.
        self.url = url
        #: Whether a test has something staged in it, which changes its time of modification.
        self.has_staged = False

    def path(self, name: str = "") -> str:
        """The URL path of a member; one that begins with "/" is taken as it is."""
        return name if name.startswith("/") else self.url + name

    def ask(
        self,
        method: str,
        name: str = "",
        fields: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes] | None = None,
    ) -> Response:
        """Ask and read the final response."""
        return self.wire.ask(method, self.path(name), fields, body)

    def transfer(self, method: str, name: str, to: str, **fields: str) -> Response:
        """COPY or MOVE; ``to`` as ``name``. ``If_Match`` is the field If-Match."""
        named = {key.replace("_", "-"): value for key, value in fields.items()}
        target = f"http://{self.wire.host}{self.path(to)}"
        return self.ask(method, name, {"Destination": target, **named})

    def lock(
        self, name: str, *, scope: str = "exclusive", status: int | None = None, **fields: str
    ) -> str:
        """LOCK and return the token."""
        answer = self.lock_answer(name, scope=scope, **fields)
        assert answer.status in ((200, 201) if status is None else (status,)), answer
        return answer.fields["Lock-Token"].strip("<>")

    def lock_answer(self, name: str, *, scope: str = "exclusive", **fields: str) -> Response:
        """LOCK, whatever becomes of it."""
        return self.ask("LOCK", name, fields, LOCK.format(scope=scope).encode())

    def server_wire(self) -> Wire:
        """Another connection to the server."""
        return Wire(self.server.host, self.server.port)

    def propfind(self, name: str = "", body: str = "", depth: str = "0") -> dict[str, Found]:
        """PROPFIND; ``body`` is what stands in ``propfind``, empty for no body at all."""
        content = None
        if body:
            content = f'<D:propfind xmlns:D="DAV:" xmlns:x="urn:x">{body}</D:propfind>'.encode()
        return multistatus(self.ask("PROPFIND", name, {"Depth": depth}, content))

    def one(self, name: str = "", body: str = "") -> Found:
        """PROPFIND with depth 0."""
        (found,) = self.propfind(name, body).values()
        return found

    def set(self, name: str, **properties: str) -> None:
        """Set dead properties in the name space ``urn:x``; the values are text."""
        answer = self.ask("PROPPATCH", name, {}, setting(**properties))
        assert set(next(iter(multistatus(answer).values())).statuses.values()) == {200}

    def dead(self, name: str) -> dict[str, str | None]:
        """The dead properties in ``urn:x`` that a member has."""
        own = self.one(name).properties
        return {
            key.removeprefix("{urn:x}"): element.text
            for key, (status, element) in own.items()
            if key.startswith("{urn:x}") and status == 200
        }

    def etag(self, name: str) -> str:
        """The entity tag of a file, with its quotes."""
        return self.ask("HEAD", name).fields["Etag"]


def setting(**properties: str) -> bytes:
    """A PROPPATCH body that sets properties in ``urn:x``."""
    inside = "".join(f"<x:{name}>{value}</x:{name}>" for name, value in properties.items())
    return patch(f"<D:set><D:prop>{inside}</D:prop></D:set>")


def patch(inside: str) -> bytes:
    """A PROPPATCH body."""
    head = '<D:propertyupdate xmlns:D="DAV:" xmlns:x="urn:x">'
    return f"{head}{inside}</D:propertyupdate>".encode()


def exchange(server: RunningServer, raw: bytes) -> list[Response]:
    """Send bytes as they are, close our side, and return every response until the server closes.

    The first one may be the answer to HEAD; those that follow must not.
    """
    with socket.create_connection((server.host, server.port), DEADLINE) as sock:
        sock.sendall(raw)
        sock.shutdown(socket.SHUT_WR)
        received = b""
        try:
            while block := sock.recv(65536):
                received += block
        except ConnectionResetError:
            pass
    stream = io.BytesIO(received)
    answers = []
    method = raw.partition(b" ")[0].decode("latin-1")
    while stream.tell() < len(received):
        answers.append(_parsed(stream, method if not answers else "GET"))
    return answers


class _Replay:
    """What http.client takes for a socket."""

    def __init__(self, stream: io.BytesIO) -> None:
        self._stream = stream

    def makefile(self, _: str) -> Any:
        return _Unclosed(self._stream)


class _Unclosed:
    """A stream that http.client cannot close."""

    def __init__(self, stream: io.BytesIO) -> None:
        self.read, self.readline, self.readinto = stream.read, stream.readline, stream.readinto
        self.closed = False

    def flush(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Stay open for the next response."""


def _parsed(stream: io.BytesIO, method: str) -> Response:
    replay = _Replay(stream)
    response = http.client.HTTPResponse(replay, method=method)  # type: ignore[arg-type]
    response.begin()
    fields = {name.title(): value for name, value in response.getheaders()}
    assert {"Content-Length", "Transfer-Encoding"} & fields.keys(), "no end of the response is told"
    return Response((), response.status, fields, response.read())
