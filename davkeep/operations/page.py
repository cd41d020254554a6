"""The journal's page of one operation: written while it works, torn out when it is over.

What is written costs about 20 us, unless it has to be on the disk before the next step: then it
costs one flush of the database's log. It has to

- before names change, if after a loss of power without it something hidden would stay for ever, or
  properties and locks would no longer belong to what is there;
- at the effective point, if something is stored about the trees, or something is purged after it.

A copy to a new name, and a move to one, without locks and properties, need neither: such a record
survives the end of the process, which is all that can leave them half done. The removal of one
file, of which nothing is stored, has no page at all. A removal that cannot be noted is done without
a page, member by member.
"""

import logging
import os
from contextlib import suppress
from dataclasses import replace

from davkeep.operations.operation import Operation
from davkeep.operations.outcome import Outcome
from davkeep.operations.recovery.books import Books
from davkeep.store.database import StoreError
from davkeep.store.locks import Lock
from davkeep.store.record import Record, Side, Stage
from davkeep.trees.changes import Change, HideTree, MoveAcross, Unlink
from davkeep.trees.durability import flush_directory
from davkeep.trees.share import Entry
from davkeep.trees.witness import UnrecordedError, Witness

_log = logging.getLogger("davkeep.operations")

#: Stages in which names may have changed and changed back: that has to be on the disk before the
#: record goes.
_LATE = frozenset((Stage.CHANGING, Stage.RETURNING))


