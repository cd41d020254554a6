"""What is seen of the roots of shares, and what keeps one from being served."""

import os
import shlex
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from davkeep.store.files import INSTANCE, is_in_use
from davkeep.store.shares import KnownShare
from davkeep.trees.fingerprint import Fingerprint
from davkeep.trees.identity import identity_of
from davkeep.trees.marker import (
    MARKER,
    Marker,
    MarkerBroken,
    MarkerIsNoFile,
    is_marker_respelled,
    marker_if_any,
    read_marker,
)
from davkeep.trees.place import Identity, passed
from davkeep.trees.share import Share


class ShareRefused(Exception):
    """A folder is not served, for what is stored might belong to another one.

    Its text is one line, begins with ``folder``, the real path of the root, and says what to do.
    """

    def __init__(self, folder: str, why: str) -> None:
        """Say so."""
        super().__init__(f"{folder}: {why}")
        self.folder = folder


@dataclass(frozen=True, slots=True)
class Owner:
    """To whom shares belong: the name of an instance, and the folder of its state."""

    state: str
    folder: str

    def adopt(self, root: str) -> str:
        """The command that lets a root be a share of this state."""
        return shlex.join(["davkeep", "state", "adopt", "--state", self.folder, root])

    def mark(self, share: str) -> Marker:
        """The marker of one of its shares."""
        return Marker(share, self.state, self.folder)


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of a root."""

    share: Share
    own: Identity
    marker: Marker | None
    fingerprint: Fingerprint
    #: Whether the marker is found in another case as well.
    is_respelled: bool

    @classmethod
    def at(cls, share: Share, owner: Owner) -> Self:
        """Look at what is in the place of a root now. Raises ShareRefused, which tells the
        ``owner`` of a state what to do.
        """
        try:
            with share.root.looked_at() as fd:
                marker = _readable_marker(fd)
                is_respelled = marker is not None and is_marker_respelled(fd)
                own = identity_of(os.fstat(fd))
                return cls(share, own, marker, Fingerprint.of(fd), is_respelled)
        except MarkerIsNoFile:
            raise no_file(share) from None
        except (MarkerBroken, OSError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            told = f"{MARKER} in it cannot be read: {why}. Say which share this is:"
            raise ShareRefused(share.folder, f"{told} {owner.adopt(share.folder)}") from None

    def refuse_foreign(self, owner: Owner, marker: Marker) -> None:
        """Refuse a share of another state, unless nothing that others store can be harmed here."""
        if self.share.readonly:
            return
        refuse_living(self.share, marker, owner)
        if marker.state != owner.state:
            raise ShareRefused(
                self.share.folder,
                f"it belongs to the state {marker.state} in {marker.folder}, with which no server"
                f" is seen to work. Take it over: {owner.adopt(self.share.folder)}",
            )

    def refuse_copy(
        self, share: str, known: Mapping[str, KnownShare], found: Iterable[KnownShare]
    ) -> None:
        """Refuse a root that is marked as the ``share`` that another one is marked as, too: one is
        a copy of the other.
        """
        same = [each.root for each in found if each.share == share]
        before = known.get(share)
        if before is not None and is_marked_as(before.root, share, other_than=self.own):
            same.append(before.root)
        if same:
            raise ShareRefused(
                self.share.folder,
                f"it is marked as the share that {same[0]} is, as a copy of that is. Remove"
                f" {MARKER} from {self.share.folder}, if that is to be a share of its own, or from"
                f" {same[0]}, if the share has moved",
            )


def no_file(share: Share) -> ShareRefused:
    """What refuses a root in which something else has the name of a marker."""
    return ShareRefused(share.folder, f"{MARKER} in it is no file: remove it")


def _readable_marker(fd: int) -> Marker | None:
    """The marker; None also where nothing in the root can be looked at, so nobody can be served."""
    try:
        return read_marker(fd)
    except PermissionError:
        if os.access(MARKER, os.F_OK, dir_fd=fd):
            raise
        return None


def is_marked_as(root: str, share: str, *, other_than: Identity) -> bool:
    """Whether a directory is marked as a share, and another one than that."""
    with suppress(OSError), passed(root) as fd:
        marker = marker_if_any(fd)
        is_other = identity_of(os.fstat(fd)) != other_than
        return is_other and marker is not None and marker.share == share
    return False


def refuse_living(share: Share, marker: Marker, owner: Owner) -> None:
    """Refuse a share while a server works with the state to which its marker says it belongs.

    That may also be a copy of our own.
    """
    # What was in our own folder is there no more, and the lock is ours.
    folder = Path(marker.folder)
    if marker.folder == owner.folder or not is_of(folder, marker.state):
        return
    with suppress(OSError):
        if is_in_use(folder):
            raise ShareRefused(
                share.folder,
                f"it is served with the state {marker.state} in {folder}: end that server first",
            )


def is_of(folder: Path, instance: str) -> bool:
    """Whether a folder holds the state of an instance. A marker may say anything."""
    with suppress(OSError):
        return (folder / INSTANCE).read_bytes() == instance.encode("ascii")
    return False
