"""PROPFIND done plainly: with lxml, one member after the other, from the disk and the database.

It is what the server's quick way is compared with, and shares nothing with it but the media types.
"""

import mimetypes
import os
import sqlite3
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lxml import etree

from davkeep.control import ask
from harness.dav import DAV

#: What may stand in an href as it is, besides letters, digits and ``_.-~``.
UNQUOTED = "!$'()*+,=:@"
QUOTA = (f"{DAV}quota-used-bytes", f"{DAV}quota-available-bytes")

Properties = dict[str, etree._Element]


class Plain:
    """What a PROPFIND on a share at ``/`` is to say; ``state`` is the folder of its server."""

    def __init__(self, folder: Path, state: Path, *, follows: bool = False) -> None:
        self.folder = os.fsencode(os.path.realpath(folder))
        self.follows = follows
        with copy_of(state) as base:
            (self._prefix,) = base.execute("SELECT prefix FROM shares").fetchone()
            self._dead = base.execute("SELECT path, name, value FROM properties").fetchall()
            base.row_factory = sqlite3.Row
            self._locks = base.execute("SELECT * FROM locks ORDER BY path, token").fetchall()

    def _key(self, real: bytes) -> bytes:
        """What a member is known by in the database."""
        return self._prefix + real.removeprefix(self.folder)

    def tell(self, names: list[bytes], depth: str) -> dict[str, Properties]:
        """All properties of the member at ``names`` and of those below, by href."""
        told = {}
        for way, real, status in self._members(names, depth, ()):
            slash = "/" if stat.S_ISDIR(status.st_mode) else ""
            href = "/" + "/".join(quote(name, safe=UNQUOTED) for name in way) + slash
            told[href] = self._properties(way[-1] if way else b"", real, status)
        return told

    def _members(
        self, way: list[bytes], depth: str, above: tuple[tuple[int, int], ...]
    ) -> Iterator[tuple[list[bytes], bytes, os.stat_result]]:
        path = b"/".join([self.folder, *way])
        real = os.path.realpath(path)
        is_inside = (real + b"/").startswith(self.folder + b"/")
        if b"/.davkeep" in real.lower() or (path != real and not (self.follows and is_inside)):
            return
        try:
            status = os.stat(real)
        except OSError:
            return
        yield way, real, status
        identity = status.st_dev, status.st_ino
        if depth == "0" or not stat.S_ISDIR(status.st_mode) or identity in above:
            return
        try:
            names = os.listdir(real)
        except PermissionError:
            return
        below = "infinity" if depth == "infinity" else "0"
        for name in names:
            yield from self._members([*way, name], below, (*above, identity))

    def _properties(self, name: bytes, real: bytes, status: os.stat_result) -> Properties:
        shown = "".join(map(_carried, name.decode("utf-8", "surrogateescape")))
        begun = datetime(1970, 1, 1, tzinfo=UTC)
        modified = begun + timedelta(seconds=status.st_mtime_ns // 10**9)
        oldest = min(status.st_mtime_ns, status.st_ctime_ns) // 10**9
        live: dict[str, Any] = {
            "displayname": shown,
            "getlastmodified": format_datetime(modified, usegmt=True),
            "creationdate": f"{begun + timedelta(seconds=oldest):%Y-%m-%dT%H:%M:%SZ}",
            "lockdiscovery": self._covering(real),
            "supportedlock": _lockable(),
            "resourcetype": [],
        }
        if stat.S_ISDIR(status.st_mode):
            live["resourcetype"] = [etree.Element(f"{DAV}collection")]
            space = os.statvfs(real)
            live["quota-used-bytes"] = str((space.f_blocks - space.f_bfree) * space.f_frsize)
            live["quota-available-bytes"] = str(space.f_bavail * space.f_frsize)
        else:
            live["getcontentlength"] = str(status.st_size)
            kind, encoding = mimetypes.guess_type(f"x{os.path.splitext(shown)[1]}")
            live["getcontenttype"] = "application/octet-stream" if encoding or not kind else kind
        if stat.S_ISREG(status.st_mode):
            parts = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            live["getetag"] = '"' + "-".join(f"{part:x}" for part in parts) + '"'
        found = {f"{DAV}{name}": _element(f"{DAV}{name}", what) for name, what in live.items()}
        key = self._key(real)
        dead = {name: etree.fromstring(value) for path, name, value in self._dead if path == key}
        return found | dead

    def _covering(self, real: bytes) -> list[etree._Element]:
        key = self._key(real)
        return [
            _active(lock)
            for lock in self._locks
            if lock["path"] == key
            or (lock["depth"] == "infinity" and key.startswith(lock["path"] + b"/"))
        ]


@contextmanager
def copy_of(state: Path) -> Iterator[sqlite3.Connection]:
    """What the server over a state folder has in its database, which it alone can read."""
    with tempfile.TemporaryDirectory() as folder:
        assert ask(state, "backup", file=f"{folder}/copy") == {}
        with closing(sqlite3.connect(f"{folder}/copy")) as copy:
            yield copy


def _carried(c: str) -> str:
    """What XML 1.0 2.2 lets stand for a character."""
    code = ord(c)
    is_carried = (
        code in (9, 10, 13) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code >= 0x10000
    )
    return c if is_carried else "\N{REPLACEMENT CHARACTER}"


def _element(name: str, content: str | list[etree._Element]) -> etree._Element:
    element = etree.Element(name)
    if isinstance(content, str):
        element.text = content or None
    else:
        element.extend(content)
    return element


def _lockable() -> list[etree._Element]:
    entries = []
    for scope in ("exclusive", "shared"):
        kinds = [_element(f"{DAV}lockscope", [etree.Element(f"{DAV}{scope}")])]
        kinds.append(_element(f"{DAV}locktype", [etree.Element(f"{DAV}write")]))
        entries.append(_element(f"{DAV}lockentry", kinds))
    return entries


def _active(lock: Mapping[str, Any]) -> etree._Element:
    def href(name: str, text: str) -> etree._Element:
        return _element(f"{DAV}{name}", [_element(f"{DAV}href", text)])

    left = lock["expires"] - datetime.now(UTC).timestamp()
    return _element(
        f"{DAV}activelock",
        [
            _element(f"{DAV}locktype", [etree.Element(f"{DAV}write")]),
            _element(f"{DAV}lockscope", [etree.Element(f"{DAV}{lock['scope']}")]),
            _element(f"{DAV}depth", lock["depth"]),
            *([etree.fromstring(lock["owner"])] if lock["owner"] else []),
            _element(f"{DAV}timeout", f"Second-{round(left)}"),
            href("locktoken", lock["token"]),
            href("lockroot", lock["url"]),
        ],
    )


def meaning(element: etree._Element) -> tuple[Any, ...]:
    """What an element says, however it is written.

    The time that is left to a lock is told to the minute, for it goes by meanwhile; and of what a
    file system has room for, that it is a number, for others write to it.
    """
    text = element.text or ""
    if element.tag in QUOTA and text:
        text = f"{int(text) >= 0}"
    if element.tag == f"{DAV}timeout":
        text = f"Minute-{(int(text.removeprefix('Second-')) + 30) // 60}"
    members = [(meaning(each), each.tail or "") for each in element]
    return element.tag, sorted(element.attrib.items()), text, members
