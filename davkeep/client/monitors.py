"""The operations of a server, asked for through their status monitors."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from davkeep.client.address import Address, CannotAsk
from davkeep.client.credentials import Credentials
from davkeep.client.session import Session, problem
from davkeep.client.wire import Heard

#: The reserved resource, below the URL.
RESOURCE = ".davkeep/operations"

#: An identifier, or the first digits of one.
_ID = re.compile(r"[0-9a-f]+")

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

#: What is not to get from a server to a terminal.
_UNPRINTABLE = "\N{REPLACEMENT CHARACTER}"


class Operation:
    """What a status monitor says; whatever is missing in it counts as unknown."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self.told = told

    def text(self, name: str) -> str:
        """A member, printable whatever the server sent; empty for null."""
        return printable(str(self.told.get(name) or ""))

    def number(self, name: str) -> float | None:
        """A member that is a number, and one that can be meant; else None."""
        value = self.told.get(name)
        return value if isinstance(value, int | float) and abs(value) < LARGEST else None

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
        paths = [self.text("source"), self.text("destination")]
        return " -> ".join(printable(unquote(path)) for path in paths if path)

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


def printable(text: str) -> str:
    """The text without what would command a terminal."""
    return "".join(each if each.isprintable() else _UNPRINTABLE for each in text)


class Monitors:
    """All operations of one server that a user may see."""

    def __init__(self, address: Address, credentials: Credentials | None) -> None:
        """Nothing is sent yet. A URL of the operations themselves will do as well."""
        path = address.path.partition("/.davkeep/")[0].removesuffix("/")
        self._session = Session(replace(address, path=f"{path}/"), credentials, "ops")
        self._is_introduced = credentials is None

    def all(self) -> list[Operation]:
        """What there is, in the server's order. Raises CannotAsk."""
        heard = self._ask("GET", RESOURCE, most_content=MOST_CONTENT)
        found = _parsed(heard) if heard.status == 200 else None
        if not isinstance(found, list):
            raise _refused(heard, {})
        return [Operation(each) for each in found if isinstance(each, dict)]

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
        found = _parsed(heard) if heard.status in (200, 202) else None
        if not isinstance(found, dict):
            raise _refused(heard, {})
        return Operation(found)

    def _whole(self, id: str) -> str:
        """The only identifier that begins so."""
        if not _ID.fullmatch(id):
            raise CannotAsk(f"{id!a} is no operation's identifier")
        if len(id) >= _WHOLE:
            return id
        found = [each.id for each in self.all() if each.id.startswith(id)]
        if len(found) != 1:
            raise CannotAsk(f"{len(found) or 'no'} operations begin with {id}")
        return found[0]

    def _ask(
        self,
        method: str,
        resource: str,
        within: float = WITHIN,
        fields: Mapping[str, str] | None = None,
        most_content: int = MOST_CONTENT,
    ) -> Heard:
        if not self._is_introduced:
            # The list may be open to everybody, and asks nobody for a name then.
            self._is_introduced = True
            self._session.ask("GET", f"{RESOURCE}/-", within)
        return self._session.ask(method, resource, within, fields, most_content)


def _parsed(heard: Heard) -> Any:
    """The content of an answer that is whole; None for what is no JSON."""
    try:
        return json.loads(heard.content) if heard.complete else None
    except ValueError:
        return None


def _refused(heard: Heard, meanings: Mapping[int, str]) -> CannotAsk:
    otherwise = "that is no answer to it"
    return CannotAsk(problem(heard, {**_MEANINGS, **meanings}, otherwise))