class Page(Witness):
    """What the journal holds of one operation; None as long as there is nothing to tell.

    ``_record`` is what is known by now, and is written unless the journal refuses; nothing is
    taken for written before it is committed.
    """

    def __init__(
        self,
        books: Books,
        operation: Operation,
        staging: str,
        source: Entry,
        destination: Entry | None = None,
        *,
        depth_infinity: bool = True,
    ) -> None:
        """``staging``: the hidden name; the rest is what is asked for."""
        self._books = books
        self._journal = books.desk.journal
        self._stored = books.desk.stored
        self._entries = [source] if destination is None else [source, destination]
        #: Whether something is stored about the trees.
        self._lies = False
        self._is_durable = False
        self._is_written = False
        #: Whether what was stored about something that is gone could not be forgotten.
        self._is_owed = False
        #: Whether a removal is made without a record, which is said once.
        self._is_unrecorded = False
        #: A removal that is not in the journal, of what something is stored about.
        self._departure: Side | None = None
        self._record = Record(
            id=operation.id,
            owner=operation.owner,
            address=operation.address,
            method=operation.method,
            source_url=operation.source,
            destination_url=operation.destination,
            created=operation.created,
            staging=staging,
            source=side_of(source),
            destination=None if destination is None else side_of(destination),
            depth_infinity=depth_infinity,
        )

    # For the engine

    def staging(self) -> None:
        """Note that something hidden may be there. Raises StoreError (500 or 507)."""
        self._write(replace(self._record, stage=Stage.STAGING, change=None), durable=False)

    def changing(self, change: Change) -> None:
        """Note what names lead to now, so that it can be told later what they lead to then.

        Raises StoreError; UnrecordedError for a removal that may be done without a note.
        """
        paths = [self._path, *([self._destination] if self._destination else ())]
        self._lies = self._stored.lies_below(*paths)
        if isinstance(change, Unlink) and not self._lies:
            return
        self._is_durable = self._lies or change.leaves_hidden
        record = replace(self._record, stage=Stage.CHANGING, change=change)
        try:
            self._write(record, durable=self._is_durable)
        except StoreError as error:
            if not change.has_destination:
                self._depart(error)
            raise

    def _depart(self, error: StoreError) -> None:
        """Remember what is deleted without a note, if something is stored about it."""
        if self._lies and self._departure is None:
            try:
                self._books.departures.begin(self._record.source)
            except OSError:
                raise error from None
            self._departure = self._record.source
        if not self._is_unrecorded:
            self._is_unrecorded = True
            what = self._record.source_url
            _log.warning("%s is deleted without a record, for there can be none: %s", what, error)
        raise UnrecordedError(error.errno, error.strerror) from error

    def removing_in_place(self) -> None:
        """Note that the source is to go although it is in sight."""
        change = self._record.change
        assert isinstance(change, MoveAcross)
        self._record = replace(self._record, change=replace(change, in_place=True))

    def returning(self) -> None:
        """Note that a removal is taken back; without the note it would be completed."""
        self._record = replace(self._record, stage=Stage.RETURNING)
        try:
            self._write(self._record, durable=True)
        except StoreError as error:
            _log.error("the journal cannot be written: %s", error)

    # For the door

    def transfer(self, outcome: Outcome | None, *, is_move: bool) -> None:
        """At the effective point of a COPY or MOVE. Raises StoreError; nothing is stored then.

        ``outcome``: how it will end, if that is settled.
        """
        source, destination = self._path, self._destination
        assert destination is not None
        with self._stored.database.transaction(durable=self._is_durable):
            if is_move:
                self._stored.moved(source, destination)
            else:
                self._stored.copied(source, destination, depth_infinity=self._record.depth_infinity)
            record = self._effective(outcome)
            self._keep(record)
            if is_move:
                self._journal.follow(source, destination)
        self._take(record)

    def removal(self, hidden: bytes, outcome: Outcome | None) -> list[Lock]:
        """At the effective point of a DELETE; return the locks that it ended.

        Raises StoreError if the tree can still come back.

        What is out of sight is completed by what was noted before, so only the store needs a flush.
        Of what nothing is noted and nothing stored, nothing is to be done.
        """
        if self._departure is not None or not (self._lies or self._is_written):
            self._end_departure()
            return []
        if _is_final(self._record):
            self._removed_for_good()
            return []
        with self._stored.database.transaction(durable=self._lies):
            ended = self._stored.hidden(self._path, hidden)
            record = replace(self._effective(outcome), ended=tuple(ended))
            self._keep(record)
            self._journal.follow(self._path, hidden)
        self._take(record)
        return ended

    def _removed_for_good(self) -> None:
        """What was done is no failure, whether or not it can be written."""
        try:
            with self._stored.database.transaction(durable=self._lies):
                self._stored.removed(self._path)
                self._journal.erase(self._record.id)
            self._is_written = False
        except StoreError:
            # The record tells what is still to be forgotten; until then nobody minds the locks.
            self._is_owed = True
            with suppress(StoreError):
                self._stored.dismiss_vanished(self._path)

    @property
    def is_returning(self) -> bool:
        """Whether a removal was, or is being, taken back, and that is not written."""
        return self._is_written and self._record.stage is Stage.RETURNING

    def brought_back(self, hidden: bytes, ended: list[Lock]) -> None:
        """A DELETE was taken back: what is stored follows what is left of the tree."""
        self._flush()
        with self._stored.database.transaction():
            self._stored.brought_back(self._path, hidden, ended)
            if self._entries[0].share.root.is_there():
                self._stored.forget_vanished(self._path)
            self._journal.erase(self._record.id)
            self._journal.follow(hidden, self._path)
        self._is_written = False

    def close(self, *, keep: bool) -> None:
        """The work is over. ``keep``: something hidden is left, or could not be taken back."""
        self._end_departure()
        if not self._is_written:
            return
        if keep or self._record.stage is Stage.RETURNING:
            self._books.unfinished.leave(self._left())
            return
        if self._is_owed:
            self._books.unfinished.owe(self._record)
            return
        is_late = self._record.stage in _LATE or _is_in_place(self._record)
        try:
            if is_late:
                self._flush()
            self._erase(durable=self._is_durable and is_late)
        except OSError as error:
            _log.error("the journal of %s cannot be closed: %s", self._record.id, error)
            self._books.unfinished.owe(self._over())

    def _erase(self, *, durable: bool) -> None:
        """Forget the operation, and with it what was stored about a tree that is gone for good."""
        if not (self._lies and isinstance(self._record.change, HideTree)):
            self._journal.erase(self._record.id, durable=durable)
            return
        with self._stored.database.transaction(durable=durable):
            self._stored.properties.remove(self._hidden)
            self._journal.erase(self._record.id)

    @property
    def _hidden(self) -> bytes:
        """Where the tree is out of sight, or was; the collection above may have moved since."""
        source, _ = self._journal.sides_of(self._record.id) or (self._record.source, None)
        return os.path.join(os.path.dirname(source.key), os.fsencode(self._record.staging))

    def _left(self) -> Record:
        """The record of what could not be tidied up: of something staged, that it is over."""
        if self._record.stage is Stage.STAGING:
            return replace(self._record, stage=Stage.UNDONE)
        return self._record

    def _over(self) -> Record:
        """The record of what is over and tidy, whatever is written of it."""
        change = self._record.change
        if isinstance(change, MoveAcross) and change.in_place:
            # The source went, as far as it goes at all.
            return replace(self._record, change=replace(change, in_place=False))
        is_removal = change is not None and not change.has_destination
        if is_removal or self._record.stage is Stage.EFFECTIVE:
            return self._record
        return replace(self._record, stage=Stage.UNDONE, status=None, failures=(), ended=())

    def _end_departure(self) -> None:
        departure, self._departure = self._departure, None
        if departure is not None:
            self._lies = False
            self._books.departures.end(departure)

    def _flush(self) -> None:
        """Flush the directories whose names changed and changed back."""
        for entry in self._entries:
            if self._books.desk.fsync:
                flush_directory(entry.parent_fd)

    @property
    def _path(self) -> bytes:
        return self._record.source.key

    @property
    def _destination(self) -> bytes | None:
        side = self._record.destination
        return None if side is None else side.key

    def _effective(self, outcome: Outcome | None) -> Record:
        """The record as it is once names, properties and locks show the final state."""
        if not self._is_written:
            return self._record
        record = replace(self._record, stage=Stage.EFFECTIVE)
        if outcome is None or _is_final(record):
            return record
        failures = tuple((each.href, each.status) for each in outcome.failures)
        return replace(record, status=outcome.status, failures=failures)

    def _keep(self, record: Record) -> None:
        """Write it, or erase it if nothing is left to be done after it."""
        if not self._is_written:
            return
        if _is_final(record):
            self._journal.erase(record.id)
        else:
            self._journal.write(record, durable=self._is_durable)

    def _take(self, record: Record) -> None:
        """Know what was committed."""
        self._record = record
        self._is_written &= not _is_final(record)

    def _write(self, record: Record, *, durable: bool) -> None:
        self._journal.write(record, durable=durable)
        self._record = record
        self._is_written = True


def _is_final(record: Record) -> bool:
    """Whether nothing hidden is left after the effective point."""
    return record.change is not None and not record.change.leaves_hidden


def _is_in_place(record: Record) -> bool:
    return isinstance(record.change, MoveAcross) and record.change.in_place


def side_of(entry: Entry) -> Side:
    """Where an entry is, as the journal knows it."""
    return Side.of(entry.key)
