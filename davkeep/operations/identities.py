"""Which share each root is: found out at the start, before anything that is stored is looked at,
and again when another directory has come in the place of one.
"""

import errno
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
from davkeep.operations.marking import PATIENCE, Marking
from davkeep.operations.places import Place
from davkeep.operations.prefixes import Prefixes
from davkeep.store.database import Database
from davkeep.store.departed import DepartedFile
from davkeep.store.rekey import Change, is_anything_stored, rekey_all
from davkeep.store.shares import KnownShare, KnownShares, root_key
from davkeep.store.subtrees import FORMER, former_key
from davkeep.store.uploads import Uploads
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
        self._places: dict[Share, Place] = {}
        #: Held by who finds out what has come in the place of a root.
        self._finding = threading.Lock()

    @property
    def owner(self) -> Owner:
        """To whom the shares belong."""
        return self._owner

    def settle(self, shares: Sequence[Share]) -> None:
        """Identify all of them, before anything is served.

        Raises ShareRefused and StoreError.
        """
        known = {each.share: each for each in self._known.all()}
        looks = [Look.at(share, self._owner) for share in shares]
        found = self._found(looks, known)
        prefixes = Prefixes(found, known, self._owner)
        for own, each in found.items():
            roots = [look.share for look in looks if look.own == own]
            found[own] = replace(each, prefix=_prefix(prefixes, each.share, roots))
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
            share = look.marker.share
            look.refuse_copy(share, known, found)
            spelling = _known_spelling(look, known.get(share))
            if spelling is not None and look.marker == self._owner.mark(share):
                return self._as_known(look, share, known[share], spelling)
        share = share or self._known_again(look, known) or str(uuid.uuid4())
        share, spelling = self._marked(look, share)
        return self._as_known(look, share, known.get(share), spelling)

    def _as_known(
        self, look: Look, share: str, before: KnownShare | None, spelling: Spelling | None
    ) -> KnownShare:
        """What is known of a share from now on; what cannot be told just now is as it was."""
        told = None if spelling is None else spelling.as_text()
        found = look.fingerprint
        known = KnownShare(share, root_key(share), look.share.folder, found, self._now(), told)
        if before is None:
            return known
        if before.fingerprint.is_whole and not found.is_whole and before.fingerprint.may_be(found):
            known = replace(known, fingerprint=before.fingerprint)
        is_same = (before.root, before.fingerprint) == (known.root, known.fingerprint)
        return replace(known, is_adopted=before.is_adopted and is_same)

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
            # While it serves, somebody may still store something about it.
            if not self._places:
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
            self._find_uploads(known.get(each.share), each)

    def _find_uploads(self, before: KnownShare | None, found: KnownShare) -> None:
        """Know the hidden files of uploads again, where a share is on another disk than before."""
        if before is not None and before.fingerprint != found.fingerprint:
            self._uploads.found_again(found.prefix, partial(_inode_in, found))

    def _serve(self, look: Look, found: KnownShare) -> None:
        place = self._places.get(look.share)
        if place is None:
            place = Place(look.share, found, self._owner, self.settle_again)
            self._places[look.share] = place
        place.serve(look.own, found)

    def _tell_of_others(self, found: Iterable[KnownShare]) -> None:
        """Say what is kept though no share that is served has it."""
        served = {each.share for each in found}
        for each in self._known.all():
            # One that lies in an outer share is served with that.
            if served.isdisjoint((each.share, each.outer)) and is_anything_stored(
                self._database, each.prefix
            ):
                told = f"the share {each.share}, which was at {each.root}, is not served"
                _log.warning("%s; what is stored about it is kept", told)
        if is_anything_stored(self._database, FORMER):
            _log.warning("what is stored about folders that are not served is kept")

    # While it is served

    def settle_again(self, share: Share) -> None:
        """Another directory is in the place of a root: find out whether it is a share, and serve it
        as that. What is stored keeps its keys. Raises ShareRefused, StoreError and OSError.
        """
        look = Look.at(share, self._owner)
        if not self._finding.acquire(timeout=PATIENCE):
            raise TimeoutError(errno.ETIMEDOUT, f"{share.folder}: another root does not answer")
        try:
            for place in self._places_around(share):
                self._settle_again(Look.at(place.share, self._owner))
            self._settle_again(look)
        finally:
            self._finding.release()

    def _places_around(self, share: Share) -> list[Place]:
        """Those of outer roots, the outermost first."""
        around = [
            place
            for other, place in self._places.items()
            if share.folder.startswith(other.folder.rstrip("/") + "/")
        ]
        return sorted(around, key=lambda place: len(place.share.folder))

    def _settle_again(self, look: Look) -> None:
        root = look.share.root
        if root.is_known(look.own):
            return
        others = [each for each in self._places.values() if each.share is not look.share]
        same = [each for each in others if each.share.root.is_known(look.own)]
        if same:
            self._serve(look, same[0].served)
            return
        found = self._found_in_place(look, others)
        self._serve(look, found)

    def _found_in_place(self, look: Look, others: Iterable[Place]) -> KnownShare:
        """Which share a directory is that has come in the place of a root."""
        known = {each.share: each for each in self._known.all()}
        served = {each.share.root.identities[-1]: each.served for each in others}
        taken = {each.share for each in served.values()}
        free = {name: each for name, each in known.items() if name not in taken}
        found = self._identified(look, free, served.values())
        before = known.get(found.share)
        prefixes = Prefixes(served, known, self._owner)
        found = replace(found, prefix=prefixes.of(found.share, look.share.folder))
        if before is not None and before.prefix != found.prefix:
            raise ShareRefused(look.share.folder, "it lies in another share than before: restart")
        if not _is_known(before, found):
            self._known.put(found)
            self._find_uploads(before, found)
        return found

    def look(self) -> None:
        """Look whether each root is the directory that it was, in a thread of its own: one that
        hangs holds up nothing else. To be called from time to time.
        """
        # The next time it is tried again.
        with suppress(ThreadRefusedError):
            start_brief(self._look_at_all, "davkeep-roots")

    def _look_at_all(self) -> None:
        for place in list(self._places.values()):
            place.look()

    def is_served(self, share: str) -> bool:
        """Whether the share with a UUID is one of those that are served."""
        return any(each.served.share == share for each in self._places.values())

    def adopt(self, root: str, wanted: str | None = None) -> str:
        """Let the directory that is there now, the real path ``root``, be the share that is served
        from there, which has to be the one ``wanted``; return its UUID.

        Raises ShareRefused, and OSError for a directory that cannot be marked.
        """
        places = [each for share, each in self._places.items() if share.folder == root]
        if not places or wanted not in (None, places[0].served.share):
            raise ShareRefused(root, "it is not served as that: stop the server first")
        for place in places:
            self._known.put(place.adopt(fsync=self._database.flushes))
        return places[0].served.share


def _claims(look: Look, found: KnownShare, known: Mapping[str, KnownShare]) -> Iterator[Change]:
    """What an earlier version knew by the path of a root that was not served since, or by that of a
    link to it, where the root was before.
    """
    if found.share not in known:
        root = look.share.root
        for path in dict.fromkeys((root.folder, root.given)):
            yield Change(former_key(os.fsencode(path)), found.prefix)


def _prefix(prefixes: Prefixes, share: str, roots: Sequence[Share]) -> bytes:
    """The key of a directory that is served under some paths. Raises ShareRefused."""
    try:
        for root in roots:
            prefixes.refuse_around(root)
        return prefixes.of(share, *(root.folder for root in roots))
    except OSError as error:
        raise ShareRefused(roots[0].folder, error.strerror or str(error)) from None


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


def _is_known(before: KnownShare | None, found: KnownShare) -> bool:
    """Whether nothing is to be noted: the same is known, and was seen lately."""
    if before is None or found.seen - before.seen >= SEEN_AGAIN:
        return False
    return replace(before, seen=found.seen) == found
