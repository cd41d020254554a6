"""What is sent of a monitored resource: its content, its entity tag, and who may keep it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any

from davkeep.words.conditions import check_preconditions, conditions_in
from davkeep.words.failure import Failure
from davkeep.words.status import reason

Environ = dict[str, Any]
StartResponse = Callable[..., Any]

#: An application of the server's own.
Resource = Callable[[Environ, StartResponse], Iterable[bytes]]

#: Name and value of one header field.
Field = tuple[str, str]

JSON = "application/json"
HTML = "text/html"

#: What is seen depends on who asks, and for what. That nothing keeps it says the front.
CACHING: tuple[Field, ...] = (("Vary", "Accept, Authorization"),)

#: Bytes of the digest that is an entity tag.
_TAG_BYTES = 16


@dataclass(frozen=True)
class Document:
    """A status and a representation, and header fields that belong to it."""

    status: int
    #: The Content-Type field.
    media_type: str
    content: bytes
    fields: tuple[Field, ...] = ()

    @cached_property
    def etag(self) -> str:
        """Strong, without its quotes: another one for every other status, type or content."""
        digest = blake2b(f"{self.status} {self.media_type}\n".encode(), digest_size=_TAG_BYTES)
        digest.update(self.content)
        return digest.hexdigest()

    def send(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer GET or HEAD: 304 where its conditions say that the client has it.

        Raises Failure as `check`, but for 304.
        """
        fields = [("ETag", f'"{self.etag}"'), *CACHING]
        try:
            check(environ, self.etag)
        except Failure as failure:
            if failure.status != 304:
                raise
            start_response(f"304 {reason(304)}", fields)
            return ()
        return self._send(environ, start_response, [*fields, *self.fields])

    def send_unconditionally(
        self, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer a request that changed something."""
        return self._send(environ, start_response, list(self.fields))

    def _send(
        self, environ: Environ, start_response: StartResponse, fields: list[Field]
    ) -> Iterable[bytes]:
        own = [
            ("Content-Type", self.media_type),
            ("Content-Length", str(len(self.content))),
            ("X-Content-Type-Options", "nosniff"),
        ]
        start_response(f"{self.status} {reason(self.status)}", [*own, *fields])
        return () if environ["REQUEST_METHOD"] == "HEAD" else (self.content,)


def check(environ: Environ, etag: str) -> None:
    """Evaluate a request's conditions on the representation that has `etag`, without quotes.

    It has no date of modification, so that conditions on one are ignored (RFC 9110 13.1.3, 13.1.4).
    Raises Failure 412, 304 for GET and HEAD, and 400 for a malformed list of entity tags.
    """
    method, fields = environ["REQUEST_METHOD"], conditions_in(environ)
    check_preconditions(fields, method=method, etag=etag, modified=None, exists=True)


def refuse_malformed(environ: Environ) -> None:
    """Raise Failure 400 for conditions that could not be evaluated, and no other."""
    try:
        check(environ, "")
    except Failure as failure:
        if failure.status == 400:
            raise
