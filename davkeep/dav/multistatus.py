"""207 Multi-Status (RFC 4918 13)."""

from collections.abc import Iterable, Iterator

from lxml import etree

from davkeep.dav.answers import XML, Answer, Field
from davkeep.dav.xml import dav, escaped
from davkeep.keepalive import NoAnswer
from davkeep.trees.listing import Replaced
from davkeep.words.status import reason

#: What stands before the first ``response`` of a streamed document.
PROLOGUE = b"<?xml version='1.0' encoding='utf-8'?>\n<D:multistatus xmlns:D=\"DAV:\">"
EPILOGUE = b"</D:multistatus>\n"

#: A document up to this size, in characters, is sent with its Content-Length rather than in chunks.
WHOLE = 64 * 1024


def status_line(status: int) -> str:
    """The text of a ``DAV:status`` element."""
    return f"HTTP/1.1 {status} {reason(status)}"


def failures_answer(failures: Iterable[tuple[str, int]]) -> Answer:
    """207 that names members and why each failed."""
    return streamed_answer(failure_responses(failures))


def failure_responses(failures: Iterable[tuple[str, int]]) -> Iterator[str]:
    """A ``response`` element for each member, the prefix D standing for DAV:."""
    for href, status in failures:
        why = f"<D:status>{escaped(status_line(status))}</D:status>"
        yield f"<D:response><D:href>{escaped(href)}</D:href>{why}</D:response>"


def response(
    href: str, status: int, *, condition: str | None = None, explanation: str = ""
) -> etree._Element:
    """The ``response`` element of one resource; the rest is as in Failure (RFC 4918 14.24)."""
    root = etree.Element(dav("response"), nsmap={"D": "DAV:"})
    etree.SubElement(root, dav("href")).text = href
    etree.SubElement(root, dav("status")).text = status_line(status)
    if condition is not None:
        etree.SubElement(etree.SubElement(root, dav("error")), dav(condition))
    if explanation:
        etree.SubElement(root, dav("responsedescription")).text = explanation
    return root


def streamed_answer(responses: Iterator[str], fields: tuple[Field, ...] = ()) -> Answer:
    """207 whose ``response`` elements, the prefix D standing for DAV:, are sent as they are found.

    A short one is collected and gets a Content-Length; a long one never lies in memory as a whole.
    What fails before the first block is complete fails the request; what fails later cuts the
    answer off.
    """
    fields = (*fields, ("Content-Type", XML))
    blocks = in_blocks(responses, PROLOGUE)
    first = next(blocks)
    second = next(blocks, None)
    if second is None:
        return Answer(207, fields, first)
    return Answer(207, fields, _all(first, second, blocks))


def _all(first: bytes, second: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield second
    try:
        yield from rest
    except Replaced as replaced:
        raise NoAnswer(replaced.strerror) from replaced


def in_blocks(responses: Iterable[str], begun: bytes = b"") -> Iterator[bytes]:
    """``begun`` and the rest of the document, in blocks of about ``WHOLE``."""
    block = [begun.decode()]
    size = 0
    for each in responses:
        block.append(each)
        size += len(each)
        if size > WHOLE:
            yield "".join(block).encode()
            block, size = [], 0
    yield "".join(block).encode() + EPILOGUE
