"""Whether the roots that are there now are the shares that a backup knows."""

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

from davkeep.store.shares import KnownShare
from davkeep.trees.fingerprint import Fingerprint
from davkeep.trees.marker import Marker, MarkerBroken, read_marker
from davkeep.trees.place import passed


class Fit(Enum):
    """What the folder in the place of a root is, in words."""

    FITS = "fits"
    ABSENT = "is not there"
    OTHER = "is another share now"
    FOREIGN = "belongs to another state now"
    UNMARKED = "is not marked"
    UNREADABLE = "cannot be looked at"

    @property
    def is_obstacle(self) -> bool:
        """Whether what is stored might come to belong to another folder."""
        return self not in (Fit.FITS, Fit.ABSENT)


class Fitting(NamedTuple):
    """One share, and what is in the place of its root."""

    share: KnownShare
    fit: Fit

    def __str__(self) -> str:
        """In one line."""
        return f"{self.share.root}, the share {self.share.share}: {self.fit.value}"


def fittings(shares: Iterable[KnownShare], instance: str | None) -> list[Fitting]:
    """Root by root; ``instance`` is that of the backup."""
    return [Fitting(share, _fit(share, instance)) for share in shares]


def _fit(share: KnownShare, instance: str | None) -> Fit:
    try:
        with passed(share.root) as fd:
            return _told(share, instance, read_marker(fd), Fingerprint.of(fd))
    except (FileNotFoundError, NotADirectoryError):
        return Fit.ABSENT
    except (OSError, MarkerBroken):
        return Fit.UNREADABLE


def _told(
    share: KnownShare, instance: str | None, marker: Marker | None, found: Fingerprint
) -> Fit:
    """What cannot be marked is known by what the kernel tells of it."""
    if marker is None:
        return Fit.FITS if share.is_known_by(share.root, found) else Fit.UNMARKED
    if marker.share != share.share:
        return Fit.OTHER
    return Fit.FITS if instance in (None, marker.state) else Fit.FOREIGN
