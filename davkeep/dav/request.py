"""One request, as the handlers see it."""

from collections.abc import Callable, Iterator
from functools import cached_property, lru_cache
from typing import Any, cast

from davkeep.dav.authorisation import may_use
from davkeep.dav.blocks import arriving
from davkeep.dav.shares import Provider, Shares, refuse_reserved
from davkeep.dav.xml import MAX_BODY
from davkeep.keepalive import Exchange, IncompleteBody
from davkeep.words.conditions import If, parse_if, submitted_tokens
from davkeep.words.failure import Failure
from davkeep.words.urls import Segments, parse_destination, quote_path

StartResponse = Callable[[str, list[tuple[str, str]]], Any]

#: Methods that only read, for which a hidden name is simply not there.
READING = frozenset({"GET", "HEAD", "OPTIONS", "PROPFIND"})

#: Most of a request body read at once, in bytes.
BLOCK = 64 * 1024


@lru_cache(maxsize=256)
def _key(name: str) -> str:
    """The name of a header field in an environ."""
    return f"HTTP_{name.upper().replace('-', '_')}"


class Recipient:
    """Who gets the response to a request: all of it that is kept while it waits."""

    __slots__ = ("exchange", "method", "start_response")

    def __init__(self, method: str, start_response: StartResponse, exchange: Exchange) -> None:
        """The request's method, and where its response goes."""
        self.method = method
        self.start_response = start_response
        self.exchange = exchange


class Request(Recipient):
    """A request whose user is known and whose share was found.

    ``provider`` is None and ``segments`` the whole path where no share is: only the collection
    above the shares can be seen there.
    """

    def __init__(
        self,
        environ: dict[str, Any],
        start_response: StartResponse,
        provider: Provider | None,
        segments: Segments,
    ) -> None:
        """``segments``: the path inside the share."""
        exchange = cast(Exchange, environ["davkeep.exchange"])
        super().__init__(environ["REQUEST_METHOD"], start_response, exchange)
        self.environ = environ
        self.provider = provider
        self.segments = segments
        self.user: str = environ.get("wsgidav.auth.user_name") or ""
        self.address: str = environ.get("REMOTE_ADDR", "")
        #: Reading of the monotonic clock at which a conflict is told; set by the first conflict.
        self.conflict_deadline: float | None = None
        self._usable: dict[Provider, bool] = {}
        refuse_reserved(segments, reading=self.method in READING)

    @property
    def recipient(self) -> Recipient:
        """Who gets the response, apart from what was asked."""
        return Recipient(self.method, self.start_response, self.exchange)

    @property
    def share(self) -> Provider:
        """The share; 404 where there is none."""
        if self.provider is None:
            raise Failure(404)
        return self.provider

    @property
    def account_address(self) -> str:
        """The client's address for the anonymous user, who has no name to be told by."""
        return "" if self.user else self.address

    @property
    def account(self) -> tuple[str, str]:
        """Whose the request is, as an operation's ``account`` says it."""
        return (self.user, self.account_address)

    @property
    def whole_path(self) -> Segments:
        """The path from the server's root."""
        return (self.provider.segments if self.provider else ()) + self.segments

    @cached_property
    def url(self) -> str:
        """The percent-encoded path of the target, without a slash at the end."""
        return quote_path(self.whole_path)

    def field(self, name: str) -> str | None:
        """A header field, by its name, or None."""
        value: str | None = self.environ.get(_key(name))
        return value

    def writable_share(self) -> Provider:
        """The share, unless it is served read-only (403)."""
        if self.share.is_readonly():
            raise Failure(403, "The share is read-only.")
        return self.share

    @cached_property
    def if_(self) -> If | None:
        """The If field, parsed; 400 for a malformed one."""
        value = self.field("If")
        return None if value is None else parse_if(value)

    @cached_property
    def tokens(self) -> frozenset[str]:
        """The lock tokens that were submitted."""
        return frozenset() if self.if_ is None else submitted_tokens(self.if_)

    def located(self, reference: str | None) -> Segments:
        """The path that an absolute URI of this server, or an absolute path, names (400, 502).

        Behind a trusted proxy the server has two names: the one that the client used, and the one
        that the proxy uses, which may have rewritten the Destination as well.
        """
        scheme = self.environ["wsgi.url_scheme"]
        names = [self.field("Host"), self.environ["davkeep.host"]]
        hosts = [name for name in names if name] or [self._listening_at()]
        return parse_destination(reference, hosts=hosts, scheme=scheme).segments

    def _listening_at(self) -> str:
        """Address and port of this server, for HTTP/1.0, which knows no Host field."""
        name, port = self.environ["SERVER_NAME"], self.environ["SERVER_PORT"]
        return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"

    def destination(self, shares: Shares) -> tuple[Provider, Segments]:
        """The share and the path of the Destination field.

        400 for a malformed one, 403 for a reserved name, a read-only share and one that is not the
        user's, 409 where no share is, 502 for another server (RFC 4918 9.8.5).
        """
        segments = self.located(self.field("Destination"))
        found = shares.find(segments)
        if found is None:
            raise Failure(409, "The destination is in no share.")
        refuse_reserved(segments, reading=False)
        if not self.may_use(found[0]):
            raise Failure(403, "The share of the destination is not open to this user.")
        if found[0].is_readonly():
            raise Failure(403, "The share of the destination is read-only.")
        return found

    def may_use(self, provider: Provider) -> bool:
        """Whether the user may use the share of ``provider`` too; asked once for each share."""
        if provider not in self._usable:
            self._usable[provider] = may_use(self.environ, provider)
        return self._usable[provider]

    @property
    def body_length(self) -> int | None:
        """Content-Length in bytes; None for a body in chunks, 0 for no body."""
        if "HTTP_TRANSFER_ENCODING" in self.environ:
            return None
        return int(self.environ.get("CONTENT_LENGTH") or 0)

    @cached_property
    def body(self) -> bytes:
        """The whole body of a small request: 413 above ``MAX_BODY``, 400 if it ends early."""
        blocks: list[bytes] = []
        size = 0
        for block in self.blocks(BLOCK):
            blocks.append(bytes(block))
            size += len(block)
            if size > MAX_BODY:
                raise Failure(413, f"An XML body has at most {MAX_BODY} bytes.")
        return b"".join(blocks)

    def blocks(self, size: int) -> Iterator[memoryview]:
        """The body as it arrives, at first in blocks of at most ``size`` bytes (see `arriving`).

        Raises Failure 400, 408 or 413 when it does not arrive as a whole.
        """
        stream = self.environ["wsgi.input"]
        if self.body_length == 0:
            return
        try:
            yield from arriving(stream, size, self.body_length)
        except IncompleteBody as error:
            raise Failure(error.status, "The request body is not complete.") from error

    def refuse_body(self) -> None:
        """Raise 415 for a body where none is understood (RFC 4918 8.4)."""
        if self.body_length != 0 and self.body:
            raise Failure(415, "No request body is understood here.")
