"""Between a request and the WSGI application; also where an application asks for its connection
to be parked.
"""

import logging
import re
import time
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from cheroot.wsgi import Gateway_10

from davkeep.keepalive.exchange import FileContent, FileSlice, IncompleteBody, NoAnswer, Waiting
from davkeep.keepalive.parked import Interims
from davkeep.keepalive.pieces import Feed, Pieces
from davkeep.server.environ import environ_of
from davkeep.server.request import CutResponse, Request
from davkeep.server.stream import Disconnected

if TYPE_CHECKING:
    from _typeshed import OptExcInfo

_log = logging.getLogger("davkeep.server")

#: RFC 9110 5.6.2, as text.
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: What a response's field value must not hold, lest it begin another field.
_NOT_IN_VALUE = re.compile(r"[\r\n\0]")
_STATUS = re.compile(r"[2-5]\d\d(?: [\t\x20-\x7e\x80-\xff]*)?")


@lru_cache(maxsize=256)
def _encoded(name: str) -> bytes:
    """A field's name as it goes on the wire. ValueError if it is none."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a header field")
    return name.encode("ascii")


class Gateway(Gateway_10):
    """Calls the application, writes what it yields, and is the `Exchange` of its request.

    A response that was begun is either complete or cut by a reset; one that fails before becomes
    a plain 500.
    """

    def __init__(self, req: Request) -> None:
        self.req: Request
        super().__init__(req)
        #: What the application waits for; None: it does not.
        self.waiting: Waiting | None = None
        #: The interim responses of this request; None until it waits for the first time.
        self.interims: Interims | None = None
        #: What the lot writes into the response while it waits; None: nothing.
        self.pieces: Pieces | None = None
        #: Called when the client has the whole response; None: nobody wants to know.
        self.delivered: Callable[[], None] | None = None
        #: What this request is, once its environ is let go; empty before.
        self._label = ""
        #: Whether the connection is reset if this process ends now.
        self._is_guarded = False

    def get_environ(self) -> dict[str, Any]:  # type: ignore[override]  # the stub's base says None
        """See `davkeep.server.environ.environ_of`."""
        env = self.req.environ = environ_of(self.req)
        env["davkeep.exchange"] = self
        return env

    @property
    def label(self) -> str:
        """What this request is, for the log."""
        return self._label or f"{self.env['REQUEST_METHOD']} {self.env['REQUEST_URI']}"

    # Called by the application

    def hold(self, waiting: Waiting) -> None:
        """See `davkeep.keepalive.exchange.Exchange.hold`."""
        if self.waiting is not None:
            raise RuntimeError("hold() was called twice")
        if waiting.feed is not None:
            self.pieces = self._open_feed(waiting.feed)
        self.req.settle_body()
        # 102 only between a complete request and its final response (the design, Rules that hold
        # always).
        if self.req.sent_headers or self.started_response or not self.req.is_complete:
            waiting.beat = None
        if self.interims is None:
            continues = self.env["davkeep.continues"]
            self.interims = Interims(self.req.completed, continues=continues)
            self._let_go()
        self.waiting = waiting

    def _let_go(self) -> None:
        """Thousands may wait: what was asked is the application's to keep, as far as it has to."""
        self._label = self.label
        self.env = {}
        self.req.let_go()

    def _open_feed(self, feed: Feed) -> Pieces:
        if not self.started_response or self.remaining_bytes_out is not None:
            raise RuntimeError("a feed needs a response that was begun, of no declared length")
        return Pieces(feed, self.req.framed, taken=time.monotonic())

    def when_delivered(self, callback: Callable[[], None]) -> None:
        """See `davkeep.keepalive.exchange.Exchange.when_delivered`."""
        self.delivered = callback

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: "OptExcInfo | None" = None
    ) -> Callable[[bytes], None]:
        """PEP 3333. ValueError for a status or field that would break the response's framing."""
        if self.started_response and exc_info is None:
            raise RuntimeError("start_response() was called a second time without exc_info")
        if self.req.sent_headers and exc_info is not None and exc_info[1] is not None:
            raise exc_info[1].with_traceback(exc_info[2])
        if not _STATUS.fullmatch(status):
            raise ValueError(f"{status!r} is not the status of a final response")
        fields, length = [], None
        for name, value in headers:
            encoded = _encoded(name)
            if _NOT_IN_VALUE.search(value):
                raise ValueError(f"{name!r} is not a header field")
            fields.append((encoded, value.encode("latin-1")))
            if length is None and encoded.lower() == b"content-length":
                length = int(value)
        self.started_response = True
        self.req.status = status.encode("latin-1")
        self.req.outheaders = fields
        self.remaining_bytes_out = length
        return self.write

    def write(self, chunk: bytes) -> None:
        """Write a piece of the body. ValueError if that is more than was declared."""
        self._write(chunk)

    def _write(self, chunk: bytes | FileSlice) -> None:
        if not self.started_response:
            raise RuntimeError("write() was called before start_response()")
        if not isinstance(chunk, (bytes, FileSlice)):
            raise TypeError("an application yields bytes")
        left = self.remaining_bytes_out
        if left is not None and self._owes_body():
            if len(chunk) > left:
                raise ValueError("the body is longer than its Content-Length")
            self.remaining_bytes_out = left - len(chunk)
        self._begin_response()
        if isinstance(chunk, FileSlice):
            self.req.write_file(chunk)
        else:
            self.req.write(chunk)

    # Called by the connection

    def respond(self) -> None:
        """Run the application for this request."""
        self._run(partial(self.req.server.wsgi_app, self.env, self.start_response))

    def write_rest(self, interim: bytes) -> None:
        """Finish an interim response that the lot has begun."""
        try:
            self.req.conn.wfile.write(interim)
        except Disconnected:
            self._tell_departure()
            raise

    def _tell_departure(self) -> None:
        """The client of a request that was to wait will not; the lot cannot see that."""
        if self.waiting is not None:
            self.waiting.disconnected()

    def resume(self) -> None:
        """The wait is over: run what the application left for this moment."""
        waiting, self.waiting, self.pieces = self.waiting, None, None
        if waiting is not None:
            self._run(waiting.resume)

    def _run(self, application: Callable[[], Iterable[bytes]]) -> None:
        """CutResponse if a response that was begun cannot be completed; Disconnected if the
        client has gone.
        """
        try:
            self._emit(application())
            if self.waiting is None:
                self._finish()
            elif self.started_response:
                self._begin_response()
                self.req.flush_head()
        except Disconnected:
            self._tell_departure()
            raise
        except NoAnswer as error:
            _log.info("%s: %s", self.req.conn.peer, error)
            raise CutResponse(str(error)) from error
        except IncompleteBody as error:
            _log.info("%s: %s", self.req.conn.peer, error)
            self._fail(error.status, "The request body is incomplete or too large.")
        except MemoryError:
            _log.error("%s failed for want of memory", self.label)
            self._fail(503, "The server is short of memory at the moment.")
        except Exception:
            # Whatever an application does wrong, its client gets an answer and the thread lives on.
            _log.exception("%s failed", self.label)
            self._fail(500, "The server failed to answer this request.")

    def _emit(self, iterable: Iterable[bytes]) -> None:
        try:
            if isinstance(iterable, (list, tuple)) and self.waiting is None:
                # PEP 3333, Handling the Content-Length Header.
                self.req.known_length = sum(map(len, iterable))
            chunks = iterable.pieces() if isinstance(iterable, FileContent) else iterable
            for chunk in chunks:
                if chunk:
                    self._write(chunk)
        finally:
            close = getattr(iterable, "close", None)
            if close is not None:
                close()

    def _begin_response(self) -> None:
        if self.waiting is not None and not self._is_guarded:
            # There is more to come than this thread has to say.
            self.req.conn.guard(begun=True)
            self._is_guarded = True
        if not self.req.sent_headers:
            self.req.settle_body()
            self.req.ensure_headers_sent()

    def _finish(self) -> None:
        if not self.started_response:
            raise RuntimeError("the application neither answered nor waits")
        if self.remaining_bytes_out and self._owes_body():
            if self.req.sent_headers:
                raise ValueError("the body is shorter than its Content-Length")
            self._correct_length()
        self._begin_response()
        self.req.finish()
        if self._is_guarded:
            self.req.conn.guard(begun=False)

    def _owes_body(self) -> bool:
        return self.req.method != b"HEAD" and self.req.status[:3] not in (b"204", b"304")

    def _correct_length(self) -> None:
        """A body was declared and none came: the client is not left waiting for it."""
        _log.warning("%s declares a body and has none", self.label)
        fields = self.req.outheaders
        self.req.outheaders = [field for field in fields if field[0].lower() != b"content-length"]
        self.req.known_length = 0

    def _fail(self, status: int, text: str) -> None:
        # Nobody will wait: the answer is this one.
        self._tell_departure()
        self.waiting = self.pieces = self.delivered = None
        if self.req.sent_headers:
            raise CutResponse(text)
        self.req.settle_body()
        self.req.refuse(status, text)
