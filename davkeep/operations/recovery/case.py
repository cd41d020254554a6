"""One operation that was cut off, by a crash or by a disk that refused: to its end, or back.

What is done about its names stands in ``trees.changes``, one class for each kind of change; this is
what follows for the journal, and for what is stored.
"""

import logging
import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from davkeep.operations.operation import Operation
from davkeep.operations.recovery.findings import Finding, finding_of, operation_of
from davkeep.operations.stored import ShareAbsentError, Stored
from davkeep.store.journal import Journal
from davkeep.store.record import Record, Side, Stage
from davkeep.trees.changes import Change, HideTree, MoveAcross, Standing
from davkeep.trees.names import GONE, OLD, Name
from davkeep.trees.place import Place
from davkeep.trees.purge import purge, purge_in_sight
from davkeep.trees.remains import number, open_folder
from davkeep.trees.steps import Control
from davkeep.trees.traces import Names

_log = logging.getLogger("davkeep.recovery")

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Desk:
    """What a case works with. ``fsync``: whether names that it changes are flushed."""

    journal: Journal
    stored: Stored
    fsync: bool = True


class Case:
    """A record, whose names are opened for as long as something is done to them.

    Settling comes before anything else may happen to its trees; purging may follow while the server
    runs. Both may be repeated: each looks at what there is.
    """

    def __init__(self, record: Record, desk: Desk) -> None:
        """Take up ``record``, whose stage may be ahead of what is written of it."""
        self.record = record
        #: What stands; None for what succeeded.
        self.finding: Finding | None = None
        #: Whether everything is written that decides what readers see.
        self.is_settled = False
        self._journal = desk.journal
        self._stored = desk.stored
        self._fsync = desk.fsync

    @property
    def operation(self) -> Operation:
        """The operation as it ended."""
        return operation_of(self.record, self.finding)

    def places(self) -> Sequence[Place]:
        """The trees that it is about."""
        located = [self._stored.roots.locate(side.key) for side in self._sides]
        return [each.place for each in located if each is not None]

    # Settling

    def settle(self) -> bool:
        """Bring names, properties and locks to one state; False if that has to wait."""
        try:
            self._settle()
        except ShareAbsentError:
            self.finding = Finding.ABSENT
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
        return self.is_settled

    def pay(self) -> None:
        """The same, of a debt: raises OSError as long as it has to wait.

        The record goes as well, if nothing hidden is left.
        """
        self._settle()
        with self._names() as names:
            is_tidy = not any(number(name) for name in self._purged(names))
            if is_tidy and not self._is_kept(names):
                self._erase()

    def _settle(self) -> None:
        if self.is_settled:
            return
        with self._names() as names:
            self.finding = _SETTLED[self.record.stage](self, names)
        self.is_settled = True

    def _staged(self, _: Names) -> Finding:
        """Nothing but what is hidden was made."""
        return self._write(Stage.UNDONE, Finding.NOTHING)

    def _changed(self, names: Names) -> Finding | None:
        """Names may have changed: they tell, if their directories are still there."""
        if None in self._at_stake(names.source, names.destination):
            return self._unknown(names)
        return _STANDING[self._change.look(names)](self, names)

    def _before(self, names: Names) -> Finding:
        if not self._change.undo(names):
            return self._unknown(names)
        return self._write(Stage.UNDONE, Finding.NOTHING)

    def _after(self, names: Names) -> Finding | None:
        before = self._change
        change = before.complete(names)
        is_replaced = isinstance(before, MoveAcross) and _is_other(names.source, before)
        finding = Finding.REPLACED.name if is_replaced else None
        record = replace(self.record, stage=Stage.EFFECTIVE, change=change, finding=finding)
        with self._stored.database.transaction():
            self._change_stored()
            self._journal.write(record, durable=True)
        self.record = record
        return self._took_effect(names)

    def _partly(self, _: Names) -> Finding:
        self._stored.forget_vanished(self.record.source.key)
        return self._write(Stage.UNDONE, Finding.SOME)

    def _unknown(self, names: Names) -> Finding:
        self._change.rescue(names)
        if not self._change.has_destination:
            self._stored.forget_vanished(self.record.source.key)
        return self._write(Stage.UNKNOWN, Finding.UNCLEAR)

    def _took_effect(self, names: Names) -> Finding | None:
        """What was left to be done in sight, after an earlier start or just now."""
        if self.record.change is not None and self.record.change.is_partial:
            self._stored.forget_vanished((self.record.destination or self.record.source).key)
        if self._was_brought_back(names):
            return self._returned(names)
        if isinstance(self.record.change, MoveAcross) and self.record.change.in_place:
            self._finish_source(names, self.record.change)
        return finding_of(self.record)

    def _returned(self, names: Names) -> Finding:
        """A cancelled removal, which brings back what is left."""
        if self._journal.stage_of(self.record.id) is not Stage.RETURNING:
            self.record = replace(self.record, stage=Stage.RETURNING, finding=None)
            self._journal.write(self.record, durable=True)
        change = self._change
        is_back = isinstance(change, HideTree) and change.bring_back(names)
        finding = Finding.RETURNED if is_back else Finding.TAKEN
        with self._stored.database.transaction():
            if is_back:
                path = self.record.source.key
                self._stored.brought_back(path, self._hidden, self.record.ended)
                self._stored.forget_vanished(path)
            record = self._noted(Stage.UNDONE, finding, ended=())
        self.record = record
        return finding

    def _was_brought_back(self, names: Names) -> bool:
        """Whether a removal was taken back although that could not be noted."""
        change = self.record.change
        return (
            isinstance(change, HideTree)
            and change.old.is_at(names.source)
            and number(names.by_source()) is None
            and change.is_older(names.source, self.record.created)
        )

    def _known(self, _: Names) -> Finding | None:
        """An earlier start, or the operation itself, has settled it."""
        if self._journal.stage_of(self.record.id) is not self.record.stage:
            self._journal.write(self.record, durable=False)
        return finding_of(self.record)

    # What follows from that

    def _write(self, stage: Stage, finding: Finding) -> Finding:
        self.record = self._noted(stage, finding)
        return finding

    def _noted(self, stage: Stage, finding: Finding, **more: object) -> Record:
        told = {"status": None, "failures": (), **more}
        record = replace(self.record, stage=stage, finding=finding.name, **told)  # type: ignore[arg-type]
        self._journal.write(record, durable=False)
        return record

    def _change_stored(self) -> None:
        source = self.record.source.key
        if self.record.destination is None:
            self._forget_source(source)
            return
        destination = self.record.destination.key
        if self.record.method == "MOVE":
            self._stored.moved(source, destination)
            self._journal.follow(source, destination)
        else:
            depth = self.record.depth_infinity
            self._stored.copied(source, destination, depth_infinity=depth)

    def _forget_source(self, source: bytes) -> None:
        if not self._change.leaves_hidden:
            self._stored.removed(source)
            return
        self._stored.hidden(source, self._hidden)
        self._journal.follow(source, self._hidden)

    def _finish_source(self, names: Names, change: MoveAcross) -> None:
        """Remove the source of a MOVE that could not be hidden."""
        if change.source.is_at(names.source):
            assert names.source is not None
            for _ in purge_in_sight(*names.source):
                pass
            if number(names.source) is not None:
                _log.error("what is left of %s cannot be removed", self.record.source_url)
        names.flush(names.source)
        self._stored.forget_vanished(self.record.source.key)
        record = replace(self.record, change=replace(change, in_place=False))
        self._journal.write(record, durable=True)
        self.record = record

    # What is out of sight

    def purge(self) -> Generator[None, None, None]:
        """Remove what is hidden, and then the record; what cannot be removed keeps its record.

        Raises nothing: what a disk refuses is left for another time.
        """
        if not self.is_settled:
            return
        try:
            yield from self._purge()
        except OSError as error:
            _log.warning("operation %s cannot be purged now: %s", self.record.id, error)

    def _purge(self) -> Generator[None, None, None]:
        control = Control(self.record.staging)
        with self._names() as names:
            for hidden in self._purged(names):
                if hidden is not None:
                    for _ in purge(*hidden, control):
                        yield None
            if control.left_behind or self._is_kept(names):
                _log.warning("something hidden stays: %s", self.record.staging)
                return
        self._erase()
        _log.info("operation %s left nothing hidden", self.record.id)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left of it, its record included."""
        return self.is_settled and self._journal.stage_of(self.record.id) is None

    @property
    def has_ended(self) -> bool:
        """Whether this process can do nothing more about it: it is over, or not to be touched."""
        return self.is_over or (self.is_settled and self.record.stage is Stage.UNKNOWN)

    def _erase(self) -> None:
        with self._stored.database.transaction(durable=False):
            self._stored.properties.remove(self._hidden)
            self._journal.erase(self.record.id)

    def _purged(self, names: Names) -> list[Name | None]:
        """What may go, by how it ended."""
        change = self.record.change
        if self.record.stage is Stage.EFFECTIVE:
            return self._change.purged(names)
        if self.record.stage is Stage.UNDONE:
            return [names.by_destination()] if change is None else change.purged_undone(names)
        return []

    def _is_kept(self, names: Names) -> bool:
        """Whether something is hidden of which nothing is known for certain."""
        hidden = [
            place(suffix)
            for place in (names.by_source, names.by_destination)
            for suffix in ("", OLD, GONE)
        ]
        is_unknown = self.record.stage is Stage.UNKNOWN
        return is_unknown and any(number(name) is not None for name in hidden)

    # Where it is

    @contextmanager
    def _names(self) -> Iterator[Names]:
        """Its names in directories that are open meanwhile. Raises ShareAbsentError."""
        self._follow()
        sides = self._at_stake(self.record.source, self.record.destination)
        if not all(self._stored.roots.is_there(side.key) for side in sides if side is not None):
            raise ShareAbsentError
        with ExitStack() as opened:
            found = [None if side is None else self._opened(side, opened) for side in sides]
            destination = found[-1] if self.record.destination is not None else None
            source = found[0] if sides[0] is self.record.source else None
            yield Names(self.record.staging, source, destination, self._fsync)

    def _opened(self, side: Side, opened: ExitStack) -> Name | None:
        """A name in its directory; None if that is gone, with all that was hidden in it."""
        located = self._stored.roots.locate(side.key)
        if located is None:
            raise ShareAbsentError
        folder, name = os.path.split(located.path)
        try:
            fd = open_folder(folder)
        except (FileNotFoundError, NotADirectoryError):
            return None
        opened.callback(os.close, fd)
        return fd, os.fsdecode(name)

    def _at_stake(self, source: _T, destination: _T) -> list[_T]:
        """Those of the two whose names this is about: what is only read may be away."""
        if self.record.destination is None:
            return [source]
        change = self.record.change
        is_read = change is None or change.only_reads_source
        return [destination] if is_read else [source, destination]

    def _follow(self) -> None:
        """Know where its directories have moved since."""
        sides = self._journal.sides_of(self.record.id)
        if sides is not None:
            self.record = replace(self.record, source=sides[0], destination=sides[1])

    @property
    def _sides(self) -> list[Side]:
        source, destination = self.record.source, self.record.destination
        return [source] if destination is None else [source, destination]

    @property
    def _change(self) -> Change:
        change = self.record.change
        if change is None:
            raise TypeError(f"no name is changed by {self.record.id}")
        return change

    @property
    def _hidden(self) -> bytes:
        folder = os.path.dirname(self.record.source.key)
        return os.path.join(folder, os.fsencode(self.record.staging))


#: What is done about a record, by its stage.
_SETTLED: Mapping[Stage, Callable[[Case, Names], Finding | None]] = {
    Stage.STAGING: Case._staged,
    Stage.CHANGING: Case._changed,
    Stage.EFFECTIVE: Case._took_effect,
    Stage.RETURNING: Case._returned,
    Stage.UNDONE: Case._known,
    Stage.UNKNOWN: Case._known,
}

#: And where names may have changed, by what they show.
_STANDING: Mapping[Standing, Callable[[Case, Names], Finding | None]] = {
    Standing.BEFORE: Case._before,
    Standing.AFTER: Case._after,
    Standing.PARTLY: Case._partly,
    Standing.UNKNOWN: Case._unknown,
}


def _is_other(source: Name | None, change: MoveAcross) -> bool:
    """Whether something is at the source of a MOVE that is not what was moved."""
    return number(source) not in (None, change.source.number)
