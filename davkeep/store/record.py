"""What the journal holds of one operation, and the stages that it goes through.

What is to be done about each kind of change stands in ``trees.changes``.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from enum import Enum
from typing import Any

from davkeep.store.locks import Lock
from davkeep.store.subtrees import check_path, former_key
from davkeep.trees.changes import KINDS, Change, HideTree
from davkeep.trees.traces import Inode


class Stage(Enum):
    """How far an operation has come. What a reader sees differs only from CHANGING on."""

    STAGING = "staging"
    """Something hidden is being built."""
    CHANGING = "changing"
    """Names change at this moment; the file system tells whether they have."""
    EFFECTIVE = "effective"
    """The names, properties and locks show the final state. What is hidden is to be purged."""
    RETURNING = "returning"
    """A DELETE is being taken back."""
    UNDONE = "undone"
    """Everything is as it was before. What is hidden is to be purged."""
    UNKNOWN = "unknown"
    """Somebody else changed the same names: nothing more is done, and what is hidden is kept."""


#: Which stages may follow which; None is before the first. A stage follows itself where its record
#: is told something new: another attempt, or another path.
NEXT: Mapping[Stage | None, frozenset[Stage]] = {
    None: frozenset({Stage.STAGING, Stage.CHANGING}),
    Stage.STAGING: frozenset({Stage.STAGING, Stage.CHANGING, Stage.UNDONE}),
    Stage.CHANGING: frozenset(
        {
            Stage.CHANGING,
            # A MOVE whose rename was refused, since it leads to another file system.
            Stage.STAGING,
            Stage.EFFECTIVE,
            Stage.RETURNING,
            Stage.UNDONE,
            Stage.UNKNOWN,
        }
    ),
    Stage.EFFECTIVE: frozenset({Stage.EFFECTIVE, Stage.RETURNING}),
    Stage.RETURNING: frozenset({Stage.RETURNING, Stage.UNDONE}),
    Stage.UNDONE: frozenset({Stage.UNDONE}),
    Stage.UNKNOWN: frozenset({Stage.UNKNOWN}),
}

#: Stages of which nothing but something hidden is left: nothing visible follows from such a record.
SETTLED = frozenset((Stage.EFFECTIVE, Stage.UNDONE, Stage.UNKNOWN))


class IllegalStage(RuntimeError):
    """A stage was to follow that cannot follow: a bug in whoever writes the journal."""


class ImpossibleRecord(ValueError):
    """A record that says what cannot be."""


@dataclass(frozen=True, slots=True)
class Side:
    """The source or the destination: its key, decoded as by `os.fsdecode`."""

    path: str

    @property
    def key(self) -> bytes:
        """The key itself."""
        return os.fsencode(self.path)

    @classmethod
    def of(cls, key: bytes) -> "Side":
        """That with a key."""
        return cls(os.fsdecode(key))


@dataclass(frozen=True)
class Record:
    """What the journal holds of one operation.

    `staging` is the hidden name, `change` what is done to names, None before that is begun. `ended`
    are the locks that a DELETE ended. `status` and `failures` (hrefs with their statuses) are the
    outcome, once that is certain; `finding` is what recovery found instead. Raises
    ImpossibleRecord.
    """

    id: str
    owner: str
    address: str
    method: str
    source_url: str
    destination_url: str | None
    created: float
    staging: str
    source: Side
    destination: Side | None = None
    depth_infinity: bool = True
    stage: Stage = Stage.STAGING
    change: Change | None = None
    ended: tuple[Lock, ...] = ()
    status: int | None = None
    failures: tuple[tuple[str, int], ...] = ()
    finding: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        for problem, is_so in _PROBLEMS.items():
            if is_so(self):
                raise ImpossibleRecord(f"{self.id}: {problem}")

    @property
    def sides(self) -> list["Side"]:
        """The source, and the destination if there is one."""
        return [self.source, *([] if self.destination is None else [self.destination])]

    def following(self, old: str, new: str) -> "Record":
        """The same after `old`, which may hold its sides, has become `new`."""
        destination = self.destination
        return replace(
            self,
            source=_followed(self.source, old, new),
            destination=None if destination is None else _followed(destination, old, new),
        )


def _is_plain(side: Side | None) -> bool:
    """Whether a side has an absolute, plain path."""
    try:
        check_path(os.fsencode("/" if side is None else side.path))
    except ValueError:
        return False
    return True


#: What no record can be, and how that is seen.
_PROBLEMS: Mapping[str, Callable[[Record], bool]] = {
    "a path is none": lambda record: (
        not (_is_plain(record.source) and _is_plain(record.destination))
    ),
    "something is built, and names change already": lambda record: (
        record.stage is Stage.STAGING and record.change is not None
    ),
    "no change is named": lambda record: (
        record.change is None and record.stage not in (Stage.STAGING, Stage.UNDONE)
    ),
    "a change of one name has two, or of two names one": lambda record: (
        record.change is not None and record.change.has_destination is (record.destination is None)
    ),
    "only what was hidden as a whole comes back": lambda record: (
        (record.stage is Stage.RETURNING or bool(record.ended))
        and not isinstance(record.change, HideTree)
    ),
    "the outcome is known before the effective point": lambda record: (
        record.status is not None and record.stage not in (Stage.EFFECTIVE, Stage.RETURNING)
    ),
    "there is a finding of what was never looked at": lambda record: (
        record.finding is not None and record.stage not in SETTLED
    ),
}


def _followed(side: Side, old: str, new: str) -> Side:
    if not side.path.startswith(f"{old}/"):
        return side
    return replace(side, path=new + side.path[len(old) :])


def encoded(record: Record) -> str:
    """A record as text."""
    return json.dumps(vars(record), default=_plain)


def _plain(value: object) -> object:
    """What JSON cannot hold, as what it can; bytes by one character each."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, Stage):
        return value.value
    if isinstance(value, Change):
        return {"kind": value.kind, **_attributes(value)}
    if isinstance(value, Inode | Side | Lock):
        return _attributes(value)
    raise TypeError(f"{value!r} has no place in a record")


