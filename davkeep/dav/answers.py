"""What a handler gives back: an answer that is ready, or something to wait for."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from lxml import etree

from davkeep.dav.xml import dav, document
from davkeep.words.failure import Failure
from davkeep.words.status import reason, status_of_errno

if TYPE_CHECKING:
    from davkeep.dav.request import Recipient, StartResponse
    from davkeep.keepalive.exchange import Waiting

#: Name and value of one header field.
Field = tuple[str, str]

XML = "application/xml; charset=utf-8"
TEXT = "text/plain; charset=utf-8"

#: Seconds after which a client may ask again for what is not there at present.
RETRY_AFTER = 30

#: Statuses that never carry content (RFC 9110 15.3.5, 15.4.5).
WITHOUT_CONTENT = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class Answer:
    """A final response: status, header fields and content.

    Content given as bytes gets its Content-Length here; an iterable is sent as it comes, and
    whoever gives one adds the Content-Length if it is known.
    """

    status: int
    fields: tuple[Field, ...] = ()
    content: bytes | Iterable[bytes] = b""

    def send(self, recipient: "Recipient") -> Iterable[bytes]:
        """Begin the response for ``recipient`` and return its content."""
        return self.send_as(recipient.method, recipient.start_response)

    def send_as(self, method: str, start_response: "StartResponse") -> Iterable[bytes]:
        """Begin the response to a request of ``method`` and return its content."""
        fields = list(self.fields)
        content = self.content
        if isinstance(content, bytes):
            if self.status not in WITHOUT_CONTENT:
                fields.append(("Content-Length", str(len(content))))
            content = (content,) if content else ()
        start_response(f"{self.status} {reason(self.status)}", fields)
        return without_content(content) if method == "HEAD" else content


@dataclass(frozen=True, slots=True)
class Pending:
    """A response that is not ready: what is waited for, and the step that follows it."""

    waiting: "Callable[[Callable[[], Iterable[bytes]]], Waiting]"
    then: "Callable[[], Reply]"


class Sendable(Protocol):
    """A response that can be begun; an Answer is one that is complete."""

    def send(self, recipient: "Recipient") -> Iterable[bytes]:
        """Begin the response for ``recipient`` and return its content, or what there is of it."""


Reply = Sendable | Pending


def without_content(content: Iterable[bytes]) -> tuple[bytes, ...]:
    """Drop the content of an answer to HEAD, closing what would have produced it."""
    close = getattr(content, "close", None)
    if close:
        close()
    return ()


def failure_answer(failure: Failure) -> Answer:
    """Turn a failure into its answer: a DAV:error where there is a condition (RFC 4918 16)."""
    fields = tuple(failure.fields)
    if failure.status in WITHOUT_CONTENT:
        return Answer(failure.status, fields)
    if failure.condition:
        content = _condition_document(failure)
        return Answer(failure.status, (*fields, ("Content-Type", XML)), content)
    text = f"{failure.status} {reason(failure.status)}"
    if failure.explanation:
        text = f"{text}\n{failure.explanation}"
    content = f"{text}\n".encode("utf-8", "replace")
    return Answer(failure.status, (*fields, ("Content-Type", TEXT)), content)


def _condition_document(failure: Failure) -> bytes:
    error = etree.Element(dav("error"), nsmap={"D": "DAV:"})
    condition = etree.SubElement(error, dav(str(failure.condition)))
    for href in failure.hrefs:
        etree.SubElement(condition, dav("href")).text = href
    if failure.explanation:
        etree.SubElement(error, dav("responsedescription")).text = failure.explanation
    return document(error)


def failure_of(error: OSError) -> Failure:
    """The failure that an error of the file system is; its text names no path."""
    status = status_of_errno(error.errno)
    return Failure(status, error.strerror or "", fields=retry_fields(status))


def retry_fields(status: int) -> tuple[Field, ...]:
    """When to try again what failed because something is not there, or short, at present."""
    return (("Retry-After", str(RETRY_AFTER)),) if status == 503 else ()
