"""Which share each root is: found out at the start, before anything that is stored is looked at,
and again when another directory has come in the place of one.
"""

import logging
import os
import stat
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from davkeep.operations.looks import Look, Owner, ShareRefused
from davkeep.operations.marking import PATIENCE, Marking, mark
from davkeep.operations.prefixes import Prefixes
from davkeep.store.database import Database, StoreError
from davkeep.store.departed import DepartedFile
from davkeep.store.rekey import Change, is_anything_stored, rekey_all
from davkeep.store.shares import KnownShare, KnownShares
from davkeep.store.subtrees import FORMER, former_key
from davkeep.store.uploads import Uploads
from davkeep.trees.fingerprint import Fingerprint
from davkeep.trees.identity import identity_of
from davkeep.trees.marker import Marker, MarkerBroken, alone_at, marker_if_any, read_marker
from davkeep.trees.place import Identity
from davkeep.trees.share import Share
from davkeep.trees.spelling import FOLDING, Spelling
from davkeep.words.threads import ThreadRefusedError, start_brief

_log = logging.getLogger("davkeep.operations")

#: Seconds after which it is noted again that a share was served.
SEEN_AGAIN = 86_400.0


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
        #: What is served, once for each share that was given.
        self._places: dict[Share, _Place] = {}
        #: One at a time finds out what has come in the place of a root.
        self._finding = threading.Lock()
        #: Held while it is looked whether they are what they were.
        self._is_looking = threading.Lock()

    def settle(self, shares: Sequence[Share]) -> None:
        """Identify all of them, before anything is served.

        Raises ShareRefused and StoreError.
        """
        known = {each.share: each for each in self._known.all()}
        looks = [Look.at(share, self._owner) for share in shares]
        found = self._found(looks, known)
        prefixes = Prefixes(found, known, self._owner)
        _refuse_around(prefixes, looks)
        for own, each in found.items():
            roots = [look.share.folder for look in looks if look.own == own]
            prefix = min(_prefixes(prefixes, roots, each.share), key=_outermost)
            found[own] = replace(each, prefix=prefix)
        self._note(looks, found, known, list(prefixes.of_others()))
        for look in looks:
            self._serve(look, found[look.own])
        self._tell_of_others(found.values())

    def _found(
        self, looks: Sequence[Look], known: Mapping[str, KnownShare]
    ) -> dict[Identity, KnownShare]:
        """What each root is. Those with markers come first: they may have moved to another path."""
        found: dict[Identity, KnownShare] = {}
        for look in sorted(looks, key=lambda each: each.marker is None):
            if look.own in found:
                continue
            taken = {each.share for each in found.values()}
            others = {name: each for name, each in known.items() if name not in taken}
            found[look.own] = self._identified(look, others, found.values())
        return found

    def _identified(
        self, look: Look, known: Mapping[str, KnownShare], found: Iterable[KnownShare]
    ) -> KnownShare:
        share = None
        if look.marker is not None:
            look.refuse_foreign(self._owner, look.marker)
            look.refuse_copy(known, found)
            share = look.marker.share
            spelling = _known_spelling(look, known.get(share))
            if spelling is not None and look.marker == self._owner.mark(share):
                return self._as_known(look, share, spelling)
        share = share or self._known_again(look, known) or str(uuid.uuid4())
        return self._as_known(look, *self._marked(look, share))

    def _as_known(self, look: Look, share: str, spelling: Spelling | None) -> KnownShare:
        prefix, root = b"/" + share.encode("ascii"), look.share.folder
        told = None if spelling is None else spelling.as_text()
        before = self._known.get(share)
        is_same = before is not None and (before.root, before.fingerprint) == (
            root,
            look.fingerprint,
        )
        is_adopted = before is not None and is_same and before.is_adopted
        return KnownShare(share, prefix, root, look.fingerprint, self._now(), told, is_adopted)

    def _known_again(self, look: Look, known: Mapping[str, KnownShare]) -> str | None:
        """The share that a root without a marker is; None for one that was never served."""
        for each in known.values():
            if each.is_known_by(look.share.folder, look.fingerprint):
                return each.share
        for each in known.values():
            if each.root != look.share.folder:
                continue
            if is_anything_stored(self._database, each.prefix):
                raise ShareRefused(
                    look.share.folder,
                    f"locks, properties or uploads are stored about the share {each.share} that was"
                    f" there, and nothing tells whether this folder is that share. Is a disk to be"
                    f" mounted there? Or, if this is the share, say so:"
                    f" {self._owner.adopt(look.share.folder)}",
                )
            if look.share.readonly:
                return each.share
            _log.warning("%s is another folder than before, and begins anew", each.root)
            self._known.remove(each)
        return None

    def _marked(self, look: Look, share: str) -> tuple[str, Spelling | None]:
        """Mark a root, if it can be marked; return the share that it is then, and which spellings
        are one there, as far as that was found out.

        A disk that hangs keeps nobody from serving the others: it is marked when it answers.
        """
        seen = FOLDING if look.is_respelled else None
        if look.share.readonly:
            return share, seen
        marking = Marking(look.share, self._owner.mark(share), fsync=self._database.flushes)
        marking.begin(look.marker, is_needed=not look.fingerprint.is_whole)
        other = marking.wait()
        if other is None:
            return share, marking.spelling or seen
        # Another server was faster in this moment.
        look.refuse_foreign(self._owner, other)
        return other.share, None

    def _note(
        self,
        looks: Sequence[Look],
        found: Mapping[Identity, KnownShare],
        known: Mapping[str, KnownShare],
        others: Iterable[tuple[KnownShare, bytes]],
    ) -> None:
        """Let what is stored about shares have its keys of today, and remember where they were."""
        noted = [each for each in found.values() if not _is_known(known.get(each.share), each)]
        moved = [replace(each, prefix=prefix) for each, prefix in others if each.prefix != prefix]
        if not (noted or moved):
            return
        changes = [
            *(change for look in looks for change in _claims(look, found[look.own], known)),
            *(
                Change(known[each.share].prefix, each.prefix)
                for each in (*noted, *moved)
                if each.share in known
            ),
        ]
        changes = [each for each in dict.fromkeys(changes) if each.old != each.new]
        with self._database.transaction():
            self._departed.rekey(changes)
            rekey_all(self._database, changes)
            for each in (*noted, *moved):
                self._known.put(each)
        for each in noted:
            before = known.get(each.share)
            if before is not None and before.fingerprint != each.fingerprint:
                self._uploads.found_again(each.prefix, partial(_inode_in, each))

    def _serve(self, look: Look, found: KnownShare) -> None:
        share = look.share
        share.root.know(look.own, found.prefix)
        _tell_spelling(share, look.own, found)
        place = self._places.setdefault(share, _Place(self, share, found))
        place.served = found
        share.root.recognise = place.recognise
        share.root.find_out = place.find_out

    def _tell_of_others(self, found: Iterable[KnownShare]) -> None:
        """Say what is kept though no share that is served has it."""
        served = {each.share for each in found}
        for each in self._known.all():
            # One that lies in an outer share is served with that.
            outer = each.prefix.split(b"/")[1].decode("ascii")
            if served.isdisjoint((each.share, outer)) and is_anything_stored(
                self._database, each.prefix
            ):
                told = f"the share {each.share}, which was at {each.root}, is not served"
                _log.warning("%s; what is stored about it is kept", told)
        if is_anything_stored(self._database, FORMER):
            _log.warning("what is stored about folders that are not served is kept")

    # While it is served

    @property
    def owner(self) -> Owner:
        """To whom they belong."""
        return self._owner

    def settle_again(self, share: Share) -> None:
        """Another directory is in the place of a root: find out whether it is a share, and serve it
        as that. What is stored keeps its keys. Raises ShareRefused and StoreError.
        """
        with self._finding:
            look = Look.at(share, self._owner)
            if share.root.is_known(look.own):
                return
            known = {each.share: each for each in self._known.all()}
            others = [
                each.served for other, each in self._places.items() if other.folder != share.folder
            ]
            taken = {each.share for each in others}
            free = {name: each for name, each in known.items() if name not in taken}
            found = self._identified(look, free, others)
            before = known.get(found.share)
            found = replace(found, prefix=Prefixes({}, known, self._owner).of(*_at(found)))
            if before is not None and before.prefix != found.prefix:
                raise ShareRefused(share.folder, "it lies in another share than before: restart")
            self._known.put(found)
            self._serve(look, found)

    def look(self) -> None:
        """Look whether each root is the directory that it was, in a thread of its own: one that
        hangs holds up nothing else. To be called from time to time.
        """
        if self._is_looking.acquire(blocking=False):
            try:
                start_brief(self._look_at_all, "davkeep-roots")
            except ThreadRefusedError:
                self._is_looking.release()

    def _look_at_all(self) -> None:
        try:
            for place in list(self._places.values()):
                place.look()
        finally:
            self._is_looking.release()

    def keep(self, known: KnownShare) -> None:
        """Have something known of a share. Raises StoreError."""
        self._known.put(known)

    def is_served(self, share: str) -> bool:
        """Whether the share with a UUID is one of those that are served."""
        return any(each.served.share == share for each in self._places.values())

    def adopt(self, root: str, wanted: str | None = None) -> str:
        """Let the directory that is there now, the real path ``root``, be the share that is served
        from there, which has to be the one ``wanted``; return its UUID.

        Raises ShareRefused, and OSError for a directory that cannot be marked.
        """
        places = (each for share, each in self._places.items() if share.folder == root)
        place = next(places, None)
        if place is None or wanted not in (None, place.served.share):
            raise ShareRefused(root, "it is not served as that: stop the server first")
        return place.adopt(place.served.share, fsync=self._database.flushes)


