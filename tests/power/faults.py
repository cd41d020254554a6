"""Seeded faults: each is a mistake that davkeep could have, and that an image has to show.

They are made where davkeep calls the system, so that they are the same mistake however the engine
is written: a flush that is left out or comes late, a commit that does not wait for the disk, a
removal that comes early.
"""

import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from davkeep.store.database import Database
from davkeep.trees import renames
from power.layouts import Ground

#: The collection on the first disk with which a mistake begins.
BEGUN = "begun"


@dataclass(frozen=True)
class Fault:
    """One mistake, which ``make`` makes in this process, and the scenario that shows it.

    ``in_recovery``: the mistake of recovery that goes with it. ``healed``: why no image shows it,
    of those of which that is so.
    """

    scenario: str
    make: Callable[[Ground], None]
    in_recovery: Callable[[Ground], None] | None = None
    healed: str = ""

    def commit(self, ground: Ground, *, is_recovery: bool) -> None:
        """Make it in this process, which is one that recovers or one that goes before."""
        if not is_recovery:
            self.make(ground)
        elif self.in_recovery is not None:
            self.in_recovery(ground)


def _has_begun(ground: Ground) -> bool:
    return (ground.here / "c0" / BEGUN).exists()


#: Told the path of what is to be flushed, and whether it is a directory.
Which = Callable[[Ground, str, bool], bool]


def _is_names_there(ground: Ground, path: str, is_folder: bool) -> bool:
    """The directories of the second disk, hidden ones excepted."""
    is_there = path.startswith(f"{ground.there}/") and "/.davkeep-" not in path
    return is_folder and is_there and _has_begun(ground)


def _is_staged(ground: Ground, path: str, is_folder: bool) -> bool:
    return "/.davkeep-" in path and _has_begun(ground)


def _is_instance(ground: Ground, path: str, is_folder: bool) -> bool:
    return path.startswith(str(ground.state))


def _about(fd: int) -> tuple[str, bool]:
    path = os.readlink(f"/proc/self/fd/{fd}")
    return path, stat.S_ISDIR(os.fstat(fd).st_mode)


def _without_flush(which: Which) -> Callable[[Ground], None]:
    """Leave some flushes out."""

    def make(ground: Ground) -> None:
        flush = os.fsync

        def fsync(fd: Any) -> None:
            if not which(ground, *_about(fd)):
                flush(fd)

        os.fsync = fsync  # type: ignore[assignment]

    return make


class _Late:
    """Flushes of the second disk's directories, kept for later."""

    def __init__(self, ground: Ground) -> None:
        self._fds: list[int] = []
        self._ground = ground
        self.flush = os.fsync
        os.fsync = self._fsync  # type: ignore[assignment]

    def _fsync(self, fd: Any) -> None:
        path, is_folder = _about(fd)
        if _is_names_there(self._ground, path, is_folder):
            self._fds.append(os.dup(fd))
            return
        self.flush(fd)
        if is_folder and path.startswith(f"{self._ground.here}/"):
            self.make_good()

    def make_good(self) -> None:
        """Flush what was kept."""
        while self._fds:
            fd = self._fds.pop()
            self.flush(fd)
            os.close(fd)


def _after_the_sources(ground: Ground) -> None:
    """The destination's directory is flushed after that in which the source was hidden."""
    _Late(ground)


def _after_the_commit(ground: Ground) -> None:
    """The directory is flushed after the commit at the effective point."""
    late, commit = _Late(ground), Database._commit

    def early(self: Any) -> None:
        commit(self)
        late.make_good()

    Database._commit = early  # type: ignore[method-assign]


def _purge(ground: Ground) -> None:
    """Remove what is hidden."""
    for share in (ground.here, ground.there):
        for hidden in list(share.rglob(".davkeep-*")):
            shutil.rmtree(hidden, ignore_errors=True)
            hidden.unlink(missing_ok=True)


def _purged_before_the_commit(ground: Ground) -> None:
    """What was replaced or moved is purged before the store knows, and that is on the disk."""
    changed = _Changes(ground)
    commit = Database._commit

    def committed(self: Any) -> None:
        if changed.count and self._is_durable:
            changed.count = 0
            _purge(ground)
            os.sync()
        commit(self)

    Database._commit = committed  # type: ignore[method-assign]


