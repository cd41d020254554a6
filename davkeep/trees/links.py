"""Symbolic links, resolved inside a share only."""

import errno
import os

from davkeep.trees.steps import Segments

#: Links followed for one path before it counts as a loop; what Linux allows (path_resolution(7)).
MAX_LINKS = 40


def link_target(parent_fd: int, name: str) -> str | None:
    """Return the text of the link ``name``; None when it is no link or not there."""
    try:
        return os.readlink(name, dir_fd=parent_fd)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOENT):
            return None
        raise


def expanded(folder: str, before: Segments, target: str, after: Segments) -> Segments:
    """Return the path below ``folder`` with one link replaced by its text.

    ``before`` leads to the directory that holds the link, ``after`` follows it. A ``..`` may remain
    and is for the walk to take. Raises PermissionError (403) if the link leads out of the share.
    """
    if target.startswith("/"):
        return (*_inside(folder, os.path.realpath(target)), *after)
    steps = tuple(step for step in target.split("/") if step not in ("", "."))
    return (*before, *steps, *after)


def outside() -> PermissionError:
    """Return the error for a link that leads out of the share."""
    return PermissionError(errno.EACCES, "The link leads out of the share")


def _inside(folder: str, path: str) -> Segments:
    if path == folder:
        return ()
    prefix = folder.rstrip("/") + "/"
    if not path.startswith(prefix):
        raise outside()
    return tuple(path[len(prefix) :].split("/"))
