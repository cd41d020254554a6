"""The shape of work: a generator that yields wherever it may be paused, slowed down or cancelled.

The engine never sleeps, starts no thread and reads no clock. Whoever drives the generator decides
about time slices, the throttle and cancelling, and may lend threads that copy members meanwhile.
Closing it at a checkpoint cancels the work: what was staged is removed, what was out of sight comes
back (the promises, DELETE).
"""

from collections.abc import Callable, Generator
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Literal

from davkeep.trees.witness import Witness
from davkeep.words.progress import Progress

#: The most that one system call copies, in bytes, so that cancelling and the throttle act soon.
BLOCK_SIZE = 8 * 1024 * 1024

#: Has a call done by another thread, which the driver lends.
Submit = Callable[[Callable[[], Any]], "Future[Any]"]

#: Names from the root of one side down to a member; ``()`` is the root itself.
Segments = tuple[str, ...]


class Lane(Enum):
    """What the next stretch of work is, said by the work itself."""

    SHORT = auto()
    """A rename, a swap, a scan that comes before one: never waits for something long."""
    LONG = auto()
    """Bulk work: copying, purging, flushing."""


@dataclass(frozen=True, slots=True)
class MemberError:
    """One member that could not be treated.

    ``path`` is relative to the root of ``side``. The door turns it into a line of the 207.
    """

    side: Literal["source", "destination"]
    path: Segments
    error: OSError


@dataclass(frozen=True, slots=True)
class Result:
    """How work ended.

    ``created``: nothing was at the destination before. ``complete``: the change was made (with
    ``errors``, all but those members); otherwise nothing that a reader sees has changed.
    """

    created: bool
    complete: bool
    errors: tuple[MemberError, ...] = ()


class DestinationError(OSError):
    """The destination as a whole failed (full, read-only, broken); nothing visible was changed.

    Its ``errno`` decides the HTTP status: 507, 403 or 500 (the promises, COPY and MOVE).
    """


#: Work under way. A yielded ``Lane`` says what comes next, ``None`` is a plain checkpoint.
Steps = Generator[Lane | None, None, Result]


def _nothing() -> None:
    """Stand in for a store when nothing depends on the tree."""


def _alone() -> Submit | None:
    """Stand in for a driver that lends no threads."""
    return None


def _always() -> bool:
    """Stand in for a driver that has answered nobody yet."""
    return True


def _never() -> bool:
    """Stand in for a driver that lets all work end, or closes it to have it undone."""
    return False


def _nobody(source_fd: int, target_fd: int) -> Generator[Lane | None, None, None]:
    """Stand in for who has nothing hidden in a tree."""
    yield from ()


@dataclass(slots=True, weakref_slot=True, eq=False)
class Control:
    """What one piece of work shares with its driver.

    ``staging_name`` is the hidden sibling that the work may create: ``.davkeep-<instance>-<id>``.
    ``effective`` is called exactly once, at the effective point: after the swap or rename and the
    flush of the parent directory, before anything is purged. What the store has to change in the
    same moment is done there. ``left_behind`` says, however the work ended, that something it could
    not remove stays hidden under the staging name (or that name and a suffix, see ``staging``).
    ``is_irreversible`` says that names show the new state, or a part of it, although the work has
    failed, because they could not be changed back. ``settled`` is set before ``effective`` is
    called: what the work will return, unless what follows may still add errors. ``witness`` is told
    before names change. ``is_left`` answers whether the work was left as it stands: steps that are
    closed then undo nothing. ``recall`` is asked before something comes back after the effective
    point although nobody cancelled it: True if nobody was answered meanwhile, and nobody will be
    before the end. ``along`` is called with a collection and its complete copy, before that is
    swapped in by a MOVE across file systems: what is hidden in the one, and is no member, is copied
    to the other. ``helpers`` is asked before each small file: what copies it in another thread,
    because each waits for a disk or a network.
    """

    staging_name: str
    progress: Progress = field(default_factory=Progress)
    fsync: bool = True
    block_size: int = BLOCK_SIZE
    effective: Callable[[], None] = _nothing
    witness: Witness = field(default_factory=Witness)
    is_left: Callable[[], bool] = _never
    recall: Callable[[], bool] = _always
    along: Callable[[int, int], Generator[Lane | None, None, None]] = _nobody
    helpers: Callable[[], Submit | None] = _alone
    is_effective: bool = False
    settled: Result | None = None
    left_behind: bool = False
    is_irreversible: bool = False

    @property
    def is_untidy(self) -> bool:
        """Whether something is left to be made good later, once the work is over."""
        return self.left_behind or self.is_irreversible

    def reach_effective_point(self, settled: Result | None) -> None:
        """Tell the driver that the name space shows the final state from now on."""
        self.is_effective = True
        self.settled = settled
        self.effective()