def _attributes(value: Any) -> dict[str, Any]:
    return {each.name: getattr(value, each.name) for each in fields(value)}


def decoded(text: str) -> Record:
    """The record that a text holds; ValueError, TypeError, KeyError or AttributeError for none."""
    found: dict[str, Any] = json.loads(text)
    if "action" in found:
        _bring_up(found)
    if "root" in found["source"]:
        _bring_keys_up(found)
    found["stage"] = Stage(found["stage"])
    for name in ("source", "destination"):
        found[name] = None if found[name] is None else Side(**found[name])
    found["change"] = None if found["change"] is None else _change(found["change"])
    found["ended"] = tuple(_lock(each) for each in found["ended"])
    found["failures"] = tuple((href, status) for href, status in found["failures"])
    return Record(**found)


def _change(found: dict[str, Any]) -> Change:
    kind = KINDS[found.pop("kind")]
    return kind(**{name: _value(value) for name, value in found.items()})


def _value(value: Any) -> Any:
    return Inode(**value) if isinstance(value, dict) else value


def _lock(found: dict[str, Any]) -> Lock:
    for name in ("path", "owner_xml"):
        found[name] = found[name].encode("latin-1")
    return Lock(**found)


#: Of records without a class for each kind of change (0.1.0): what each kind takes from them.
_FORMER: Mapping[str, Mapping[str, str]] = {
    "swap": {"new": "new", "old": "old", "lacks_members": "is_partial"},
    "across": {"new": "new", "old": "old", "source": "source_inode", "in_place": "in_place"},
    "rename": {"new": "new", "old": "old"},
    "itself": {"inode": "new"},
    "remove": {"old": "old"},
    "unlink": {"old": "old"},
    "members": {"old": "old"},
}


def side_from(found: dict[str, Any]) -> Side:
    """The side that JSON holds, also one of a time when an entry was known by its real path."""
    return Side(**(_with_key(found) if "root" in found else found))


def _bring_keys_up(found: dict[str, Any]) -> None:
    """Give a record of that time the keys of today."""
    for name in ("source", "destination"):
        found[name] = None if found[name] is None else _with_key(found[name])
    for lock in found["ended"]:
        lock["path"] = former_key(lock["path"].encode("latin-1")).decode("latin-1")


def _with_key(side: dict[str, Any]) -> dict[str, Any]:
    return {"path": os.fsdecode(former_key(os.fsencode(side["path"])))}


def _bring_up(found: dict[str, Any]) -> None:
    """Give a record of that time the form of today."""
    kind = found.pop("action")
    former = {
        name: found.pop(name) for name in ("new", "old", "source_inode", "in_place", "is_partial")
    }
    is_begun = kind is not None and found["stage"] != Stage.STAGING.value
    found["change"] = (
        {"kind": kind, **{name: former[old] for name, old in _FORMER[kind].items()}}
        if is_begun
        else None
    )
    if found["stage"] not in (Stage.EFFECTIVE.value, Stage.RETURNING.value):
        found["status"] = None
