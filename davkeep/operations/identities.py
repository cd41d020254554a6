"""Which share each root is: found out at the start, before anything that is stored is looked at."""

import logging
import os
import stat
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from davkeep.operations.marking import Marking, mark
from davkeep.store.database import Database
from davkeep.store.departed import DepartedFile
from davkeep.store.files import is_in_use
from davkeep.store.rekey import is_anything_below, rekey
from davkeep.store.shares import KnownShare, KnownShares
from davkeep.store.subtrees import FORMER, former_key
from davkeep.store.uploads import Uploads
from davkeep.trees.fingerprint import Fingerprint
from davkeep.trees.identity import identity_of
from davkeep.trees.marker import (
    MARKER,
    Marker,
    MarkerBroken,
    alone_at,
    marker_if_any,
    read_marker,
    write_marker,
)
from davkeep.trees.place import PASS, Identity
from davkeep.trees.share import Share

_log = logging.getLogger("davkeep.operations")

#: Seconds after which it is noted again that a share was served.
SEEN_AGAIN = 86_400.0

_ADOPT = "`davkeep state adopt`"


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


class Identities:
    """Finds out which share each root is, and gives it the keys of that share.

    A share is known by the marker in its root. Where none can be written it is known by its file
    system's UUID, and by the inode number and the time of birth of the root.
    """

    def __init__(
        self,
        database: Database,
        departed: DepartedFile,
        owner: Owner,
        now: Callable[[], float],
    ) -> None:
        """``now``: seconds of the epoch."""
        self._database = database
        self._departed = departed
        self._known = KnownShares(database)
        self._uploads = Uploads(database)
        self._owner = owner
        self._now = now
        #: Those that are served, by the real paths of their roots.
        self._recognitions: dict[str, _Recognition] = {}

    def settle(self, shares: Sequence[Share]) -> None:
        """Identify all of them, before anything is served.

        Raises ShareRefused, StoreError, and OSError for a root that cannot be opened.
        """
        known = {each.share: each for each in self._known.all()}
        roots = {share.root.identities[-1]: share for share in shares}
        found = self._found(roots, known)
        for own in sorted(roots, key=lambda own: len(roots[own].root.identities)):
            found[own] = replace(found[own], prefix=_prefix(roots[own], found))
            self._note(found[own])
        for share in shares:
            each = found[share.root.identities[-1]]
            share.prefix = each.prefix
            recognition = _Recognition(self, share, each)
            share.root.recognise = recognition.looks_right
            self._recognitions[share.folder] = recognition
        self._tell_of_others(known, found.values())

    def _found(
        self, roots: Mapping[Identity, Share], known: Mapping[str, KnownShare]
    ) -> dict[Identity, KnownShare]:
        """What each root is. Those with markers come first: they may have moved to another path."""
        looks = {own: self._look(share) for own, share in roots.items()}
        found: dict[Identity, KnownShare] = {}
        for own, look in sorted(looks.items(), key=lambda each: each[1].marker is None):
            taken = {each.share for each in found.values()}
            others = {name: each for name, each in known.items() if name not in taken}
            found[own] = self._identified(look, others, found.values())
        return found

    def _look(self, share: Share) -> "_Look":
        with share.root.opened() as fd:
            try:
                return _Look(share, read_marker(fd), Fingerprint.of(fd))
            except MarkerBroken as error:
                raise ShareRefused(
                    share.folder,
                    f"{MARKER} in it says nothing: {error}. Say which share this is with {_ADOPT}",
                ) from None

    def _identified(
        self, look: "_Look", known: Mapping[str, KnownShare], found: Iterable[KnownShare]
    ) -> KnownShare:
        if look.marker is not None:
            self._refuse_foreign(look.share, look.marker)
            _refuse_copy(look, look.marker, known, found)
            return self._as_known(look, look.marker.share)
        share = self._known_again(look, known) or str(uuid.uuid4())
        return self._as_known(look, self._marked(look, self._marker(share)))

    def _as_known(self, look: "_Look", share: str) -> KnownShare:
        prefix = b"/" + share.encode("ascii")
        return KnownShare(share, prefix, look.share.folder, look.fingerprint, self._now())

    def _refuse_foreign(self, share: Share, marker: Marker) -> None:
        """Refuse a share of another state, unless nothing that others store can be harmed here."""
        if marker.state != self._owner.state and not share.readonly:
            refuse_living(share, marker, self._owner)
            raise ShareRefused(
                share.folder,
                f"it belongs to the state {marker.state} in {marker.folder}, with which no server"
                f" works. Take it over with {_ADOPT}",
            )

    def _known_again(self, look: "_Look", known: Mapping[str, KnownShare]) -> str | None:
        """The share that a root without a marker is; None for one that was never served."""
        for each in known.values():
            if each.fingerprint.tells(look.fingerprint):
                return each.share
        for each in known.values():
            if each.root != look.share.folder or look.share.readonly:
                continue
            if is_anything_below(self._database, each.prefix):
                raise ShareRefused(
                    look.share.folder,
                    f"locks or properties are stored about the share {each.share} that was there,"
                    f" and nothing tells whether this folder is that share. If it is, say so with"
                    f" {_ADOPT}",
                )
            _log.warning("%s is another folder than before, and begins anew", each.root)
            self._known.remove(each.share)
        return None

    def _marker(self, share: str) -> Marker:
        return Marker(share, self._owner.state, self._owner.folder)

    def _marked(self, look: "_Look", marker: Marker) -> str:
        """Mark a root, if it can be marked; return the share that it is then.

        A disk that hangs keeps nobody from serving the others: it is marked when it answers.
        """
        if look.share.readonly:
            return marker.share
        marking = Marking(look.share, marker, fsync=self._database.flushes)
        marking.begin(is_needed=not look.fingerprint.is_whole)
        other = marking.wait()
        if other is None:
            return marker.share
        # Another server was faster in this moment.
        self._refuse_foreign(look.share, other)
        return other.share

    def begin_anew(self, share: Share, known: KnownShare, fd: int) -> bool:
        """Whether an unknown folder in the place of a share may be that from now on: as long as
        nothing is stored about the share, nothing can come to belong to another one.
        """
        if is_anything_below(self._database, known.prefix):
            return False
        _log.warning("%s is another folder than before, and begins anew", share.folder)
        if not share.readonly:
            mark(share, fd, self._marker(known.share), fsync=self._database.flushes)
        return True

    def adopt(self, root: str, wanted: str | None = None) -> str:
        """Let the directory that is there now, the real path ``root``, be the share that is served
        from there, which has to be the one ``wanted``; return its UUID.

        Raises ShareRefused, and OSError for a directory that cannot be marked.
        """
        recognition = self._recognitions.get(root)
        if recognition is None or wanted not in (None, recognition.share):
            raise ShareRefused(root, "it is not served as that: stop the server first")
        return recognition.adopt(self._marker(recognition.share), fsync=self._database.flushes)

    def is_served(self, share: str) -> bool:
        """Whether the share with a UUID is one of those that are served."""
        return any(each.share == share for each in self._recognitions.values())

    def _note(self, found: KnownShare) -> None:
        """Let what is stored about a share have its keys of today, and remember where it was."""
        before = self._known.get(found.share)
        if before is not None and _is_known(before, found):
            return
        with self._database.transaction():
            if before is None:
                self._rekey(former_key(os.fsencode(found.root)), found.prefix)
            elif before.prefix != found.prefix:
                self._rekey(before.prefix, found.prefix)
            if before is not None and before.fingerprint != found.fingerprint:
                self._uploads.found_again(found.prefix, partial(_inode_in, found))
            self._known.put(found)

    def _rekey(self, old: bytes, new: bytes) -> None:
        self._departed.rekey(old, new)
        rekey(self._database, old, new)

    def _tell_of_others(self, known: Mapping[str, KnownShare], found: Iterable[KnownShare]) -> None:
        """Say what is kept though no share that is served has it."""
        served = {each.share for each in found}
        for each in known.values():
            if each.share not in served and is_anything_below(self._database, each.prefix):
                _log.warning("%s is not served; what is stored about it is kept", each.root)
        if is_anything_below(self._database, FORMER):
            _log.warning("what is stored about folders that are not served is kept")


