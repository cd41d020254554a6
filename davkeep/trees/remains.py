"""What a process that was killed left of its work: what names lead to now, and what is half done.

An entry is known again by its inode number, which the work told before it changed anything. File
systems that number anew when they are mounted (some of FUSE) leave only the names to go by; where
these are ambiguous, nothing is touched.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from enum import Enum, auto

from davkeep.trees.emptying import Emptying
from davkeep.trees.renames import rename_noreplace
from davkeep.trees.staging import GONE, OLD, UPLOAD, Name

_PASS = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: The mode of a directory that stands in for a moment where a rename cannot refuse to replace.
_STAND_IN = 0o700


class Verdict(Enum):
    """Which state the names show."""

    BEFORE = auto()
    AFTER = auto()
    UNCLEAR = auto()
    """Neither for certain: nothing was touched."""


def open_folder(path: bytes) -> int:
    """Open a directory by its real path, following no link; the descriptor is O_PATH."""
    fd = os.open("/", _PASS)
    for name in filter(None, path.split(b"/")):
        try:
            below = os.open(name, _PASS, dir_fd=fd)
        finally:
            os.close(fd)
        fd = below
    return fd


def number(name: Name) -> str | None:
    """The inode number of what has a name, in decimal; None for nothing."""
    parent_fd, text = name
    try:
        return str(os.lstat(text, dir_fd=parent_fd).st_ino)
    except FileNotFoundError:
        return None


def hidden_names(folder_fd: int, staging: str) -> list[Name]:
    """Every name under which one operation hides something in a directory."""
    return [(folder_fd, staging), (folder_fd, staging + OLD), (folder_fd, staging + GONE)]


def own_names(folder_fd: int, instance: str) -> Iterator[str]:
    """The hidden names of one instance in a directory."""
    fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder_fd)
    try:
        yield from [name for name in os.listdir(fd) if name.startswith(f".davkeep-{instance}-")]
    finally:
        os.close(fd)


def is_foreign(name: Name, instance: str) -> bool:
    """Whether it bears an upload's name and is none: a collection that was never ours."""
    parent_fd, text = name
    if not text.startswith(f".davkeep-{instance}-{UPLOAD}"):
        return False
    with contextlib.suppress(FileNotFoundError):
        return stat.S_ISDIR(os.lstat(text, dir_fd=parent_fd).st_mode)
    return False


def swapped(final: Name, staging: str, new: str, old: str | None) -> Verdict:
    """Whether a staged entry has its name; a replacement that is half done is taken back."""
    staged, aside = (final[0], staging), (final[0], staging + OLD)
    here = number(final)
    if here == new:
        return Verdict.AFTER
    if here is not None and here == old:
        return Verdict.BEFORE
    if number(staged) == new or old is None:
        is_before = number(staged) is not None or here is None
        return _taken_back(aside, final, old) if is_before else Verdict.AFTER
    if number(aside) is not None:
        return Verdict.AFTER if here is not None else _taken_back(aside, final, old)
    return Verdict.AFTER if number(staged) is None and here is not None else Verdict.UNCLEAR


def renamed(source: Name, final: Name, staging: str, new: str, old: str | None) -> Verdict:
    """Whether an entry has its other name. What is half done is completed, or taken back."""
    aside = (final[0], staging + OLD)
    here, there = number(source), number(final)
    if there == new:
        _complete_rename(source, staging, here, new, old)
        return Verdict.AFTER
    if here == new:
        return _taken_back(aside, final, old)
    if here is not None and there is None:
        return _taken_back(aside, final, old)
    return Verdict.AFTER if here is None and there is not None else Verdict.UNCLEAR


def _complete_rename(
    source: Name, staging: str, here: str | None, new: str, old: str | None
) -> None:
    parent_fd, name = source
    if here == new:
        # Linked, and the old name not yet removed.
        if os.lstat(name, dir_fd=parent_fd).st_nlink > 1:
            os.unlink(name, dir_fd=parent_fd)
    elif here is not None and here == old:
        rename_noreplace(parent_fd, name, parent_fd, staging)


def removed(target: Name, staging: str, old: str | None) -> Verdict:
    """Whether an entry has gone, be it out of sight or for good."""
    here = number(target)
    if here is None:
        return Verdict.AFTER
    is_hidden = number((target[0], staging)) is not None
    return Verdict.AFTER if is_hidden and here != old else Verdict.BEFORE


def respelled(source: Name) -> Verdict:
    """Whether one spelling, or one link, of an inode has gone."""
    fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=source[0])
    try:
        return Verdict.BEFORE if source[1] in os.listdir(fd) else Verdict.AFTER
    finally:
        os.close(fd)


def brought_back(target: Name, staging: str) -> bool:
    """Bring a hidden tree back to its name; return whether it is there, which may be taken."""
    hidden = (target[0], staging)
    if number(hidden) is None:
        return number(target) is not None
    _remove_stand_in(target)
    try:
        rename_noreplace(*hidden, *target)
    except FileExistsError:
        return False
    return True


def hide_source(source: Name, staging: str, inode: str) -> bool:
    """Hide what a MOVE has copied; return whether it is still in sight, because that fails.

    What is there under its name and is something else stays.
    """
    hidden = (source[0], staging + GONE)
    if number(source) != inode:
        return False
    if number(hidden) == inode:
        os.unlink(source[1], dir_fd=source[0])
        return False
    _remove_stand_in(hidden)
    try:
        rename_noreplace(*source, *hidden)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return True
    return False


def remove_source(source: Name, inode: str) -> bool:
    """Remove what a MOVE has copied where it stands; return whether it is gone."""
    if number(source) != inode:
        return True
    parent_fd, name = source
    if not stat.S_ISDIR(os.lstat(name, dir_fd=parent_fd).st_mode):
        os.unlink(name, dir_fd=parent_fd)
        return True
    emptying = Emptying(None, restoring=True)
    for _ in emptying.steps(parent_fd, name):
        pass
    return not emptying.errors


def restore_mode(name: Name, inode: str, mode: int) -> None:
    """Take back the u+w that a directory may have got for the moment of its rename."""
    if number(name) != inode:
        return
    fd = os.open(name[1], os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=name[0])
    try:
        status = os.fstat(fd)
        lent = stat.S_IMODE(status.st_mode) == mode | stat.S_IWUSR != mode
        if lent and stat.S_ISDIR(status.st_mode):
            os.chmod(f"/proc/self/fd/{fd}", mode)
    finally:
        os.close(fd)


def _taken_back(aside: Name, final: Name, old: str | None) -> Verdict:
    """Bring what stands aside back to its name."""
    if old is None:
        _remove_stand_in(final)
    elif number(aside) is not None and number(final) != old:
        _remove_stand_in(final)
        try:
            rename_noreplace(*aside, *final)
        except FileExistsError:
            return Verdict.UNCLEAR
    return Verdict.BEFORE


def _remove_stand_in(name: Name) -> None:
    """Remove an empty directory that was made to be renamed over (see ``renames``)."""
    parent_fd, text = name
    try:
        mode = os.lstat(text, dir_fd=parent_fd).st_mode
        if stat.S_ISDIR(mode) and stat.S_IMODE(mode) == _STAND_IN:
            os.rmdir(text, dir_fd=parent_fd)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTEMPTY):
            raise
