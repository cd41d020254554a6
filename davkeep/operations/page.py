"""The journal's page of one operation: written while it works, torn out when it is over.

What is written costs about 20 us, unless it has to be on the disk before the next step: then it
costs one flush of the database's log. It has to

- before names change, if after a loss of power without it something hidden would stay for ever, or
  properties and locks would no longer belong to what is there;
- at the effective point, if something is stored about the trees, or something is purged after it.

A copy to a new name, and a move to one, without locks and properties, need neither: such a record
survives the end of the process, which is all that can leave them half done. The removal of one
file, of which nothing is stored, has no page at all.
"""

import logging
import os
from dataclasses import replace

from davkeep.operations.operation import Operation
from davkeep.operations.outcome import Outcome
from davkeep.operations.stored import Stored
from davkeep.store.database import StoreError
from davkeep.store.journal import Inode, Journal, Record, Side, Stage
from davkeep.store.locks import Lock
from davkeep.trees.share import Entry
from davkeep.trees.witness import Change, Witness

_log = logging.getLogger("davkeep.operations")

#: Changes after which nothing is left to purge, if nothing was replaced.
_FINAL = frozenset(("swap", "rename", "itself"))


class Page(Witness):
    """What the journal holds of one operation; None as long as there is nothing to tell."""

    def __init__(
        self,
        journal: Journal,
        stored: Stored,
        operation: Operation,
        staging: str,
        source: Entry,
        destination: Entry | None = None,
        *,
        depth_infinity: bool = True,
    ) -> None:
        """``staging``: the hidden name; the rest is what is asked for."""
        self._journal = journal
        self._stored = stored
        self._share = source.share
        #: Whether something is stored about the trees.
        self._lies = False
        self._is_durable = False
        self._is_written = False
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
        self._write(replace(self._record, stage=Stage.STAGING), durable=False)

    def changing(self, change: Change) -> None:
        """Note what names lead to now, so that it can be told later what they lead to then."""
        paths = [self._path, *([self._destination] if self._destination else ())]
        self._lies = self._stored.lies_below(*paths)
        if change.action == "unlink" and not self._lies:
            return
        self._is_durable = self._lies or _purges(change)
        self._write(
            replace(
                self._record,
                stage=Stage.CHANGING,
                action=change.action,
                new=Inode.of(change.new),
                old=Inode.of(change.old),
                source_inode=Inode.of(change.source),
                is_partial=change.is_partial,
            ),
            durable=self._is_durable,
        )

    def removing_in_place(self) -> None:
        """Note that the source is to go although it is in sight."""
        self._record = replace(self._record, in_place=True)

    def returning(self) -> None:
        """Note that a removal is taken back; without the note it would be completed."""
        try:
            self._write(replace(self._record, stage=Stage.RETURNING), durable=True)
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
            is_over = self._take_effect(outcome)
            if is_move:
                self._journal.follow(source, destination)
        self._is_written &= not is_over

    def removal(self, hidden: bytes, outcome: Outcome | None) -> list[Lock]:
        """At the effective point of a DELETE; return the locks that it ended. Raises as above.

        What is out of sight is completed by what was noted before, so only the store needs a flush.
        Of what nothing is noted and nothing stored, nothing is to be done.
        """
        if not (self._lies or self._is_written):
            return []
        with self._stored.database.transaction(durable=self._lies):
            ended = self._stored.hidden(self._path, hidden)
            self._record = replace(self._record, ended=tuple(ended))
            self._take_effect(outcome)
            self._journal.follow(self._path, hidden)
        return ended

    def brought_back(self, hidden: bytes, ended: list[Lock]) -> None:
        """A DELETE was taken back: what is stored follows what is left of the tree."""
        with self._stored.database.transaction():
            self._stored.brought_back(self._path, hidden, ended)
            if self._share.root.is_there():
                self._stored.forget_vanished(self._path)
            self._journal.erase(self._record.id)
            self._journal.follow(hidden, self._path)
        self._is_written = False

    def close(self, *, keep: bool) -> None:
        """The work is over. ``keep``: something hidden is left, for the next start to remove."""
        if not self._is_written or keep:
            return
        stage = self._record.stage
        is_late = stage in (Stage.CHANGING, Stage.RETURNING) or self._record.in_place
        try:
            self._journal.erase(self._record.id, durable=self._is_durable and is_late)
        except StoreError as error:
            _log.error("the journal of %s cannot be closed: %s", self._record.id, error)

    @property
    def _path(self) -> bytes:
        return os.fsencode(self._record.source.path)

    @property
    def _destination(self) -> bytes | None:
        side = self._record.destination
        return None if side is None else os.fsencode(side.path)

    def _take_effect(self, outcome: Outcome | None) -> bool:
        """Note that only what is hidden is left; return whether there is nothing of that kind."""
        if not self._is_written:
            return True
        record = replace(self._record, stage=Stage.EFFECTIVE)
        if record.action in _FINAL and record.old is None:
            self._journal.erase(record.id)
            self._record = record
            return True
        if outcome is not None:
            failures = tuple((each.href, each.status) for each in outcome.failures)
            record = replace(record, status=outcome.status, failures=failures)
        self._write(record, durable=self._is_durable)
        return False

    def _write(self, record: Record, *, durable: bool) -> None:
        self._journal.write(record, durable=durable)
        self._record = record
        self._is_written = True


def _purges(change: Change) -> bool:
    """Whether something that was in sight is hidden and then purged."""
    return change.action in ("across", "remove") or (
        change.action in ("swap", "rename") and change.old is not None
    )


def side_of(entry: Entry) -> Side:
    """Where an entry is, as the journal knows it."""
    return Side(os.fsdecode(entry.path), entry.share.folder, str(entry.root[1]))
