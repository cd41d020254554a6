"""Going through the journal at the start."""

import logging
import threading
from collections.abc import Sequence
from contextlib import ExitStack, closing

from davkeep.operations.operation import Operation
from davkeep.operations.recovery.books import Books
from davkeep.operations.recovery.case import Case
from davkeep.operations.recovery.uploads import Uploads
from davkeep.operations.upkeep import Steps, Upkeep
from davkeep.store.database import StoreError
from davkeep.store.record import Record

_log = logging.getLogger("davkeep.recovery")

#: Seconds that a stop waits for purging, which looks after each member whether to end.
STOP_SECONDS = 5.0


class Recovery:
    """What is left of operations that a crash ended; used once.

    ``settle`` comes before the server serves: after it every name is old or new, and what is stored
    agrees. ``start`` begins to purge what is out of sight, as long work of the upkeep. Whenever it
    is cut off, the next start goes on.
    """

    def __init__(
        self,
        books: Books,
        instances: Sequence[str],
        *,
        spool: str | None = None,
        sweep: Steps | None = None,
    ) -> None:
        """``instances``: only their staging entries are touched; ``spool``: where uploads may be.

        ``sweep`` looks for what has lost its record; None if nothing can have.
        What cannot be settled, or purged, now is tried again later.
        """
        self._books = books
        self._journal = books.desk.journal
        self._instances = instances
        self._spool = spool
        self._sweep = sweep
        self._uploads = Uploads(books.desk.journal, books.desk.stored, instances)
        self._cases: list[Case] = []
        self._opened = ExitStack()
        self._is_stopped = threading.Event()
        self._is_over = threading.Event()
        self._has_started = False
        #: Whether everything was purged that can be.
        self.is_complete = False

    def settle(self) -> list[Operation]:
        """Settle everything; return the operations that were found, which are over.

        Raises StoreError if the journal cannot be read. A record that cannot be read is left alone,
        with what is hidden under its name.
        """
        records, unreadable = self._journal.records()
        self._opened.callback(self._uploads.close)
        found = [self._settled(record) for record in records]
        self._books.departures.recover()
        # After that the folders of uploads are where they belong.
        kept = [f".davkeep-{each}-{id}" for each in self._instances for id in unreadable]
        self._uploads.find(self._spool, [*(record.staging for record in records), *kept])
        if found or self._uploads.count:
            _log.info("%d operations and %d uploads were cut off", len(found), self._uploads.count)
        return found

    def _settled(self, record: Record) -> Operation:
        case = Case(record, self._books.desk)
        if case.settle():
            self._cases.append(case)
        else:
            self._books.unfinished.add(case)
        return case.operation

    def start(self, upkeep: Upkeep) -> None:
        """Have ``upkeep`` purge, if there is anything to purge."""
        if not (self._cases or self._uploads.count or self._sweep):
            for _ in self._purging():
                pass
            self.is_complete = True
            return
        self._has_started = True
        upkeep.drive(self._steps())

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for what is purged; return whether that is all."""
        if self._has_started:
            self._is_over.wait(seconds)
        return self.is_complete

    def stop(self) -> None:
        """The server stops: stop purging, which the next start goes on with."""
        self._is_stopped.set()
        if not self.wait(STOP_SECONDS):
            return
        try:
            self._journal.forget_idle()
        except StoreError as error:
            # The next start looks into them, and finds nothing there.
            _log.warning("folders of uploads stay noted: %s", error)

    def _steps(self) -> Steps:
        try:
            with self._opened, closing(self._purging()) as steps:
                for _ in steps:
                    if self._is_stopped.is_set():
                        return
                    yield None
            self.is_complete = True
            _log.info("recovery is complete")
        finally:
            self._is_over.set()

    def _purging(self) -> Steps:
        for case in self._cases:
            yield from case.purge()
            if not case.has_ended:
                self._books.unfinished.add(case)
        yield from self._uploads.purge()
        if self._sweep is not None:
            yield from self._sweep
