"""What a process that was killed left of its work: what names lead to now, and what is half done.

An entry is known again by its inode number, which the work told before it changed anything. What is
decided from that stands in ``changes``.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterable

from davkeep.trees.names import UPLOAD, Name
from davkeep.trees.place import PASS
from davkeep.trees.renames import rename_noreplace

#: The mode of a directory that stands in for a moment where a rename cannot refuse to replace.
_STAND_IN = 0o700


def open_folder(path: bytes) -> int:
    """Open a directory by its real path, following no link; the descriptor is O_PATH."""
    fd = os.open("/", PASS)
    for name in filter(None, path.split(b"/")):
        try:
            below = os.open(name, PASS, dir_fd=fd)
        finally:
            os.close(fd)
        fd = below
    return fd


def number(name: Name | None) -> str | None:
    """The inode number of what has a name, in decimal; None for nothing."""
    if name is None:
        return None
    parent_fd, text = name
    try:
        return str(os.lstat(text, dir_fd=parent_fd).st_ino)
    except FileNotFoundError:
        return None


def listed(name: Name | None) -> bool:
    """Whether a directory lists a name in exactly this spelling."""
    return name is not None and name[1] in _names_in(name[0])


def own_names(folder_fd: int, instances: Iterable[str]) -> list[str]:
    """The hidden names of some instances in a directory."""
    own = tuple(f".davkeep-{instance}-" for instance in instances)
    return [name for name in _names_in(folder_fd) if name.startswith(own)]


def _names_in(folder_fd: int) -> list[str]:
    fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder_fd)
    try:
        return os.listdir(fd)
    finally:
        os.close(fd)


def is_foreign(name: Name, instances: Iterable[str]) -> bool:
    """Whether it bears an upload's name and is none: a collection that was never ours."""
    parent_fd, text = name
    if not text.startswith(tuple(f".davkeep-{each}-{UPLOAD}" for each in instances)):
        return False
    with contextlib.suppress(FileNotFoundError):
        return stat.S_ISDIR(os.lstat(text, dir_fd=parent_fd).st_mode)
    return False


def hide(name: Name | None, hidden: Name | None) -> bool:
    """Rename an entry out of sight; False if its file system renames it to no other name.

    A second link to it, left by a rename that was cut off, goes instead.
    """
    assert name is not None
    assert hidden is not None
    if number(hidden) == number(name):
        os.unlink(name[1], dir_fd=name[0])
        return True
    remove_stand_in(hidden)
    try:
        rename_noreplace(*name, *hidden)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return False
    return True


def return_to(hidden: Name | None, name: Name | None) -> bool:
    """Bring back what is hidden, if anything is; False if its name is taken."""
    if hidden is None or name is None or number(hidden) is None:
        return True
    if number(hidden) == number(name):
        os.unlink(hidden[1], dir_fd=hidden[0])
        return True
    try:
        rename_noreplace(*hidden, *name)
    except FileExistsError:
        return False
    return True


def restore_mode(name: Name | None, inode: str, mode: int) -> None:
    """Take back the u+w that a directory may have got for the moment of its rename."""
    if name is None or number(name) != inode:
        return
    fd = os.open(name[1], os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=name[0])
    try:
        status = os.fstat(fd)
        lent = stat.S_IMODE(status.st_mode) == mode | stat.S_IWUSR != mode
        if lent and stat.S_ISDIR(status.st_mode):
            os.chmod(f"/proc/self/fd/{fd}", mode)
    finally:
        os.close(fd)


def is_stand_in(name: Name | None) -> bool:
    """Whether a name is that of an empty directory made to be renamed over (see ``renames``)."""
    if name is None or not _has_mode_of_stand_in(name):
        return False
    fd = os.open(name[1], os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=name[0])
    try:
        return not os.listdir(fd)
    finally:
        os.close(fd)


def remove_stand_in(name: Name | None) -> None:
    """Remove such a directory, if it is one."""
    if name is None or not _has_mode_of_stand_in(name):
        return
    try:
        os.rmdir(name[1], dir_fd=name[0])
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTEMPTY):
            raise


def _has_mode_of_stand_in(name: Name) -> bool:
    parent_fd, text = name
    try:
        mode = os.lstat(text, dir_fd=parent_fd).st_mode
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(mode) and stat.S_IMODE(mode) == _STAND_IN
