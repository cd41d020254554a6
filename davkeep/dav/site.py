"""What every handler needs: the shares, what is stored about them, and who does the work."""

import logging
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from secrets import token_hex
from weakref import WeakValueDictionary

from davkeep.dav.shares import Shares
from davkeep.dav.sharing import Sharing
from davkeep.dav.uploads.uploads import Uploads
from davkeep.keepalive import Facts, Plan
from davkeep.operations import Account, Books, Mode, Operation, Page, Registry, Stored
from davkeep.operations.identities import Identities
from davkeep.operations.upkeep import Upkeep
from davkeep.store.database import Database, StoreError
from davkeep.store.journal import Journal
from davkeep.store.locks import Locks
from davkeep.store.properties import DeadProperties
from davkeep.trees.names import UPLOAD
from davkeep.trees.share import Entry, Place
from davkeep.trees.steps import BLOCK_SIZE, Control
from davkeep.words.configuration import Configuration

_log = logging.getLogger("davkeep.dav")

#: The least that is copied at once, in bytes, however low the throttle is.
LEAST_BLOCK = 16 * 1024


@dataclass(frozen=True, eq=False)
class Site:
    """One running server, without its sockets.

    ``instance`` tells the staging entries of this state folder from those of another one;
    ``monotonic`` measures waiting, ``now`` gives seconds of the epoch.
    """

    configuration: Configuration
    shares: Shares
    database: Database
    #: Which share each root is.
    identities: Identities
    properties: DeadProperties
    locks: Locks
    #: All that is stored about trees, as one.
    stored: Stored
    journal: Journal
    #: Where operations keep their pages.
    books: Books
    registry: Registry
    #: Does what is to be done from time to time, or made good later.
    upkeep: Upkeep
    uploads: Uploads
    #: Where a PATCH is cheap.
    sharing: Sharing
    #: Makes the plan of a request; see ``davkeep.keepalive.planner``.
    plan: Callable[[Facts, bool], Plan]
    instance: str
    monotonic: Callable[[], float]
    now: Callable[[], float]
    #: The work under way, by the names of what it hides.
    in_use: WeakValueDictionary[str, Control] = field(default_factory=WeakValueDictionary)

    def control(self, name: str) -> Control:
        """The control of a piece of work whose staging entry is called after ``name``."""
        block = self.configuration.davkeep
        control = Control(
            staging_name=staging_prefix(self.instance) + name,
            fsync=block.fsync,
            block_size=_block_size(block.operations.max_bytes_per_second),
        )
        self.in_use[control.staging_name] = control
        return control

    @contextmanager
    def working(
        self,
        operation: Operation,
        source: Entry,
        destination: Entry | None = None,
        *,
        depth_infinity: bool = True,
    ) -> Iterator[tuple[Control, Page]]:
        """The control of an operation's work, and its page in the journal."""
        control = self.control(operation.id)
        control.progress = operation.progress
        control.helpers = operation.helpers
        page = Page(
            self.books,
            operation,
            control.staging_name,
            source,
            destination,
            depth_infinity=depth_infinity,
        )
        control.witness = page
        # A stop ends an operation that has taken effect before its work, which is finished by
        # recovery; the database may be closed by the time that the work is collected.
        control.is_left = lambda: operation.state.is_over
        try:
            yield control, page
        finally:
            if not control.is_left():
                operation.left_behind = control.left_behind
                if control.left_behind:
                    warn_left_behind(control, f"{operation.method} {operation.source}")
                page.close(keep=control.is_untidy)
                entries = [source] if destination is None else [source, destination]
                self.uploads.sweep([entry.share.prefix for entry in entries])

    @contextmanager
    def uploading(self, entry: Entry) -> Iterator[None]:
        """Note, for a start after a crash, that something is staged beside ``entry``."""
        upload = self.journal.begin_upload(os.path.dirname(entry.key))
        try:
            yield
        finally:
            self.journal.end_upload(upload)

    @contextmanager
    def reserving(self, place: Place, mode: Mode, account: Account) -> Iterator[None]:
        """Take ``place`` for a moment, for who has ``account``. Raises Conflict (423)."""
        holder = object()
        self.registry.reservations.reserve(holder, [(place, mode)], account)
        try:
            self.registry.debts.require([place])
            yield
        finally:
            self.registry.reservations.release(holder)

    def relying_on(self, tokens: Collection[str], operation: Operation) -> None:
        """Keep the locks of ``tokens`` from expiring until ``operation`` is over.

        Their time starts anew then: who waited for the answer could not refresh them.
        """
        if tokens:
            held = self.locks.hold(tokens)
            operation.subscribe(lambda: self._let_go(held), waits=False)

    def _let_go(self, held: frozenset[str]) -> None:
        """Whatever the store does: it is called at the end of an operation, by any thread."""
        try:
            self._refresh(held)
        except StoreError as error:
            _log.error("locks that were relied on get no more time: %s", error)
        finally:
            self.locks.unhold(held)

    def _refresh(self, tokens: frozenset[str]) -> None:
        with self.database.transaction():
            for token in tokens:
                lock = self.locks.find(token)
                if lock is not None:
                    self.locks.refresh(token, lock.timeout)


def staging_prefix(instance: str) -> str:
    """What the names of everything hidden of an instance begin with (the promises, Names)."""
    return f".davkeep-{instance}-"


def upload_name() -> str:
    """A new name of a staged upload. Recovery knows by it that no collection can be under it."""
    return UPLOAD + token_hex(16)


def warn_left_behind(control: Control, work: str) -> None:
    """Tell the administrator that something hidden takes up room."""
    _log.warning("%s left something that it could not remove: %s", work, control.staging_name)


def _block_size(bytes_per_second: float | None) -> int:
    """Bytes copied at once: so few that the throttle lets several blocks a second pass."""
    if bytes_per_second is None:
        return BLOCK_SIZE
    return max(LEAST_BLOCK, min(BLOCK_SIZE, int(bytes_per_second / 4)))