class _Recognition:
    """Whether another directory in the place of a root is that share again."""

    def __init__(self, identities: Identities, share: Share, known: KnownShare) -> None:
        self._identities = identities
        self._share = share
        self._known = known

    def looks_right(self, fd: int) -> bool:
        """Look at an open directory. Raises OSError."""
        try:
            marker = read_marker(fd)
        except MarkerBroken:
            return False
        if marker is not None:
            return marker.share == self._known.share
        if self._known.fingerprint.tells(Fingerprint.of(fd)):
            return True
        return self._identities.begin_anew(self._share, self._known, fd)

    @property
    def share(self) -> str:
        """The UUID of the share."""
        return self._known.share

    def adopt(self, marker: Marker, *, fsync: bool) -> str:
        """Mark what is there now. Raises ShareRefused for what is marked already, and OSError."""
        with ExitStack() as opened:
            fd = os.open(self._share.folder, PASS)
            opened.callback(os.close, fd)
            opened.enter_context(alone_at(fd))
            before = marker_if_any(fd)
            if before is None:
                write_marker(fd, marker, fsync=fsync)
            elif before != marker:
                raise ShareRefused(
                    self._share.folder,
                    f"it is marked as the share {before.share} of the state {before.state}: stop"
                    f" the server first",
                )
        return marker.share


