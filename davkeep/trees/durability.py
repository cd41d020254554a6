"""Bringing what was written to the disk (the promises, Durability)."""

import ctypes
import os
import stat

from davkeep.trees.descent import DIRECTORY, READ, Descent
from davkeep.trees.system import checked, libc_function

#: Members up to which a tree is flushed file by file. More of them cost less by one syncfs, which
#: however waits for what everybody else has written to that file system.
SMALL_TREE = 32

_syncfs = libc_function("syncfs", ctypes.c_int)


def sync_file_system(fd: int) -> None:
    """Flush the file system that ``fd`` is on; since Linux 5.8 it tells of write errors."""
    if _syncfs is None:
        os.sync()
        return
    checked(_syncfs(fd))


def flush_directory(parent_fd: int) -> None:
    """Flush the names in a directory given by any descriptor, O_PATH included.

    One that we may search but not read cannot be flushed by itself; then its names are left to the
    kernel's own time (about 30 s).
    """
    try:
        fd = os.open(".", DIRECTORY, dir_fd=parent_fd)
    except PermissionError:
        return
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def flush_tree(root_fd: int, members: int) -> None:
    """Flush a directory with all below it; ``members`` decides how."""
    if members > SMALL_TREE:
        sync_file_system(root_fd)
        return
    try:
        _flush_each(os.open(".", DIRECTORY, dir_fd=root_fd))
    except PermissionError:
        sync_file_system(root_fd)


def _flush_each(root_fd: int) -> None:
    down = Descent(root_fd)
    try:
        pending = [_flush_files(root_fd)]
        while pending:
            if pending[-1]:
                down.push(os.open(pending[-1].pop(), DIRECTORY, dir_fd=down.fd))
                pending.append(_flush_files(down.fd))
                continue
            os.fsync(down.fd)
            down.pop()
            pending.pop()
    finally:
        down.close()


def _flush_files(fd: int) -> list[str]:
    """Flush the files in a directory and return the names of the directories in it."""
    directories = []
    with os.scandir(fd) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                directories.append(entry.name)
            elif entry.is_file(follow_symlinks=False):
                _flush_file(fd, entry.name)
    return directories


def _flush_file(parent_fd: int, name: str) -> None:
    fd = os.open(name, READ, dir_fd=parent_fd)
    try:
        if stat.S_ISREG(os.fstat(fd).st_mode):
            os.fsync(fd)
    finally:
        os.close(fd)
