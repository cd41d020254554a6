"""Whose error it is: a member's, the destination's, or the server's own."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from davkeep.trees.steps import DestinationError

#: The destination as a whole can take no more (the promises, COPY and MOVE).
_EXHAUSTED = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO))
#: This process has run short; no member is to blame, and trying later helps (503).
_SHORTAGE = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOMEM))


class WriteError(Exception):
    """One member could not be written, for a reason of its own: too big, a name not allowed."""

    def __init__(self, error: OSError) -> None:
        """Carry ``error``."""
        super().__init__(error)
        self.error = error


def refuse_shortage(error: OSError) -> None:
    """Raise ``error`` again if it says that the process ran out of descriptors or memory."""
    if error.errno in _SHORTAGE:
        raise error


def blame_destination(error: OSError) -> NoReturn:
    """Raise ``error``, met while writing: as DestinationError, or as the member's WriteError."""
    refuse_shortage(error)
    if error.errno in _EXHAUSTED:
        raise destination_error(error) from error
    raise WriteError(error) from error


@contextmanager
def as_destination() -> Iterator[None]:
    """Raise a WriteError of the block as DestinationError: there is only the one member."""
    try:
        yield
    except WriteError as failure:
        raise destination_error(failure.error) from failure


def destination_error(error: OSError) -> OSError:
    """Return ``error`` as one of the destination; a taken name stays FileExistsError (412)."""
    if isinstance(error, FileExistsError | DestinationError) or error.errno in _SHORTAGE:
        return error
    return DestinationError(error.errno, error.strerror)