class _Place:
    """What is served from a path, and whether another directory there is that again."""

    def __init__(self, identities: Identities, share: Share, served: KnownShare) -> None:
        self._identities = identities
        self._share = share
        self.served = served
        #: The directory that was refused last.
        self._refused: Identity | None = None
        self._is_found_out = threading.Event()
        self._guard = threading.Lock()

    def recognise(self, fd: int) -> bytes | None:
        """The key of an open directory, if it is that share; only looked at."""
        served = self.served
        try:
            marker = read_marker(fd)
        except MarkerBroken:
            return None
        if marker is None:
            is_known = served.is_known_by(self._share.folder, Fingerprint.of(fd))
            return served.prefix if is_known else None
        is_ours = marker.state == self._identities.owner.state or self._share.readonly
        return served.prefix if is_ours and marker.share == served.share else None

    def look(self) -> None:
        """Have it asked what is there, if that is another directory with the same numbers."""
        with suppress(OSError), self._share.root.looked_at() as fd:
            is_same = self.served.fingerprint == Fingerprint.of(fd)
            if not is_same and self.recognise(fd) is None:
                self._refused = None
                self._share.root.doubt()

    def find_out(self) -> None:
        """Have it found out what is there, once for each directory, and wait for that a moment."""
        with self._guard:
            if self._is_settled():
                return
            self._is_found_out.clear()
            try:
                start_brief(self._find_out, "davkeep-identity")
            except ThreadRefusedError:
                return
            self._is_found_out.wait(PATIENCE)

    def _is_settled(self) -> bool:
        """Whether it is known what is there, or that it is refused."""
        own = self._own()
        return own in (None, self._refused) or self._share.root.is_known(own)

    def _own(self) -> Identity | None:
        with suppress(OSError), self._share.root.looked_at() as fd:
            return identity_of(os.fstat(fd))
        return None

    def _find_out(self) -> None:
        own = self._own()
        try:
            self._identities.settle_again(self._share)
        except (ShareRefused, StoreError, OSError) as error:
            self._refused = own
            _log.warning("another folder is in the place of a share: %s", error)
        finally:
            self._is_found_out.set()

    def adopt(self, share: str, *, fsync: bool) -> str:
        """Mark what is there now, or note it where that cannot be. Raises ShareRefused for what is
        marked already, OSError and StoreError.
        """
        marker = self._identities.owner.mark(share)
        with self._share.root.looked_at() as fd, alone_at(fd):
            before = marker_if_any(fd)
            if before is None:
                self._mark(fd, marker, fsync=fsync)
            elif before != marker:
                raise ShareRefused(
                    self._share.folder,
                    f"it is marked as the share {before.share} of the state {before.state}: stop"
                    f" the server first",
                )
        return share

    def _mark(self, fd: int, marker: Marker, *, fsync: bool) -> None:
        if mark(self._share, fd, marker, fsync=fsync) is None:
            root, found = self._share.folder, Fingerprint.of(fd)
            self.served = replace(self.served, root=root, fingerprint=found, is_adopted=True)
            self._identities.keep(self.served)


