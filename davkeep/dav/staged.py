"""What was uploaded and is not stored yet, and the operation that stores it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from os import stat_result
from typing import TypeVar

from davkeep.dav.admission import Findings, admit
from davkeep.dav.answers import Field, Reply
from davkeep.dav.checks import LockCheck
from davkeep.dav.delivery import deliver, when_free
from davkeep.dav.outcomes import Sides, conclusion, content_status
from davkeep.dav.repeats import is_stored, key_of
from davkeep.dav.request import Request
from davkeep.dav.site import Site, warn_left_behind
from davkeep.operations import Ending, Mode, Operation, Outcome
from davkeep.trees.share import Entry, etag_of
from davkeep.trees.steps import Control, Steps
from davkeep.words.digests import parse_digests
from davkeep.words.failure import Failure
from davkeep.words.mtime import parse_mtime

#: The least that is read of a body at once, in bytes.
BLOCK = 256 * 1024

#: Makes every check of the request on the entry that is to change.
Check = Callable[[Site, Request, Entry], LockCheck]


def block_of(site: Site) -> int:
    """Bytes of a body that are read at once, at first."""
    return max(site.configuration.block_size, BLOCK)


class Staged(ABC):
    """An upload that has arrived, or is arriving."""

    def __init__(self, site: Site, request: Request, entry: Entry, control: Control) -> None:
        """Read what the request says of its content: 400 for malformed fields."""
        self.entry = entry
        self.control = control
        self.digests = parse_digests(request.field)
        honours = site.configuration.honor_mtime_header
        #: The time that the file is to have, in nanoseconds of the epoch; None: that of now.
        self.mtime = parse_mtime(request.field("X-OC-Mtime")) if honours else None
        self.block = block_of(site)
        self._opened: ExitStack | None = None
        #: What commits it; None until that is admitted.
        self.operation: Operation | None = None

    #: Bytes of the file as far as they are known; None where that is the commit's to tell.
    size: int | None = None

    #: Whether nothing was there when everything was checked for the last time.
    is_new: bool = False

    #: A digest of the whole content by which a repeat is known; None if there is none.
    digest: str | None = None

    @property
    def accepted_fields(self) -> tuple[Field, ...]:
        """What a 202 says of it besides, while it is being stored."""
        return ()

    @property
    @abstractmethod
    def stored(self) -> stat_result | None:
        """The status of what is stored; None before that."""

    @property
    @abstractmethod
    def has_time(self) -> bool:
        """Whether the file got the time that was asked for."""

    @abstractmethod
    def receive(self, request: Request) -> None:
        """Write the whole content. 400 where it ends early, or does not have its digests."""

    @abstractmethod
    def steps(self, *, only_new: bool) -> Steps:
        """The work that stores it; FileExistsError (412) with ``only_new`` where a file is."""

    @abstractmethod
    def drop(self) -> None:
        """Give up what was not stored; does nothing after the end."""

    def belongs_to(self, operation: Operation) -> None:
        """``operation`` commits it, goes on with its progress, and closes it at its end."""
        self.operation = operation
        operation.progress = self.control.progress
        operation.progress.members_total, operation.progress.bytes_total = 1, self.size
        operation.subscribe(self.close, waits=False)

    def keep(self, opened: ExitStack) -> None:
        """Take over what has to be closed in the end."""
        self._opened = opened

    def close(self) -> None:
        """Drop it and close the entry."""
        if self._opened is not None:
            self._opened.close()
        if self.control.left_behind:
            warn_left_behind(self.control, "An upload")


StagedT = TypeVar("StagedT", bound=Staged)


def receive(
    site: Site, request: Request, check: Check, stage: Callable[[Entry], StagedT]
) -> StagedT:
    """Check everything but the content, then ask for that; it is the caller's to close."""
    with ExitStack() as opened:
        entry = opened.enter_context(request.writable_share().member(request.segments))
        check(site, request, entry)
        opened.enter_context(site.uploading(entry))
        staged = stage(entry)
        opened.callback(staged.drop)
        staged.receive(request)
        staged.keep(opened.pop_all())
        return staged


def store(site: Site, request: Request, check: Check, staged: Staged) -> Reply:
    """Commit it as an operation, when nobody else is in the way."""
    step = partial(_admit, site, request, check, staged)
    return when_free(site, request, step, staged.close)


def _admit(site: Site, request: Request, check: Check, staged: Staged) -> Reply:
    key = key_of(request, digest=staged.digest)
    joined = site.registry.equal(key)
    if joined is not None:
        staged.close()
        return deliver(site, request, joined, staged.accepted_fields)
    operation = admit(
        site,
        key,
        partial(_look, site, request, check, staged),
        partial(_start, site, staged, only_new=_is_for_new(request)),
        partial(_conclude, staged, request.url),
        stands=partial(is_stored, (request.share, request.segments)),
        taken=staged.belongs_to,
    )
    if operation is not staged.operation:
        staged.close()
    return deliver(site, request, operation, staged.accepted_fields)


def _look(site: Site, request: Request, check: Check, staged: Staged) -> Findings:
    """Check again: while the content arrived, the URL may have come to mean another place (409)."""
    with request.share.member(request.segments) as entry:
        if not entry.is_same_as(staged.entry):
            raise Failure(409, "The collection above was replaced while the content arrived.")
        staged.entry.respell(entry)
        locks = check(site, request, entry)
        staged.is_new = locks.is_creation
        return Findings([(entry.place, Mode.WRITE)], locks.tokens)


def _is_for_new(request: Request) -> bool:
    return (request.field("If-None-Match") or "").strip() == "*"


def _start(site: Site, staged: Staged, operation: Operation, *, only_new: bool) -> Steps:
    if staged.is_new:
        site.stored.forget_predecessor(staged.entry.key)
    staged.control.effective = operation.reach_effective_point
    return staged.steps(only_new=only_new)


def _conclude(staged: Staged, url: str, ending: Ending) -> Outcome:
    """201 or 204 with the ETag of what is stored, for everybody who waits for it."""
    outcome = conclusion(Sides(source=lambda below: url), content_status)(ending)
    if staged.stored is None or outcome.status >= 300:
        return outcome
    fields: list[Field] = [("ETag", f'"{etag_of(staged.stored)}"')]
    if staged.has_time:
        fields.append(("X-OC-Mtime", "accepted"))
    return replace(outcome, fields=(*outcome.fields, *fields))
