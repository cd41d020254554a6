"""The operations of a server, asked for through their status monitors."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

from davkeep.client.address import Address, CannotAsk
from davkeep.client.credentials import Credentials
from davkeep.client.documents import parsed
from davkeep.client.session import Session, problem
from davkeep.client.wire import Heard
from davkeep.words.display import clipped
from davkeep.words.escaping import escaped

#: The reserved resource, below the URL.
RESOURCE = ".davkeep/operations"

#: An identifier, or the first digits of one.
_ID = re.compile(r"[0-9a-f]+")

_COUNT = re.compile(r"[0-9]{1,18}", re.ASCII)

#: Digits of a whole identifier.
_WHOLE = 32

#: Seconds that an answer is waited for, beyond those that were asked for.
WITHIN = 30.0

#: Seconds that the end of a cancelled operation is waited for.
UNDO_WITHIN = 60

#: Most of a list that is read, in bytes: more than a server remembers.
MOST_CONTENT = 64 << 20

#: No count, and no number of seconds, is larger.
LARGEST = 2**63

_MEANINGS = {
    403: "the server refuses",
    410: "the operation has ended, and is not remembered any more",
}

#: Characters of a text that are shown.
MOST_TEXT = 2000

#: Field of a list that is cut: how many there are.
TOTAL = "x-total-count"


class Operation:
    """What a status monitor says; whatever is missing in it, or of a wrong type, is unknown."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self.told = told

    def text(self, name: str) -> str:
        """A member as it can be shown, whatever the server sent; empty for null."""
        return _shown(self._word(name))

    def _word(self, name: str) -> str:
        value = self.told.get(name)
        return str(value) if isinstance(value, str | int | float) and value else ""

    def number(self, name: str) -> float | None:
        """A member that is a number, and one that can be meant; else None."""
        value = self.told.get(name)
        if not isinstance(value, int | float) or isinstance(value, bool):
            return None
        return value if 0 <= value < LARGEST else None

    @property
    def id(self) -> str:
        """Its identifier."""
        return self.text("id")

    @property
    def is_over(self) -> bool:
        """Whether it has its final status."""
        return self.told.get("status") is not None

    @property
    def state(self) -> str:
        """Its state, for people."""
        return "cancelling" if self.told.get("cancelling") else self.text("state")

    @property
    def what(self) -> str:
        """Source and destination, for people."""
        paths = [self._word("source"), self._word("destination")]
        return " -> ".join(_shown(unquote(path)) for path in paths if path)

    @property
    def done(self) -> float | None:
        """The part that is done, from 0 to 1; None while the whole is unknown."""
        for counted in ("bytes", "members"):
            done, total = self.number(f"{counted}_done"), self.number(f"{counted}_total")
            if done is None or total is None:
                return None
            if total > 0:
                return min(done / total, 1.0)
        return None


def _shown(text: str) -> str:
    return escaped(clipped(text, MOST_TEXT))


@dataclass(frozen=True)
class Listed:
    """Operations, the newest first, and how many more there are."""

    operations: Sequence[Operation]
    left_out: int


def chosen(operations: Sequence[Operation], most: int) -> Sequence[Operation]:
    """At most so many, in their order: those that are not over first, and the newest."""
    if len(operations) <= most:
        return operations
    # Sorting keeps the order of equals.
    kept = {id(each) for each in sorted(operations, key=lambda each: each.is_over)[:most]}
    return [each for each in operations if id(each) in kept]


class Monitors:
    """All operations of one server that a user may see."""

    def __init__(self, address: Address, credentials: Credentials | None) -> None:
        """Nothing is sent yet. A URL of the operations themselves will do as well."""
        path = address.path.partition("/.davkeep/")[0].removesuffix("/")
        self._session = Session(replace(address, path=f"{path}/"), credentials, "ops")
        self._is_introduced = credentials is None

    def all(self) -> list[Operation]:
        """What there is, the newest first. Raises CannotAsk."""
        return self._listed(RESOURCE)[0]

    def newest(self, most: int) -> Listed:
        """At most so many of them, those that are not over first. Raises CannotAsk."""
        operations, heard = self._listed(f"{RESOURCE}?limit={most}")
        # A server of before the parameter sends all.
        shown = chosen(operations, most)
        total = heard.fields.get(TOTAL, "")
        known = int(total) if _COUNT.fullmatch(total) else 0
        return Listed(shown, max(known, len(operations)) - len(shown))

    def _listed(self, resource: str) -> tuple[list[Operation], Heard]:
        heard = self._ask("GET", resource)
        found = parsed(heard) if heard.status == 200 else None
        if not isinstance(found, list):
            raise _refused(heard, {})
        return [Operation(each) for each in found if isinstance(each, dict)], heard

    def cancel(self, id: str) -> Operation:
        """Cancel, and wait a while for the end; the identifier's first digits will do.

        Raises CannotAsk.
        """
        whole = self._whole(id)
        heard = self._ask("DELETE", f"{RESOURCE}/{whole}")
        if heard.status != 202:
            missing = f"there is no operation {id} that this user may see"
            raise _refused(heard, {404: missing, 409: "it is too late to cancel it"})
        return self._end(whole)

    def _end(self, id: str) -> Operation:
        fields = {"Prefer": f"wait={UNDO_WITHIN}"}
        heard = self._ask("GET", f"{RESOURCE}/{id}", WITHIN + UNDO_WITHIN, fields)
        found = parsed(heard) if heard.status in (200, 202) else None
        if not isinstance(found, dict):
            raise _refused(heard, {})
        return Operation(found)

    def _whole(self, id: str) -> str:
        """The only identifier that begins so."""
        if not _ID.fullmatch(id):
            raise CannotAsk(f"{id!a} is no operation's identifier")
        if len(id) >= _WHOLE:
            return id
        ids = [each.id for each in self.all() if _ID.fullmatch(each.id)]
        found = [each for each in ids if each.startswith(id)]
        if len(found) != 1:
            raise CannotAsk(f"{len(found) or 'no'} operations begin with {id}")
        return found[0]

    def _ask(
        self,
        method: str,
        resource: str,
        within: float = WITHIN,
        fields: Mapping[str, str] | None = None,
    ) -> Heard:
        if not self._is_introduced:
            # The list may be open to everybody, and asks nobody for a name then.
            self._is_introduced = True
            self._session.ask("GET", f"{RESOURCE}/-", within)
        return self._session.ask(method, resource, within, fields, MOST_CONTENT)


def _refused(heard: Heard, meanings: Mapping[int, str]) -> CannotAsk:
    otherwise = "that is no answer to it"
    return CannotAsk(problem(heard, {**_MEANINGS, **meanings}, otherwise))