@dataclass(frozen=True, slots=True)
class _Look:
    """What was seen of a root."""

    share: Share
    marker: Marker | None
    fingerprint: Fingerprint


def _is_known(before: KnownShare, found: KnownShare) -> bool:
    """Whether nothing is to be noted: the same is known, and was seen lately."""
    return found.seen - before.seen < SEEN_AGAIN and replace(before, seen=found.seen) == found


def _inode_in(share: KnownShare, key: bytes) -> str | None:
    """The inode number of what has a key in a share, as text; None if there is no such file."""
    with suppress(OSError):
        path = os.fsencode(share.root) + key[len(share.prefix) :]
        status = os.lstat(path)
        return str(status.st_ino) if stat.S_ISREG(status.st_mode) else None
    return None


def _refuse_copy(
    look: _Look,
    marker: Marker,
    known: Mapping[str, KnownShare],
    found: Iterable[KnownShare],
) -> None:
    """Refuse a root whose marker is in another one as well: one was copied with all it holds."""
    same = [each.root for each in found if each.share == marker.share]
    before = known.get(marker.share)
    own = look.share.root.identities[-1]
    if before is not None and is_marked_as(before.root, marker.share, other_than=own):
        same.append(before.root)
    if same:
        raise ShareRefused(
            look.share.folder,
            f"it is marked as the share that {same[0]} is, as a copy of that is. Remove"
            f" {MARKER} from the copy, which then is a share of its own",
        )


def is_marked_as(root: str, share: str, *, other_than: Identity) -> bool:
    """Whether a directory is marked as a share, and another one than that."""
    with suppress(OSError), ExitStack() as opened:
        fd = os.open(root, PASS)
        opened.callback(os.close, fd)
        marker = marker_if_any(fd)
        is_other = identity_of(os.fstat(fd)) != other_than
        return is_other and marker is not None and marker.share == share
    return False


def refuse_living(share: Share, marker: Marker, owner: Owner) -> None:
    """Refuse a share while a server works with the state to which its marker says it belongs."""
    # What was in our own folder is there no more, and the lock is ours.
    if marker.folder != owner.folder and is_in_use(Path(marker.folder)):
        raise ShareRefused(
            share.folder,
            f"it is served with the state {marker.state} in {marker.folder}: end that server first",
        )


def _prefix(share: Share, found: Mapping[Identity, KnownShare]) -> bytes:
    """The key of a root: it begins at the outermost root in which it lies."""
    names = [name for name in share.folder.split("/") if name]
    for depth, identity in enumerate(share.root.identities):
        outer = found.get(identity)
        if outer is not None:
            below = [os.fsencode(name) for name in names[depth:]]
            return b"/".join((b"", outer.share.encode("ascii"), *below))
    raise KeyError(share.folder)
