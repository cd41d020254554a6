"""207 Multi-Status (RFC 4918 13)."""

from collections.abc import Iterable, Iterator

from lxml import etree

from davkeep.dav.answers import XML, Answer
from davkeep.dav.xml import dav, document
from davkeep.words.status import reason

#: What stands before the first ``response`` of a streamed document.
PROLOGUE = b"<?xml version='1.0' encoding='utf-8'?>\n<D:multistatus xmlns:D=\"DAV:\">"
EPILOGUE = b"</D:multistatus>\n"

#: A document up to this size, in bytes, is sent with its Content-Length rather than in chunks.
WHOLE = 64 * 1024


def status_line(status: int) -> str:
    """The text of a ``DAV:status`` element."""
    return f"HTTP/1.1 {status} {reason(status)}"


def failures_answer(failures: Iterable[tuple[str, int]]) -> Answer:
    """207 that names members and why each failed."""
    root = etree.Element(dav("multistatus"), nsmap={"D": "DAV:"})
    root.extend(response(href, status) for href, status in failures)
    return Answer(207, (("Content-Type", XML),), document(root))


def response(
    href: str, status: int, *, condition: str | None = None, explanation: str = ""
) -> etree._Element:
    """The ``response`` element of one resource; the rest is as in Failure (RFC 4918 14.24)."""
    element = etree.Element(dav("response"), nsmap={"D": "DAV:"})
    etree.SubElement(element, dav("href")).text = href
    etree.SubElement(element, dav("status")).text = status_line(status)
    if condition is not None:
        etree.SubElement(etree.SubElement(element, dav("error")), dav(condition))
    if explanation:
        etree.SubElement(element, dav("responsedescription")).text = explanation
    return element


def streamed_answer(responses: Iterator[bytes]) -> Answer:
    """207 whose ``response`` elements are written as they are found.

    A short one is collected and gets a Content-Length; a long one never lies in memory as a whole.
    """
    head = [PROLOGUE]
    size = 0
    for piece in responses:
        head.append(piece)
        size += len(piece)
        if size > WHOLE:
            return Answer(207, (("Content-Type", XML),), _stream(b"".join(head), responses))
    return Answer(207, (("Content-Type", XML),), b"".join([*head, EPILOGUE]))


def _stream(head: bytes, responses: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    block: list[bytes] = []
    size = 0
    for piece in responses:
        block.append(piece)
        size += len(piece)
        if size > WHOLE:
            yield b"".join(block)
            block, size = [], 0
    yield b"".join([*block, EPILOGUE])
