"""Where the socket is."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

#: Its name in the state folder.
NAME = "control"

#: Bytes of a request or an answer at most.
LONGEST = 65_536


@contextmanager
def address_in(folder: str | os.PathLike[str]) -> Iterator[str]:
    """The socket's address, while the block runs; OSError where there is no such folder.

    It goes by way of a descriptor, for an address has room for 108 bytes, and paths are longer.
    """
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{NAME}"
    finally:
        os.close(descriptor)
