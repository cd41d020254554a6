"""Whether an answer is right: trees are compared, and a multi-status is read."""

import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lxml import etree

DAV = "{DAV:}"
#: By path below the top: its mode, and what is in it; None for a collection.
Tree = dict[str, tuple[int, bytes | None]]
#: What the modes of files and collections are, in turn.
FILE_MODES = (0o644, 0o600, 0o755)
FOLDER_MODES = (0o755, 0o700)


def vary_modes(folder: Path) -> None:
    """Give the members of a tree different modes, so that it shows whether they are kept."""
    for number, (above, _, names) in enumerate(sorted(os.walk(folder))):
        os.chmod(above, FOLDER_MODES[number % len(FOLDER_MODES)])
        for position, name in enumerate(sorted(names)):
            os.chmod(os.path.join(above, name), FILE_MODES[position % len(FILE_MODES)])


def snapshot(folder: Path) -> Tree:
    """Every member below a folder, and the folder itself as "."."""
    seen: Tree = {}
    for above, _, names in os.walk(folder):
        relative = os.path.relpath(above, folder)
        seen[relative] = (stat.S_IMODE(os.lstat(above).st_mode), None)
        for name in names:
            file = Path(above, name)
            mode = stat.S_IMODE(os.lstat(file).st_mode)
            seen[os.path.join(relative, name)] = (mode, file.read_bytes())
    return seen


def inodes(folder: Path) -> set[int]:
    """Every file below a folder."""
    return {
        os.lstat(os.path.join(above, name)).st_ino
        for above, _, names in os.walk(folder)
        for name in names
    }


def differences(tree: Tree, wanted: Tree) -> Iterator[str]:
    """What is wrong with a tree, in words."""
    if missing := len(wanted.keys() - tree.keys()):
        yield f"{missing} members are missing"
    if tree.keys() - wanted.keys():
        yield "what was there before is mixed with what came"
    both = tree.keys() & wanted.keys()
    if any(tree[name][1] != wanted[name][1] for name in both):
        yield "bytes differ"
    if any(tree[name][0] != wanted[name][0] for name in both):
        yield "modes are not kept"


def sharing(source: set[int], copy: set[int]) -> Iterator[str]:
    """Whether a copy is none."""
    if source & copy:
        yield "COPY makes hard links"


def names_below(folder: Path) -> set[str]:
    """The paths below a share's top that a listing of a folder has to hold, its own included."""
    seen = set()
    for above, _, names in os.walk(folder):
        path = "/" + os.path.relpath(above, folder.parent)
        seen |= {path, *(f"{path}/{name}" for name in names)}
    return seen


def listed(body: bytes, wanted: set[str], size: int, names: Collection[str]) -> Iterator[str]:
    """What is wrong with a multi-status: members, the length of files, properties asked for."""
    found: dict[str, dict[str, str | None]] = {}
    for response in etree.fromstring(body, etree.XMLParser(huge_tree=True)):
        path = unquote(urlsplit(response.findtext(f"{DAV}href")).path).rstrip("/")
        if path in found:
            yield "a member is listed twice"
        found[path] = _properties(response)
    if found.keys() != wanted:
        yield "the members of a listing are wrong"
    files = [each for path, each in found.items() if os.path.splitext(path)[1]]
    if any(each.get(f"{DAV}getcontentlength") != str(size) for each in files):
        yield "the lengths in a listing are wrong"
    known = min((len(each.keys() & set(names)) for each in files), default=0)
    if known < len(names):
        yield f"PROPFIND knows {known} of the {len(names)} properties"


def _properties(response: etree._Element) -> dict[str, str | None]:
    return {
        str(each.tag): each.text
        for propstat in response.iterfind(f"{DAV}propstat")
        if " 200 " in (propstat.findtext(f"{DAV}status") or "")
        for each in propstat.iterfind(f"{DAV}prop/*")
    }
