"""One operation that a crash ended: to its end, or back to where it began."""

import logging
import os
from collections.abc import Generator
from dataclasses import replace

from davkeep.operations.operation import Operation
from davkeep.operations.recovery.findings import Finding, finding_of, operation_of
from davkeep.operations.stored import Stored
from davkeep.store.journal import Journal, Record, Side, Stage
from davkeep.trees.closing import Closing
from davkeep.trees.durability import flush_directory
from davkeep.trees.purge import purge
from davkeep.trees.remains import (
    Verdict,
    brought_back,
    hidden_names,
    hide_source,
    number,
    open_folder,
    remove_source,
    removed,
    renamed,
    respelled,
    restore_mode,
    swapped,
)
from davkeep.trees.staging import Name
from davkeep.trees.steps import Control

_log = logging.getLogger("davkeep.recovery")

#: What can be told only by looking at the names.
_UNSETTLED = frozenset((Stage.STAGING, Stage.CHANGING, Stage.RETURNING))


class Case(Closing):
    """A record of the journal, with its directories open once it is settled.

    Settling is done before anything is served, purging may follow while the server runs. Both may
    be repeated: each looks at what there is.
    """

    def __init__(self, record: Record, journal: Journal, stored: Stored, *, fsync: bool) -> None:
        """Take up ``record``."""
        self.record = record
        #: What stands; None for what succeeded.
        self.finding: Finding | None = None
        self._journal = journal
        self._stored = stored
        self._fsync = fsync
        self._source: Name | None = None
        self._destination: Name | None = None

    def close(self) -> None:
        """Close the directories."""
        for name in {self._source, self._destination} - {None}:
            assert name is not None
            os.close(name[0])
        self._source = self._destination = None

    @property
    def operation(self) -> Operation:
        """The operation as it ended."""
        return operation_of(self.record, self.finding)

    def settle(self) -> None:
        """Bring names, properties and locks to one state, or leave that to the next start."""
        try:
            self.finding = self._settled()
        except OSError as error:
            _log.error("operation %s cannot be settled: %s", self.record.id, error)
            self.finding = Finding.REFUSED
        _log.warning(
            "%s %s, operation %s: %s",
            self.record.method,
            self.record.source_url,
            self.record.id,
            self.operation.state.value if self.finding is None else self.finding.value,
        )

    def _settled(self) -> Finding | None:
        if not self._is_there():
            return Finding.ABSENT
        try:
            self._open()
        except FileNotFoundError:
            # The directory was out of sight itself, and has been purged.
            if "/.davkeep-" in self.record.source.path:
                return finding_of(self.record)
            return Finding.ABSENT
        is_settled = self.record.stage not in _UNSETTLED
        finding = finding_of(self.record) if is_settled else self._decided()
        if finding is not Finding.UNCLEAR and self.record.stage is Stage.EFFECTIVE:
            self._finish_source()
        return finding

    def _is_there(self) -> bool:
        return all(_is_root(side) for side in self._sides)

    def _open(self) -> None:
        self._source = _opened(self.record.source)
        if self.record.destination is not None:
            self._destination = _opened(self.record.destination)

    @property
    def _sides(self) -> list[Side]:
        source, destination = self.record.source, self.record.destination
        return [source] if destination is None else [source, destination]

    # What became of the names

    def _decided(self) -> Finding | None:
        if self.record.stage is Stage.STAGING:
            return self._undone(Finding.NOTHING)
        if self.record.stage is Stage.RETURNING:
            return self._returned()
        if self.record.action == "members":
            return self._members()
        verdict = self._verdict()
        if verdict is Verdict.UNCLEAR:
            return Finding.UNCLEAR
        self._restore_modes(verdict)
        self._flush()
        return self._undone(Finding.NOTHING) if verdict is Verdict.BEFORE else self._effective()

    def _verdict(self) -> Verdict:
        record, source, final = self.record, self._source, self._destination
        assert source is not None
        old = None if record.old is None else record.old.number
        if record.action in ("remove", "unlink"):
            return removed(source, record.staging, old)
        if record.action == "itself":
            return respelled(source)
        assert final is not None
        assert record.new is not None
        if record.action == "rename":
            return renamed(source, final, record.staging, record.new.number, old)
        return swapped(final, record.staging, record.new.number, old)

    def _restore_modes(self, verdict: Verdict) -> None:
        record, final = self.record, self._destination
        if record.action != "rename":
            return
        assert self._source is not None
        assert final is not None
        for name in (self._source, final):
            for inode in (record.new, record.old):
                if inode is not None:
                    restore_mode(name, inode.number, inode.mode)

    def _flush(self) -> None:
        if self._fsync:
            for name in self._names:
                flush_directory(name[0])

    # What follows from that

    def _undone(self, finding: Finding) -> Finding:
        self.record = replace(self.record, stage=Stage.UNDONE, finding=finding.name)
        self._journal.write(self.record, durable=False)
        return finding

    def _effective(self) -> Finding | None:
        record = self.record
        if record.action == "across" and record.source_inode is not None:
            assert self._source is not None
            is_in_sight = hide_source(self._source, record.staging, record.source_inode.number)
            finding = Finding.REPLACED.name if self._has_other_source() else None
            record = replace(record, in_place=is_in_sight, finding=finding)
            self._flush()
        record = replace(record, stage=Stage.EFFECTIVE)
        with self._stored.database.transaction():
            self._change_stored()
            self._journal.write(record, durable=True)
        self.record = record
        if record.is_partial:
            self._stored.forget_vanished(_path(record.destination or record.source))
        return finding_of(record)

    def _change_stored(self) -> None:
        source = _path(self.record.source)
        if self.record.destination is None:
            self._stored.hidden(source, self._hidden)
            self._journal.follow(source, self._hidden)
            return
        destination = _path(self.record.destination)
        if self.record.method == "MOVE":
            self._stored.moved(source, destination)
            self._journal.follow(source, destination)
        else:
            depth = self.record.depth_infinity
            self._stored.copied(source, destination, depth_infinity=depth)

    def _has_other_source(self) -> bool:
        """Whether something is at the source of a MOVE that is not what was moved."""
        inode = self.record.source_inode
        assert self._source is not None
        return inode is not None and number(self._source) not in (None, inode.number)

    def _finish_source(self) -> None:
        """Remove the source of a MOVE that could not be hidden."""
        inode = self.record.source_inode
        if not self.record.in_place or inode is None:
            return
        assert self._source is not None
        if not remove_source(self._source, inode.number):
            _log.error("what is left of %s cannot be removed", self.record.source_url)
        self._stored.forget_vanished(_path(self.record.source))
        self.record = replace(self.record, in_place=False)
        self._journal.write(self.record, durable=True)

    def _members(self) -> Finding | None:
        """A removal member by member: what is gone is gone."""
        self._stored.forget_vanished(_path(self.record.source))
        assert self._source is not None
        if number(self._source) is not None:
            return self._undone(Finding.SOME)
        self.record = replace(self.record, stage=Stage.EFFECTIVE)
        self._journal.write(self.record, durable=False)
        return None

    def _returned(self) -> Finding:
        """A cancelled removal, which brings back what is left."""
        assert self._source is not None
        is_back = brought_back(self._source, self.record.staging)
        self._flush()
        with self._stored.database.transaction():
            if is_back:
                path, ended = _path(self.record.source), self.record.ended
                self._stored.brought_back(path, self._hidden, ended)
                self._stored.forget_vanished(path)
            return self._undone(Finding.RETURNED if is_back else Finding.TAKEN)

    @property
    def _hidden(self) -> bytes:
        folder = os.path.dirname(_path(self.record.source))
        return os.path.join(folder, os.fsencode(self.record.staging))

    # What is out of sight

    @property
    def _names(self) -> list[Name]:
        return [name for name in (self._source, self._destination) if name is not None]

    def purge(self) -> Generator[None, None, None]:
        """Remove what is hidden, and then the record; what cannot be removed keeps its record."""
        if self.finding is not None and self.finding.is_open:
            return
        control = Control(self.record.staging)
        for parent_fd, _ in self._names:
            for hidden in hidden_names(parent_fd, self.record.staging):
                for _ in purge(*hidden, control):
                    yield None
        if control.left_behind:
            _log.warning("something hidden cannot be removed: %s", self.record.staging)
            return
        with self._stored.database.transaction(durable=False):
            self._stored.properties.remove(self._hidden)
            self._journal.erase(self.record.id)
        _log.info("operation %s left nothing hidden", self.record.id)


def _path(side: Side) -> bytes:
    return os.fsencode(side.path)


def _is_root(side: Side) -> bool:
    """Whether the folder of a share is the one that it was, and not an empty mount point."""
    try:
        return str(os.stat(side.root).st_ino) == side.root_inode
    except OSError:
        return False


def _opened(side: Side) -> Name:
    folder, name = os.path.split(side.path)
    return open_folder(os.fsencode(folder)), name
