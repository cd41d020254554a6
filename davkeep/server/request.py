"""One request and the bytes of its response; the gateway between them and the application is in
gateway.py.
"""

import re
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from cheroot.server import HTTPRequest

from davkeep.keepalive.exchange import FileSlice, NoAnswer
from davkeep.server.body import Body, ChunkedBody, SizedBody, as_input
from davkeep.server.framing import Framing, frame
from davkeep.server.head import Head, Refusal, read_head
from davkeep.words.fields import format_http_date
from davkeep.words.interim import CONTINUE

if TYPE_CHECKING:
    from davkeep.server.connection import Connection
    from davkeep.server.server import Server

#: Bytes of an unread body that are read and dropped so that the connection can be kept; more
#: closes it.
DRAIN_LIMIT = 64 * 1024

#: Seconds that this may take.
DRAIN_SECONDS = 10.0

#: Stays encoded in the decoded path, as in cheroot: a segment cannot hold a slash.
_ENCODED_SLASH = re.compile(rb"%2[Ff]")


class CutResponse(Exception):
    """The response cannot be completed after its head was sent: only a reset tells the
    client so.
    """


class Request(HTTPRequest):
    """cheroot's request: the attributes that its gateway reads, with parsing and framing of our
    own.
    """

    body: Body
    #: cheroot's stub says str, its code keeps bytes.
    status: bytes  # type: ignore[assignment]

    #: Beyond 30 attributes, cheroot's included, Python gives each object a dictionary of its own.
    __slots__ = (
        "_awaits_continue",
        "_framing",
        "_head",
        "body",
        "environ",
        "known_length",
        "target",
        "version",
    )

    def __init__(self, server: "Server", conn: "Connection") -> None:
        super().__init__(server, conn)
        self.server: Server
        self.conn: Connection
        self.version = (1, 0)
        #: The request target as it was sent.
        self.target = b""
        #: Size of the response's body in bytes where it is known though the application does not
        #: declare it.
        self.known_length: int | None = None
        #: What the application got; `davkeep.continues` counts in it.
        self.environ: dict[str, Any] = {}
        self._awaits_continue = False
        self._framing: Framing | None = None
        #: The head, until the first bytes of the body go with it.
        self._head = b""

    # The request

    def parse_request(self) -> None:
        """Read the head; `ready` tells whether a request is there. What cannot be accepted is
        answered here.
        """
        try:
            head = read_head(self.conn.rfile, self.server.max_request_header_size)
            if head is not None:
                self._accept(head)
        except Refusal as refusal:
            self.refuse(refusal.status, refusal.text)

    def _accept(self, head: Head) -> None:
        self.method, self.target, self.version = head.method, head.target, head.version
        self.uri = self._origin_form(head)
        self.inheaders, self.authority, self.qs = head.fields, head.authority, head.query
        # Decoded; `OPTIONS *` is about the server, so about its root.
        path = b"/" if head.path == b"*" else head.path
        if b"%" in path:
            path = b"%2F".join(unquote_to_bytes(part) for part in _ENCODED_SLASH.split(path))
        self.path = path
        self.request_protocol = (
            b"HTTP/1.1" if head.version == (1, 1) else b"HTTP/%d.%d" % head.version
        )
        self.response_protocol = "HTTP/1.1" if head.version >= (1, 1) else "HTTP/1.0"
        self.close_connection = not head.keeps_alive
        self.chunked_read = head.length is None
        self._awaits_continue = head.expects_continue
        self.body = self._open_body(head.length)
        self.rfile = as_input(self.body)
        self.ready = True

    @staticmethod
    def _origin_form(head: Head) -> bytes:
        return head.path + (b"?" + head.query if b"?" in head.target else b"")

    def _open_body(self, length: int | None) -> Body:
        limit = self.server.max_request_body_size
        if length is None:
            return ChunkedBody(self.conn.rfile, self._continue, limit)
        if limit and length > limit:
            raise Refusal(413, "The body is larger than allowed.")
        return SizedBody(self.conn.rfile, self._continue, length)

    def _continue(self) -> None:
        """RFC 9110 10.1.1, as late as possible: a request that fails its checks never uploads."""
        if self._awaits_continue and not self.sent_headers:
            self._awaits_continue = False
            self.conn.wfile.write(CONTINUE)
            self.environ["davkeep.continues"] = 1

    def let_go(self) -> None:
        """Forget what was asked, and the buffer that the body was read through."""
        self.inheaders = self.environ = {}
        self.target = self.uri = self.path = self.qs = self.authority = b""
        self.rfile = None

    @property
    def is_complete(self) -> bool:
        """Whether the last byte of the body was read."""
        return self.body.completed is not None

    @property
    def completed(self) -> float:
        """Reading of `time.monotonic()` when the request was complete, or now."""
        return time.monotonic() if self.body.completed is None else self.body.completed

    def settle_body(self) -> None:
        """Before anything is answered: drop what is left of a small body, or see that the
        connection is closed.
        """
        if self.is_complete:
            return
        # A client that still waits for 100 Continue may never send its body, so it is not waited
        # for.
        if self._awaits_continue or not self._drain():
            self.close_connection = True
            self.conn.linger = True

    def _drain(self) -> bool:
        with self.conn.reading_within(DRAIN_SECONDS):
            return self.body.drain(DRAIN_LIMIT)

    # The response

    def refuse(self, status: int, text: str) -> None:
        """Answer for the application, and close the connection once the client has read it."""
        self.close_connection = True
        self.conn.linger = True
        self.status = self._status_line(status)
        self.outheaders = [
            (b"Content-Type", b"text/plain; charset=utf-8"),
            # Some are of those that a cache keeps by its own rules (RFC 9110 15.1).
            (b"Cache-Control", b"no-store"),
        ]
        content = f"{text}\n".encode()
        self.known_length = len(content)
        self.write(content)

    def simple_response(self, status: str, msg: str = "") -> None:
        """cheroot's name for `refuse`."""
        self.refuse(int(str(status)[:3]), msg)

    @staticmethod
    def _status_line(status: int) -> bytes:
        return f"{status} {HTTPStatus(status).phrase}".encode("ascii")

    def send_headers(self) -> None:
        """Decide how the response is framed. The head leaves with the first bytes of the body, or
        at the end.
        """
        framing = frame(
            self.outheaders,
            status=int(self.status[:3]),
            method=getattr(self, "method", b""),
            version=self.version,
            length=self.known_length,
        )
        if framing.closes or not self.server.ready:
            self.close_connection = True
        self.chunked_write = framing.chunked
        self._framing = framing
        self._head = self._encode_head(framing)

    def _encode_head(self, framing: Framing) -> bytes:
        lines = [b"HTTP/1.1 " + self.status]
        lines.extend([b"%b: %b" % field for field in framing.fields])
        if self.close_connection:
            lines.append(b"Connection: close")
        elif self.version < (1, 1):
            lines.append(b"Connection: keep-alive")
        if b"date" not in framing.names:
            lines.append(b"Date: " + format_http_date(time.time()).encode("ascii"))
        if b"server" not in framing.names:
            lines.append(b"Server: " + self.server.server_name.encode("latin-1"))
        lines.append(b"\r\n")
        return b"\r\n".join(lines)

    def write(self, chunk: bytes) -> None:
        """Send a piece of the body, framed."""
        self.ensure_headers_sent()
        self._send(self.framed(chunk))

    def framed(self, chunk: bytes) -> bytes:
        """A piece of the body as it goes on the wire, once the head was framed."""
        if self._framing is None or not self._framing.has_body:
            return b""
        return b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunk and self.chunked_write else chunk

    def write_file(self, part: FileSlice) -> None:
        """Send a part of a file as a piece of a body whose length is known.

        NoAnswer if the file ends before; ValueError where the body has to be sent in chunks.
        """
        self.ensure_headers_sent()
        if self.chunked_write:
            raise ValueError("a part of a file needs a Content-Length")
        if self._framing is None or not self._framing.has_body:
            return
        self._send(b"", more=True)
        if self.conn.wfile.write_file(part.fd, part.position, part.length) < part.length:
            raise NoAnswer("the file got shorter while it was sent")

    def finish(self) -> None:
        """The body is complete."""
        self.ensure_headers_sent()
        has_end = self.chunked_write and self._framing is not None and self._framing.has_body
        self._send(b"0\r\n\r\n" if has_end else b"")

    def flush_head(self) -> None:
        """Send the head although nothing of the body is there yet."""
        self.ensure_headers_sent()
        self._send(b"")

    def _send(self, block: bytes, *, more: bool = False) -> None:
        head, self._head = self._head, b""
        if head or block:
            self.conn.wfile.write(head + block if head else block, more=more)
