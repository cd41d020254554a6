"""What is sent of a monitored resource: its content, its entity tag, and who may keep it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any

from davkeep.words.conditions import check_preconditions
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

#: What is seen depends on who asks, and is old within a second: only the asker's own cache may
#: keep it, to ask again with its entity tag.
CACHING: tuple[Field, ...] = (
    ("Cache-Control", "private, no-cache"),
    ("Vary", "Accept, Authorization"),
)

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
        """Answer GET or HEAD: 304 where `If-None-Match` names the entity tag.

        Raises Failure 400 for a malformed list of entity tags.
        """
        fields = [("ETag", f'"{self.etag}"'), *CACHING]
        if is_known(environ, self.etag):
            start_response(f"304 {reason(304)}", fields)
            return ()
        return self._send(environ, start_response, [*fields, *self.fields])

    def send_unconditionally(
        self, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer a request that changed something."""
        return self._send(environ, start_response, [("Cache-Control", "no-store"), *self.fields])

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


def is_known(environ: Environ, etag: str) -> bool:
    """Whether `If-None-Match` names `etag` (RFC 9110 13.1.2). Raises Failure 400 if malformed."""
    given = environ.get("HTTP_IF_NONE_MATCH")
    if given is None:
        return False
    try:
        fields = {"If-None-Match": given}
        check_preconditions(fields, method="GET", etag=etag, modified=None, exists=True)
    except Failure as failure:
        if failure.status != 304:
            raise
        return True
    return False
