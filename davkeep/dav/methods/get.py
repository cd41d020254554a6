"""GET and HEAD of files (RFC 9110 9.3.1, 14); collections are the directory browser's."""

import os
from collections.abc import Iterable, Iterator
from secrets import token_hex
from typing import Any

from davkeep.dav.answers import Answer, Field, Sendable
from davkeep.dav.checks import check_conditions
from davkeep.dav.media import media_type
from davkeep.dav.request import Recipient, Request
from davkeep.dav.site import Site
from davkeep.keepalive import FileContent, FileSlice, NoAnswer
from davkeep.trees.share import Entry, etag_of
from davkeep.words.conditions import if_range_holds
from davkeep.words.failure import Failure
from davkeep.words.fields import format_http_date
from davkeep.words.ranges import parse_range

#: Bytes read at once.
BLOCK = 256 * 1024

#: The most bytes that are read here, to go out together with the head; of more the server sends a
#: part of the file.
SMALL = 64 * 1024


def get(site: Site, request: Request) -> Sendable:
    """Answer GET or HEAD: 200, 206, 304, 404, 416; 403 for what cannot be shown."""
    request.refuse_body()
    try:
        fd = request.share.share.read(request.segments, Entry.open)
    except (FileNotFoundError, NotADirectoryError):
        raise Failure(404) from None
    except IsADirectoryError:
        if "davkeep.browse" not in request.environ:
            raise Failure(403, "The directory browser is switched off.") from None
        return Browsed(request.environ)
    content = Content(fd)
    try:
        status = os.fstat(fd)
        check_conditions(site, request, status)
        return _answer(request, status, content)
    except (Failure, OSError):
        content.close()
        raise


class Browsed(Sendable):
    """A collection, of which the directory browser makes a page."""

    def __init__(self, environ: dict[str, Any]) -> None:
        """``environ``: of the request."""
        self._environ = environ

    def send(self, recipient: Recipient) -> Iterable[bytes]:
        """Have the browser answer."""
        browse = self._environ["davkeep.browse"]
        page: Iterable[bytes] = browse(self._environ, recipient.start_response)
        return page


def _answer(request: Request, status: os.stat_result, content: "Content") -> Answer:
    etag, size = etag_of(status), status.st_size
    kind = media_type(request.segments[-1] if request.segments else "")
    fields: tuple[Field, ...] = (
        ("Last-Modified", format_http_date(status.st_mtime)),
        ("ETag", f'"{etag}"'),
        ("Accept-Ranges", "bytes"),
    )
    ranges = None
    if if_range_holds(request.field("If-Range"), etag=etag, modified=status.st_mtime):
        ranges = parse_range(request.field("Range"), size)
    if ranges is None:
        head = (*fields, ("Content-Type", kind), ("Content-Length", str(size)))
        return Answer(200, head, content.of([(b"", 0, size)]))
    if len(ranges) == 1:
        first, last = ranges[0]
        head = (
            *fields,
            ("Content-Type", kind),
            ("Content-Range", f"bytes {first}-{last}/{size}"),
            ("Content-Length", str(last - first + 1)),
        )
        return Answer(206, head, content.of([(b"", first, last - first + 1)]))
    return _several(fields, kind, ranges, size, content)


def _several(
    fields: tuple[Field, ...],
    kind: str,
    ranges: list[tuple[int, int]],
    size: int,
    content: "Content",
) -> Answer:
    """206 with one part for each range (RFC 9110 14.6)."""
    boundary = token_hex(12)
    parts: list[tuple[bytes, int, int]] = []
    for first, last in ranges:
        before = (
            f"\r\n--{boundary}\r\nContent-Type: {kind}\r\n"
            f"Content-Range: bytes {first}-{last}/{size}\r\n\r\n"
        )
        parts.append((before.encode("latin-1"), first, last - first + 1))
    parts.append((f"\r\n--{boundary}--\r\n".encode(), 0, 0))
    length = sum(len(before) + count for before, _, count in parts)
    head = (
        *fields,
        ("Content-Type", f"multipart/byteranges; boundary={boundary}"),
        ("Content-Length", str(length)),
    )
    return Answer(206, head, content.of(parts))


class Content(FileContent):
    """What is sent of an open file; closes the file."""

    def __init__(self, fd: int) -> None:
        """Take over ``fd``."""
        self._fd = fd
        self._parts: list[tuple[bytes, int, int]] = []

    def of(self, parts: list[tuple[bytes, int, int]]) -> "Content":
        """Say what is sent: bytes that stand before it, where in the file it begins, its length."""
        self._parts = parts
        return self

    def pieces(self) -> Iterator[bytes | FileSlice]:
        """Yield what is small as bytes, to go out together with the head."""
        for head, position, length in self._parts:
            if head:
                yield head
            if length > SMALL:
                yield FileSlice(self._fd, position, length)
            elif length:
                yield self._read(position, length)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the bytes, in blocks. Raises NoAnswer when the file ends too early."""
        for head, position, length in self._parts:
            yield head
            for done in range(0, length, BLOCK):
                yield self._read(position + done, min(BLOCK, length - done))

    def _read(self, position: int, length: int) -> bytes:
        block = b""
        while len(block) < length:
            more = os.pread(self._fd, length - len(block), position + len(block))
            if not more:
                raise NoAnswer("the file got shorter while it was sent")
            block += more
        return block

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