def _claims(look: Look, found: KnownShare, known: Mapping[str, KnownShare]) -> Iterator[Change]:
    """What an earlier version knew by the path of a root that was not served since, or by that of a
    link to it, where the root was before.
    """
    if found.share not in known:
        root = look.share.root
        for path in dict.fromkeys((root.folder, root.given)):
            yield Change(former_key(os.fsencode(path)), found.prefix)


def _refuse_around(prefixes: Prefixes, looks: Iterable[Look]) -> None:
    for look in looks:
        try:
            prefixes.refuse_around(look.share)
        except OSError as error:
            raise ShareRefused(look.share.folder, error.strerror or str(error)) from None


def _at(found: KnownShare) -> tuple[str, str]:
    return found.root, found.share


def _prefixes(prefixes: Prefixes, roots: Iterable[str], share: str) -> list[bytes]:
    """The keys that a directory has by each of the paths under which it is served."""
    try:
        return [prefixes.of(root, share) for root in roots]
    except OSError as error:
        raise ShareRefused(next(iter(roots)), error.strerror or str(error)) from None


def _outermost(prefix: bytes) -> tuple[int, bytes]:
    """What is known by an outer root comes first."""
    return -prefix.count(b"/"), prefix


def _inode_in(share: KnownShare, key: bytes) -> str | None:
    """The inode number of what has a key in a share, as text; None if there is no such file."""
    with suppress(OSError):
        path = os.fsencode(share.root) + key[len(share.prefix) :]
        status = os.lstat(path)
        return str(status.st_ino) if stat.S_ISREG(status.st_mode) else None
    return None


def _known_spelling(look: Look, before: KnownShare | None) -> Spelling | None:
    """What was found out of the spelling of names before, if it holds still.

    It may be a matter of how the file system is mounted, so where names are folded, or were, it is
    found out again.
    """
    if before is None or before.spelling is None or before.fingerprint != look.fingerprint:
        return None
    known = Spelling.from_text(before.spelling)
    return None if known.folds or look.is_respelled else known


def _tell_spelling(share: Share, own: Identity, known: KnownShare) -> None:
    if known.spelling is None:
        share.spellings.forget(own[0])
    else:
        share.spellings.settle(own[0], Spelling.from_text(known.spelling))


def _is_known(before: KnownShare | None, found: KnownShare) -> bool:
    """Whether nothing is to be noted: the same is known, and was seen lately."""
    if before is None or found.seen - before.seen >= SEEN_AGAIN:
        return False
    return replace(before, seen=found.seen) == found