def _purged_before_the_flush(ground: Ground) -> None:
    """The source goes for good before the destination's directory is flushed, and the commit."""
    late = _Late(ground)
    make_good = late.make_good

    def purged_first() -> None:
        for hidden in ground.here.rglob(".davkeep-*"):
            shutil.rmtree(hidden, ignore_errors=True)
        fd = os.open(ground.here / "c0", os.O_RDONLY)
        late.flush(fd)
        os.close(fd)
        make_good()

    late.make_good = purged_first  # type: ignore[method-assign]


def _lazily(is_so: Callable[[], bool]) -> None:
    """No commit waits for the disk while ``is_so``."""
    begin = Database._begin

    def begun(self: Any, *, durable: bool) -> None:
        begin(self, durable=durable and not is_so())

    Database._begin = begun  # type: ignore[method-assign]


def _never_durable(ground: Ground) -> None:
    """No commit waits for the disk."""
    _lazily(lambda: _has_begun(ground))


def _record_not_flushed(ground: Ground) -> None:
    """The record of what is about to change does not wait for the disk, what follows does."""
    changes = _Changes(ground)
    _lazily(lambda: _has_begun(ground) and not changes.count)


def _effect_not_flushed(ground: Ground) -> None:
    """The commit at the effective point does not wait for the disk."""
    changes = _Changes(ground)
    _lazily(lambda: bool(changes.count))


class _Changes:
    """Counts the changes of names that readers see, but for those of uploads."""

    def __init__(self, ground: Ground) -> None:
        self.count = 0
        self._ground = ground
        self._rename = renames._rename
        renames._rename = self._renamed

    def _renamed(self, from_fd: int, old: str, to_fd: int, new: str, flag: int) -> None:
        self._rename(from_fd, old, to_fd, new, flag)
        is_seen = not old.startswith(".davkeep-") or flag == renames._EXCHANGE
        if is_seen and _has_begun(self._ground):
            self.count += 1


#: What is true of a change whose record is on the disk, and whose new names are.
_FORWARD = "the record and the new names are on the disk, from which recovery goes forward"

FAULTS = {
    "the source of a MOVE is hidden before the destination is flushed, and not brought back": Fault(
        "MOVE across", _after_the_sources, in_recovery=_purge
    ),
    "the destination's directory of a MOVE across is not flushed": Fault(
        "MOVE across", _without_flush(_is_names_there)
    ),
    "the source of a MOVE is purged before the destination is flushed": Fault(
        "MOVE across", _purged_before_the_flush
    ),
    "the source of a MOVE is purged before the commit": Fault(
        "MOVE across", _purged_before_the_commit, healed=_FORWARD
    ),
    "an overwritten tree is purged before the commit": Fault(
        "COPY over a tree", _purged_before_the_commit, healed=_FORWARD
    ),
    "the parent is not flushed in COPY": Fault("COPY", _without_flush(_is_names_there)),
    "the parent is not flushed in MOVE": Fault("MOVE", _without_flush(_is_names_there)),
    "the parent is not flushed in PUT": Fault("PUT", _without_flush(_is_names_there)),
    "the parent is not flushed in DELETE of a file": Fault(
        "DELETE of a file", _without_flush(_is_names_there)
    ),
    "the parent is not flushed in DELETE of a tree": Fault(
        "DELETE of a tree", _without_flush(_is_names_there)
    ),
    "the parent is not flushed in MKCOL": Fault("MKCOL", _without_flush(_is_names_there)),
    "an upload is not flushed": Fault("PUT", _without_flush(_is_staged)),
    "the tree is not flushed": Fault("COPY", _without_flush(_is_staged)),
    "the commit comes before the flush": Fault("MOVE", _after_the_commit),
    "no commit is flushed": Fault("MKCOL and PROPPATCH", _never_durable),
    "the record is not flushed": Fault("MOVE", _record_not_flushed),
    "the commit at the effective point is not flushed": Fault(
        "MOVE over a tree", _effect_not_flushed, healed=_FORWARD
    ),
    "the instance file is not flushed": Fault("start", _without_flush(_is_instance)),
}
