"""Where the pages for people come in: what a request for `text/html` is answered with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from davkeep.monitor.documents import HTML, JSON, Document, Environ, Field
from davkeep.operations import Operation
from davkeep.words.accept import preferred
from davkeep.words.callers import Caller


@dataclass(frozen=True)
class Page:
    """A whole document of HTML in UTF-8, and the header fields that it needs."""

    content: bytes
    fields: tuple[Field, ...] = ()

    def document(self, status: int, *fields: Field) -> Document:
        """As it is sent, with further header fields."""
        return Document(status, f"{HTML}; charset=utf-8", self.content, (*fields, *self.fields))


class Pages(Protocol):
    """Makes them. What the caller may not see is never given here."""

    def of_operation(self, caller: Caller, operation: Operation) -> Page:
        """The page of one operation, whatever its state."""

    def of_operations(self, caller: Caller, operations: Sequence[Operation]) -> Page:
        """The page of all that the caller may see, in the order of lists."""


def wanted(pages: Pages | None, environ: Environ) -> Pages | None:
    """The pages, if there are any and the client wants HTML rather than JSON."""
    if pages is None or preferred(environ.get("HTTP_ACCEPT"), (JSON, HTML)) == JSON:
        return None
    return pages
