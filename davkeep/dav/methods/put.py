"""PUT (RFC 9110 9.3.4): staged while it arrives, committed as an operation."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import partial
from itertools import chain
from os import stat_result

from davkeep.dav.answers import Field, Reply
from davkeep.dav.bounds import refuse_too_large
from davkeep.dav.checks import LockCheck, check_conditions
from davkeep.dav.delivery import refusal
from davkeep.dav.request import Request
from davkeep.dav.site import Site, upload_name
from davkeep.dav.staged import Staged, block_of, receive, store
from davkeep.dav.uploads.address import complete_fields
from davkeep.dav.uploads.ranged import Ranged
from davkeep.operations import Conflict, Mode
from davkeep.trees.share import Entry, Kind, kind_of
from davkeep.trees.steps import Steps
from davkeep.trees.upload import Upload
from davkeep.words.content_range import ContentRange, parse_content_range
from davkeep.words.digests import Verification
from davkeep.words.failure import Failure

#: What may be done to a collection.
NO_PUT = "OPTIONS, GET, HEAD, PROPFIND, PROPPATCH, DELETE, COPY, MOVE, LOCK, UNLOCK"


def put(site: Site, request: Request) -> Reply:
    """Answer PUT. Everything but the content is checked before the content is asked for."""
    request.writable_share()
    value = request.field("Content-Range")
    if value is not None:
        return _put_part(site, request, parse_content_range(value))
    staged = receive(site, request, check, partial(Whole, site, request))
    return store(site, request, check, staged)


def _put_part(site: Site, request: Request, part: ContentRange) -> Reply:
    """A part of a file (RFC 9110 14.5): 202 until the last one, which is answered as a PUT."""
    if request.body_length not in (None, part.length):
        raise Failure(400, "The content is not as long as its range.")
    bounded = partial(_check_part, part)
    if part.length == part.total:
        whole = receive(site, request, bounded, partial(_begin_all, site, request, part))
        return store(site, request, check, whole)
    staged = receive(site, request, bounded, partial(_begin_part, site, request, part))
    if part.is_last:
        return store(site, request, check, staged)
    with closing(staged):
        _see_that_it_is_there(request, staged)
        return staged.accepted()


def _begin_all(site: Site, request: Request, part: ContentRange, entry: Entry) -> Staged:
    """Enter an upload only if there may be anything to go on with.

    What is here as soon as it is asked for costs no more than a plain PUT then.
    """
    blocks = request.blocks(block_of(site))
    begun = next(blocks, memoryview(b""))
    content = chain([begun], blocks)
    if len(begun) == part.total:
        site.uploads.abandon(entry, request.account)
        return AtOnce(site, request, entry, part, content)
    return _begin_part(site, request, part, entry, content)


def _begin_part(
    site: Site,
    request: Request,
    part: ContentRange,
    entry: Entry,
    content: Iterable[memoryview] | None = None,
) -> Ranged:
    """Enter an upload, or go on with it, while nobody moves, replaces or removes its collection.

    A MOVE drops what is entered below its destination, when that can be seen already. 423 at once,
    for the content is not waited for before.
    """
    try:
        with site.reserving(entry.place_as(None), Mode.SHARED, request.account):
            return Ranged(site, request, part, entry, content)
    except Conflict as conflict:
        raise refusal(request, conflict) from None


def _see_that_it_is_there(request: Request, staged: Ranged) -> None:
    """409, and the upload is over, if its collection was moved while the part arrived."""
    with request.share.member(request.segments) as entry:
        if not entry.is_same_as(staged.entry):
            staged.give_up()
            raise Failure(409, "The collection above was replaced while the content arrived.")


def _check_part(part: ContentRange, site: Site, request: Request, entry: Entry) -> LockCheck:
    """As for PUT; 413 for a file that would be too large."""
    locks = check(site, request, entry)
    refuse_too_large(site, entry, part.total)
    return locks


def check(site: Site, request: Request, entry: Entry) -> LockCheck:
    """Everything that can be said before the content is there."""
    status = entry.find()
    locks = LockCheck(site, request)
    check_conditions(site, request, status)
    if status is not None and kind_of(status) is Kind.COLLECTION:
        raise is_collection()
    if status is None:
        locks.creation(entry)
    else:
        locks.content(entry)
    return locks


class Whole(Staged):
    """A file that arrives in one request."""

    def __init__(self, site: Site, request: Request, entry: Entry) -> None:
        """Stage an empty file. 405 for a collection, 403 and 507 as the engine says."""
        super().__init__(site, request, entry, site.control(upload_name()))
        spool = site.configuration.davkeep.put.spool
        try:
            self._upload = Upload(entry, self.control, spool)
        except IsADirectoryError:
            raise is_collection() from None
        #: Known where a commit may be long, for only there can a repeat meet it.
        self._known = hashlib.sha256() if spool else None

    @property
    def stored(self) -> stat_result | None:
        return self._upload.stored

    @property
    def has_time(self) -> bool:
        return self._upload.has_time

    def content(self, request: Request) -> Iterable[memoryview]:
        """What is to be written, as it arrives."""
        return request.blocks(self.block)

    def receive(self, request: Request) -> None:
        verification = Verification(self.digests)
        for block in self.content(request):
            self._upload.write(block)
            verification.update(block)
            if self._known is not None:
                self._known.update(block)
        verification.check()
        self.size = self._upload.size
        if self._known is not None:
            self.digest = f"{self._known.hexdigest()} {self.mtime}"

    def steps(self, *, only_new: bool) -> Steps:
        return self._upload.commit(replace=not only_new, mtime=self.mtime)

    def drop(self) -> None:
        self._upload.abort()


class AtOnce(Whole):
    """A file that is one range, and was here at once: there is nothing to go on with."""

    def __init__(
        self,
        site: Site,
        request: Request,
        entry: Entry,
        part: ContentRange,
        content: Iterable[memoryview],
    ) -> None:
        """``content`` has at least as many bytes as the range."""
        super().__init__(site, request, entry)
        self._part = part
        self._content = content

    def content(self, request: Request) -> Iterator[memoryview]:
        """400 for more than the range has."""
        size = 0
        for block in self._content:
            size += len(block)
            if size > self._part.length:
                raise Failure(400, "The content is longer than its range.")
            yield block

    @property
    def accepted_fields(self) -> tuple[Field, ...]:
        return complete_fields(self._part.total)


def is_collection() -> Failure:
    """405: there is no content to change."""
    return Failure(405, "A collection has no content of its own.", fields=[("Allow", NO_PUT)])
