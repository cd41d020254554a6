"""Seeded faults: each is a mistake that davkeep could have, and that the checks have to see."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from davkeep.operations.page import Page
from davkeep.operations.recovery import case
from davkeep.operations.recovery.case import Case
from davkeep.operations.stored import Stored
from davkeep.store.database import Database
from davkeep.store.journal import Journal
from davkeep.store.locks import Locks
from davkeep.store.properties import DeadProperties
from davkeep.store.record import Stage
from davkeep.trees import across, build, changes, copy, move, remove, staging, upload
from davkeep.trees.members import TreeCopy


@dataclass(frozen=True)
class Fault:
    """One mistake, which ``commit`` makes in this process, and the action that shows it.

    ``only_in_order``: no SIGKILL can show it, so the order of the steps has to.
    """

    action: str
    make: Callable[[], None]
    only_in_order: bool = False
    in_recovery: bool = False

    def commit(self, is_recovery: bool) -> None:
        """Make it, if this is the process to make it in."""
        if is_recovery == self.in_recovery:
            self.make()


def _nothing(*_: Any, **__: Any) -> None:
    """What is done instead."""


def _replace(owner: Any, name: str, instead: Any = _nothing) -> Callable[[], None]:
    return lambda: setattr(owner, name, instead)


def _half_copied() -> None:
    """The swap comes while the tree is being copied."""
    steps = TreeCopy.steps

    def cut_short(self: Any, *arguments: Any) -> Generator[Any, None, None]:
        for number, lane in enumerate(steps(self, *arguments)):
            if number == 3:
                return
            yield lane

    TreeCopy.steps = cut_short  # type: ignore[method-assign]


def _purged_before_the_commit() -> None:
    """What was replaced goes before the store knows of it."""
    announce = staging.announce

    def late(control: Any, *parents: int, **named: Any) -> None:
        staging.purge_now(parents[0], control.staging_name, control)
        announce(control, *parents, **named)

    copy.announce = late


def _announced_before_the_flush() -> None:
    """The commit comes before the swap is on the disk."""
    announce, flush = staging.announce, staging.flush_directory

    def early(control: Any, *parents: int, **named: Any) -> None:
        control.fsync = False
        announce(control, *parents, **named)
        for parent in parents:
            flush(parent)

    for module in (across, copy, move, remove, upload):
        module.announce = early  # type: ignore[attr-defined]


def _never_durable() -> None:
    """No commit waits for the disk."""
    begin = Database._begin

    def lazily(self: Any, *, durable: bool) -> None:
        begin(self, durable=False)

    Database._begin = lazily  # type: ignore[method-assign]


def _ignoring_what_is_half_done() -> None:
    """Recovery believes that nothing was changed."""
    case._SETTLED[Stage.CHANGING] = lambda *_: None  # type: ignore[index]


def _without_page(self: Any, record: Any, *, durable: bool) -> None:
    self._record = record


def _purging_nothing(_: Any) -> Generator[None, None, None]:
    yield from ()


FAULTS = {
    "the tree is not flushed": Fault("copy-new", _replace(build, "flush_tree"), only_in_order=True),
    "the parent is not flushed": Fault(
        "move-new", _replace(staging, "flush_directory"), only_in_order=True
    ),
    "an upload is not flushed": Fault(
        "put-over", _replace(upload.Upload, "_flush", lambda _: iter(())), only_in_order=True
    ),
    "the commit comes before the flush": Fault(
        "delete-tree", _announced_before_the_flush, only_in_order=True
    ),
    "no commit is flushed": Fault("copy-over", _never_durable, only_in_order=True),
    "the old tree is purged before the commit": Fault(
        "copy-over", _purged_before_the_commit, only_in_order=True
    ),
    "the swap comes before the copy is complete": Fault("copy-over", _half_copied),
    "no page is written": Fault("copy-new", _replace(Page, "_write", _without_page)),
    "no change is announced": Fault("move-new", _replace(Page, "changing")),
    "no folder of an upload is noted": Fault("put-new", _replace(Journal, "begin_upload")),
    "properties do not move": Fault("move-over", _replace(DeadProperties, "move")),
    "locks do not end": Fault("move-over", _replace(Locks, "end_at_or_below", lambda *_, **__: [])),
    "the store is not changed at the effective point": Fault(
        "copy-new", _replace(Stored, "copied")
    ),
    "recovery ignores what is half done": Fault(
        "move-over", _ignoring_what_is_half_done, in_recovery=True
    ),
    "recovery leaves the source of a move": Fault(
        "move-across-over", _replace(changes, "hide", lambda *_: True), in_recovery=True
    ),
    "the source is hidden before the destination is flushed": Fault(
        "move-across-over", _replace(across, "flush_directory"), only_in_order=True
    ),
    "recovery purges nothing": Fault(
        "delete-tree", _replace(Case, "purge", _purging_nothing), in_recovery=True
    ),
}
