"""How far uploads are, as it is told to those who ask and to those who are refused."""

from dataclasses import dataclass

from davkeep.dav.uploads.address import standing_fields
from davkeep.store.uploads import StoredUpload
from davkeep.words.content_range import ContentRange
from davkeep.words.failure import Failure

#: A user's name, and for the anonymous one the address.
Owner = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Standing:
    """How far an upload is: bytes of it and of the whole, and the seconds it is still kept."""

    offset: int
    length: int
    left: float


@dataclass(frozen=True, slots=True)
class Unfinished:
    """One upload in a list; ``path`` is the target's real one, ``age`` in seconds."""

    id: str
    owner: Owner
    path: bytes
    standing: Standing
    age: float


def mismatch(row: StoredUpload, arrived: int, part: ContentRange) -> Failure:
    """409 for a part that does not go on with what has arrived."""
    if row.length != part.total:
        explanation = "This upload is of a file of another length."
    else:
        explanation = "The range begins after what has arrived."
    return refused(explanation, arrived, row.length)


def refused(explanation: str, offset: int, length: int | None) -> Failure:
    """409 that says where to go on; ``length`` is None where there is no upload."""
    explanation = f"{explanation} Go on at byte {offset}."
    return Failure(409, explanation, fields=standing_fields(offset, length))
