"""PUT (RFC 9110 9.3.4): staged while it arrives, committed as an operation."""

import hashlib
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from secrets import token_hex

from davkeep.dav.admission import Findings, admit
from davkeep.dav.answers import Reply
from davkeep.dav.checks import LockCheck, check_conditions
from davkeep.dav.delivery import deliver, when_free
from davkeep.dav.outcomes import Sides, conclusion
from davkeep.dav.request import Request
from davkeep.dav.site import Site, warn_left_behind
from davkeep.dav.vanished import forget_predecessor
from davkeep.operations import Ending, Mode, Operation, Outcome, RepeatKey
from davkeep.trees.share import Entry, Kind, etag_of
from davkeep.trees.steps import Steps
from davkeep.trees.upload import Upload
from davkeep.words.failure import Failure

#: What may be done to a collection.
NO_PUT = "OPTIONS, GET, HEAD, PROPFIND, PROPPATCH, DELETE, COPY, MOVE, LOCK, UNLOCK"

#: The least that is read of a body at once, in bytes.
BLOCK = 256 * 1024


def put(site: Site, request: Request) -> Reply:
    """Answer PUT. Everything but the content is checked before the content is asked for."""
    provider = request.writable_share()
    if request.field("Content-Range") is not None:
        raise Failure(400, "Content-Range is not understood in a PUT (RFC 9110 14.5).")
    with ExitStack() as opened:
        entry = opened.enter_context(provider.member(request.segments))
        _check(site, request, entry)
        staged = Staged(site, request, entry)
        opened.callback(staged.drop)
        staged.receive(request)
        staged.keep(opened.pop_all())
    return when_free(site, request, partial(_admit, site, request, staged), staged.close)


def _check(site: Site, request: Request, entry: Entry) -> LockCheck:
    status = entry.find()
    locks = LockCheck(site, request)
    check_conditions(site, request, status)
    if entry.kind is Kind.COLLECTION:
        raise _is_collection()
    locks.content(entry)
    if status is None:
        locks.membership(entry)
    return locks


class Staged:
    """An upload that has arrived, or is arriving, and the operation that will commit it."""

    def __init__(self, site: Site, request: Request, entry: Entry) -> None:
        """Stage an empty file. 405 for a collection, 403 and 507 as the engine says."""
        spool = site.configuration.davkeep.put.spool
        self.entry = entry
        self.control = site.control(token_hex(16))
        try:
            self.upload = Upload(entry, self.control, spool)
        except IsADirectoryError:
            raise _is_collection() from None
        #: Known where a commit may be long, for only there can a repeat meet it.
        self._digest = hashlib.sha256() if spool else None
        self._block = max(site.configuration.block_size, BLOCK)
        self._opened: ExitStack | None = None
        #: What commits it; None until that is admitted.
        self.operation: Operation | None = None

    def belongs_to(self, operation: Operation) -> None:
        """``operation`` commits it, goes on with its progress, and closes it at its end."""
        self.operation = operation
        operation.progress = self.control.progress
        operation.progress.members_total, operation.progress.bytes_total = 1, self.upload.size
        operation.subscribe(self.close, waits=False)

    def receive(self, request: Request) -> None:
        """Write the whole body. 400 where it ends early; what was staged is then dropped."""
        for block in request.blocks(self._block):
            self.upload.write(block)
            if self._digest is not None:
                self._digest.update(block)

    def keep(self, opened: ExitStack) -> None:
        """Take over what has to be closed in the end."""
        self._opened = opened

    def drop(self) -> None:
        """Remove what was staged and not committed."""
        self.upload.abort()

    def close(self) -> None:
        """Drop it and close the entry."""
        if self._opened is not None:
            self._opened.close()
        if self.control.left_behind:
            warn_left_behind(self.control, "PUT")

    @property
    def digest(self) -> str | None:
        """The digest of the whole content, if it is known."""
        return None if self._digest is None else self._digest.hexdigest()


def _is_collection() -> Failure:
    return Failure(405, "A collection has no content of its own.", fields=[("Allow", NO_PUT)])


def _admit(site: Site, request: Request, staged: Staged) -> Reply:
    key = _key(request, staged)
    joined = site.registry.equal(key)
    if joined is not None:
        staged.close()
        return deliver(site, request, joined)
    operation = admit(
        site,
        key,
        partial(_look, site, request, staged),
        partial(_start, site, request, staged),
        partial(_conclude, staged, request.url),
        taken=staged.belongs_to,
    )
    if operation is not staged.operation:
        staged.close()
    return deliver(site, request, operation)


def _look(site: Site, request: Request, staged: Staged) -> Findings:
    """Check again: while the content arrived, the URL may have come to mean another place (409)."""
    with request.share.member(request.segments) as entry:
        if not entry.is_same_as(staged.entry):
            raise Failure(409, "The collection above was replaced while the content arrived.")
        locks = _check(site, request, entry)
        return Findings([(entry.place, Mode.WRITE)], locks.tokens)


def _key(request: Request, staged: Staged) -> RepeatKey:
    return RepeatKey(
        owner=request.user,
        address=request.account_address,
        method="PUT",
        source=request.url,
        if_=request.field("If"),
        if_match=request.field("If-Match"),
        digest=staged.digest,
    )


def _start(site: Site, request: Request, staged: Staged, operation: Operation) -> Steps:
    forget_predecessor(site, staged.entry)
    staged.control.effective = operation.reach_effective_point
    only_new = (request.field("If-None-Match") or "").strip() == "*"
    return staged.upload.commit(replace=not only_new)


def _conclude(staged: Staged, url: str, ending: Ending) -> Outcome:
    """201 or 204 with the ETag of what is stored, for everybody who waits for it."""
    outcome = conclusion(Sides(source=lambda below: url))(ending)
    stored = staged.upload.stored
    if stored is None or outcome.status >= 300:
        return outcome
    return replace(outcome, fields=(*outcome.fields, ("ETag", f'"{etag_of(stored)}"')))
