"""The bytes of a file: copied by the kernel where it can, with holes kept."""

import contextlib
import errno
import os
from collections.abc import Generator, Iterator

from davkeep.trees.failures import blame_destination
from davkeep.trees.steps import Control, Lane

#: What copy_file_range answers between file systems or kinds of files that it does not serve.
#: EIO is among them because it does not tell which side failed; reading and writing does.
_BY_HAND = frozenset(
    (
        errno.EXDEV,
        errno.EINVAL,
        errno.ENOSYS,
        errno.ENOTSUP,
        errno.EPERM,
        errno.ETXTBSY,
        errno.EIO,
    )
)
#: What is read at once where the kernel does not copy by itself, in bytes.
_HAND_SIZE = 1024 * 1024
#: Files up to this size, in bytes, are copied by one read and one write.
SMALL_FILE = 64 * 1024
#: Unit of ``st_blocks``, in bytes (stat(2)).
_BLOCK = 512


def write_all(fd: int, block: bytes | memoryview) -> None:
    """Write the whole block. DestinationError if nothing more fits, WriteError otherwise."""
    try:
        written = os.write(fd, block)
        if written < len(block):
            _write_rest(fd, memoryview(block)[written:])
    except OSError as error:
        blame_destination(error)


def _write_rest(fd: int, view: memoryview) -> None:
    while view:
        view = view[os.write(fd, view) :]


def seek(fd: int, position: int) -> None:
    """Write on at ``position``. WriteError where the file system has no files as long as that."""
    try:
        os.lseek(fd, position, os.SEEK_SET)
    except OSError:
        blame_destination(OSError(errno.EFBIG, os.strerror(errno.EFBIG)))


def is_sparse(status: os.stat_result) -> bool:
    """Tell whether a file may have holes."""
    return status.st_blocks * _BLOCK < status.st_size


def stored_size(status: os.stat_result) -> int:
    """Return how many bytes there are to copy, holes left out."""
    return min(status.st_size, status.st_blocks * _BLOCK)


class ContentCopy:
    """Copies contents between two trees, and remembers what does not work between them."""

    def __init__(self, control: Control) -> None:
        """Report to ``control``; its block size is the most that one call copies."""
        self._progress = control.progress
        self._block_size = control.block_size
        self._kernel_copies = True

    def small(self, source_fd: int, target_fd: int) -> int:
        """Copy a file of at most ``SMALL_FILE`` bytes in one go; return how many, uncounted.

        OSError comes from the source.
        """
        data = os.read(source_fd, SMALL_FILE)
        if data:
            write_all(target_fd, data)
        return len(data)

    def steps(
        self, source_fd: int, target_fd: int, status: os.stat_result
    ) -> Generator[None, None, None]:
        """Copy a file, yielding after each block; holes stay holes.

        An OSError comes from the source; DestinationError and WriteError from the destination.
        """
        if not is_sparse(status):
            yield from self._range(source_fd, target_fd, 0, status.st_size)
            return
        for start, stop in data_ranges(source_fd, status.st_size):
            seek(target_fd, start)
            yield from self._range(source_fd, target_fd, start, stop)
        _set_size(target_fd, status.st_size)

    def _range(
        self, source_fd: int, target_fd: int, start: int, stop: int
    ) -> Generator[None, None, None]:
        """Copy bytes ``start`` to ``stop`` to the target's position; less if the file ends."""
        os.lseek(source_fd, start, os.SEEK_SET)
        while start < stop:
            copied = self._block(source_fd, target_fd, min(stop - start, self._block_size))
            if not copied:
                return
            start += copied
            self._progress.bytes_done += copied
            yield None

    def _block(self, source_fd: int, target_fd: int, size: int) -> int:
        if self._kernel_copies:
            try:
                return os.copy_file_range(source_fd, target_fd, size)
            except OSError as error:
                if error.errno not in _BY_HAND:
                    blame_destination(error)
                self._kernel_copies = error.errno == errno.EIO
        data = os.read(source_fd, min(size, _HAND_SIZE))
        write_all(target_fd, data)
        return len(data)


def data_ranges(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield where each stretch of a file's data begins and stops, the holes left out."""
    start, stop = _next_data(fd, 0, size)
    while start < stop:
        yield start, stop
        start, stop = _next_data(fd, stop, size)


def _next_data(fd: int, start: int, end: int) -> tuple[int, int]:
    """Return where the next data begins and stops; two equal numbers if there is none."""
    try:
        data = os.lseek(fd, start, os.SEEK_DATA)
        return data, min(os.lseek(fd, data, os.SEEK_HOLE), end)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return end, end
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
        return start, end


def _set_size(fd: int, size: int) -> None:
    try:
        os.ftruncate(fd, size)
    except OSError as error:
        blame_destination(error)


def in_lanes(blocks: Generator[None, None, None]) -> Generator[Lane | None, None, None]:
    """Pass on the checkpoints of one file; what comes after its first block is bulk work."""
    with contextlib.closing(blocks):
        for number, _ in enumerate(blocks):
            yield Lane.LONG if number == 0 else None
