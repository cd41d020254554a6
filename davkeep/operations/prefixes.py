"""By which keys roots are known: where they overlap, by that of the outermost one.

A root that is not served may be the outermost one as well, and a share that is not served may lie
in one that is: shares come and go, and what is stored stays where it is found.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

from davkeep.operations.looks import Owner, is_marked_as, refuse_living
from davkeep.store.shares import KnownShare, root_key
from davkeep.trees.fingerprint import Fingerprint
from davkeep.trees.marker import Marker, marker_if_any
from davkeep.trees.place import Identity, passed
from davkeep.trees.share import Share, key_below
from davkeep.trees.ways import Above, above, ways_to


class _Outer(NamedTuple):
    """An outer root, and the names that lead from it to another one."""

    share: str
    below: tuple[str, ...]

    @property
    def prefix(self) -> bytes:
        return key_below(root_key(self.share), self.below)


class Prefixes:
    """The keys of roots, of which `found` are served, by what their directories are; `known` are
    all that a state knows.
    """

    def __init__(
        self,
        found: Mapping[Identity, KnownShare],
        known: Mapping[str, KnownShare],
        owner: Owner,
    ) -> None:
        self._found = found
        self._known = {**known, **{each.share: each for each in found.values()}}
        self._owner = owner
        self._markers: dict[str, Marker | None] = {}

    def of(self, share: str, *roots: str) -> bytes:
        """The key of the directory that has these real paths, and whose own share is that. Raises
        OSError.
        """
        ways = dict.fromkeys(way for root in roots for way in ways_to(root))
        outers = [outer for way in ways for outer in self._outers(way, share)]
        best = max(outers, key=lambda each: (len(each.below), each.prefix), default=None)
        return _Outer(share, ()).prefix if best is None else best.prefix

    def refuse_around(self, share: Share) -> None:
        """Refuse a root that lies in one that is served with another state. Raises OSError."""
        for way in ways_to(share.folder):
            for directory in above(way):
                marker = self._marker_in(directory.path)
                if marker is not None and marker.state != self._owner.state:
                    refuse_living(share, marker, self._owner)

    def of_others(self) -> Iterator[tuple[KnownShare, bytes]]:
        """Shares that are known and not served, and whose roots lie in one that is; with the key
        that each has there.
        """
        served = {each.share for each in self._found.values()}
        for each in self._known.values():
            if each.share in served or not _is_still(each, self._owner):
                continue
            with suppress(OSError):
                yield each, self.of(each.share, each.root)

    def _outers(self, way: str, share: str) -> Iterator[_Outer]:
        """The outermost root above a directory, on one way to it."""
        for directory in above(way):
            outer = self._share_at(directory)
            if outer not in (None, share):
                yield _Outer(str(outer), directory.below)
                return

    def _share_at(self, directory: Above) -> str | None:
        """Which share the root of which is a directory; None if it is none."""
        served = self._found.get(directory.identity)
        if served is not None:
            return served.share
        marker = self._marker_in(directory.path)
        if marker is None or marker.state != self._owner.state:
            return None
        known = self._known.get(marker.share)
        is_copy = known is None or is_marked_as(
            known.root, marker.share, other_than=directory.identity
        )
        return None if is_copy else marker.share

    def _marker_in(self, path: str) -> Marker | None:
        """The marker in a directory, looked at once: many roots lie below the same ones."""
        if path not in self._markers:
            self._markers[path] = None
            with suppress(OSError), passed(path) as fd:
                self._markers[path] = marker_if_any(fd)
        return self._markers[path]


def _is_still(share: KnownShare, owner: Owner) -> bool:
    """Whether the share is where it was when it was served."""
    with suppress(OSError), passed(share.root) as fd:
        marker = marker_if_any(fd)
        if marker is not None:
            return (marker.share, marker.state) == (share.share, owner.state)
        return share.fingerprint.tells(Fingerprint.of(fd))
    return False
