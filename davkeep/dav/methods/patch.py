"""PATCH of a part of a file, as SabreDAV has it (RFC 5789; SabreDAV, "HTTP PATCH support")."""

from functools import partial
from os import stat_result

from davkeep.dav.answers import Reply
from davkeep.dav.bounds import refuse_too_large, refuse_without_room
from davkeep.dav.checks import LockCheck
from davkeep.dav.methods import put
from davkeep.dav.request import Request
from davkeep.dav.site import Site, upload_name
from davkeep.dav.staged import Staged, receive, store
from davkeep.trees.patch import Patch
from davkeep.trees.share import Entry
from davkeep.trees.steps import Steps
from davkeep.words.digests import Verification
from davkeep.words.failure import Failure
from davkeep.words.update_range import MEDIA_TYPE, UpdateRange, parse_update_range


def patch(site: Site, request: Request) -> Reply:
    """Answer PATCH: 204, and one request changes all of its part or nothing.

    400 for a malformed X-Update-Range, 404 for a file that is not there, 405 for a collection, 411
    without a Content-Length or with one of 0, 415 for another media type, 416 for a range that
    does not fit; 409, 412, 423 and 507 as PUT.
    """
    # Without a collection above it is not there either.
    request.writable_share().existing(request.segments).close()
    staged = receive(site, request, check, partial(Part, site, request))
    return store(site, request, check, staged)


def check(site: Site, request: Request, entry: Entry) -> LockCheck:
    """As for PUT, of a file that is there."""
    if entry.find() is None:
        raise Failure(404)
    return put.check(site, request, entry)


class Part(Staged):
    """A part of a file that arrives in one request; its digests are those of the part."""

    def __init__(self, site: Site, request: Request, entry: Entry) -> None:
        """Stage an empty part; errors as ``patch`` tells."""
        super().__init__(site, request, entry, site.control(upload_name()))
        start = partial(_start, site, entry, _range(request), request.body_length or 0)
        self._patch = Patch(entry, self.control, start, site.configuration.davkeep.put.spool)

    @property
    def stored(self) -> stat_result | None:
        return self._patch.stored

    @property
    def has_time(self) -> bool:
        return self._patch.has_time

    def receive(self, request: Request) -> None:
        verification = Verification(self.digests)
        for block in request.blocks(self.block):
            self._patch.write(block)
            verification.update(block)
        verification.check()

    def steps(self, *, only_new: bool) -> Steps:
        return self._patch.commit(mtime=self.mtime)

    def drop(self) -> None:
        self._patch.close()


def _start(site: Site, entry: Entry, found: UpdateRange, length: int, size: int) -> int:
    """Where ``length`` bytes go in a file of ``size`` bytes; 413, 416 and 507 where they cannot.

    A file that is larger than allowed may be changed, but not become larger still. The zeros
    between its end and the part need room, as if they were stored: every GET sends them.
    """
    start = found.start(length, size)
    if start + length > size:
        refuse_too_large(site, entry, start + length)
    if start > size:
        refuse_without_room(entry, start + length - size)
    return start


def _range(request: Request) -> UpdateRange:
    """Where the content goes, if the request says everything that it has to."""
    kind = request.environ.get("CONTENT_TYPE", "").partition(";")[0]
    if kind.strip().lower() != MEDIA_TYPE:
        fields = [("Accept-Patch", MEDIA_TYPE)]
        raise Failure(415, f"The content has to be of type {MEDIA_TYPE}.", fields=fields)
    found = parse_update_range(request.field("X-Update-Range"))
    if not request.body_length:
        raise Failure(411, "A Content-Length above 0 is needed.")
    found.check_length(request.body_length)
    return found
