"""How members answer a question: their ``response`` elements (RFC 4918 14.24), as text.

The prefix D stands for DAV: there. Everything that is the same for all members is written once.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from davkeep.dav.multistatus import status_line
from davkeep.dav.properties import LIVE, SPACE
from davkeep.dav.xml import dav, element
from davkeep.trees.share import Kind


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of each member: ``names`` in Clark notation, everything, or only the names.

    With ``everything`` the names are asked for as well. ``minimal``: what is not there is not
    mentioned (RFC 8144 2.1).
    """

    names: tuple[str, ...] = ()
    everything: bool = False
    names_only: bool = False
    minimal: bool = False


class Told(NamedTuple):
    """What a member says of itself: its percent-encoded URL path, its name and its status."""

    href: str
    name: str
    status: os.stat_result


class Form:
    """What is the same in the answers of all members of one kind."""

    def __init__(self, question: Question, kind: Kind, *, readonly: bool) -> None:
        """``readonly``: whether their share is."""
        self._question = question
        self.is_collection = kind is Kind.COLLECTION
        #: What the URL of such a member ends in.
        self.slash = "/" if self.is_collection else ""
        #: Whether it tells what only a file system knows.
        self.is_of_space = self.is_collection and (
            question.names_only or not SPACE.keys().isdisjoint(question.names)
        )
        live = [
            name
            for name, each in LIVE.items()
            if kind in each.kinds and (each.when_readonly or not readonly)
        ]
        wants_all = question.everything or question.names_only
        asked = [name for name in live if wants_all or name in question.names]
        self._contents = [] if question.names_only else [LIVE[name].content for name in asked]
        self._found = "".join(element(name, "" if question.names_only else "%s") for name in asked)
        #: What else is asked for: it may be stored, or be nowhere. By name, as an empty element.
        self._others = {name: element(name) for name in question.names if name not in live}
        self._usual = _response("%s", self._found, self._missing({}).replace("%", "%%"))

    def response(self, told: Told, locks: str, extra: Mapping[str, str]) -> str:
        """The ``response`` of one member.

        ``locks`` is the content of its DAV:lockdiscovery; ``extra`` are the elements of all its
        other properties, by name.
        """
        href, name, status = told
        contents = [content(name, status, locks) for content in self._contents]
        if not extra:
            return self._usual % (href, *contents)
        found = self._found % tuple(contents) + self._also(extra)
        return _response(href, found, self._missing(extra))

    def _also(self, extra: Mapping[str, str]) -> str:
        """What is asked for of the other properties."""
        if self._question.names_only:
            return "".join(map(element, extra))
        wants_all = self._question.everything
        return "".join(
            text
            for name, text in extra.items()
            if name in self._others or (wants_all and name not in SPACE)
        )

    def _missing(self, extra: Mapping[str, str]) -> str:
        if self._question.minimal:
            return ""
        return "".join(empty for name, empty in self._others.items() if name not in extra)


def bare_collection(href: str) -> str:
    """The ``response`` of a collection that is no folder, and is nothing else."""
    return _response(href, element(dav("resourcetype"), element(dav("collection"))), "")


def _response(href: str, found: str, missing: str) -> str:
    """A ``response``; one that has nothing to say says so."""
    parts = [f"<D:response><D:href>{href}</D:href>"]
    if found or not missing:
        parts.append(_propstat(found, 200))
    if missing:
        parts.append(_propstat(missing, 404))
    return "".join([*parts, "</D:response>"])


def _propstat(properties: str, status: int) -> str:
    line = status_line(status)
    return f"<D:propstat><D:prop>{properties}</D:prop><D:status>{line}</D:status></D:propstat>"
