"""PUT (RFC 4918 9.7): a staged file that takes the place of the old one when it is complete."""

import errno
import os
import stat
from collections.abc import Generator, Iterator
from contextlib import ExitStack

from davkeep.trees.attributes import give_attributes_of, give_new_file_mode
from davkeep.trees.closing import Closing
from davkeep.trees.content import ContentCopy, write_all
from davkeep.trees.failures import as_destination, destination_error
from davkeep.trees.names import Name
from davkeep.trees.partial import Partial
from davkeep.trees.purge import purge_now
from davkeep.trees.renames import rename_noreplace
from davkeep.trees.share import Entry
from davkeep.trees.staging import Staging, Swap, announce, is_collection
from davkeep.trees.steps import Control, DestinationError, Lane, Result, Steps

#: What is answered where a file cannot have a certain time, or none may be set.
_NO_SUCH_TIME = frozenset(
    (errno.EPERM, errno.EINVAL, errno.EOVERFLOW, errno.ERANGE, errno.EOPNOTSUPP, errno.ENOSYS)
)
#: Nanoseconds, in which the kernel tells times.
_SECOND = 10**9

_STAGE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_SPOOL = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class Upload(Closing):
    """One upload, from its first byte to its commit; ``abort`` or the end of ``with`` drops it.

    Readers see the old file until the commit. ``destination`` must stay open until then. Owns the
    staged file: beside the destination, or in the folder ``spool``.
    """

    def __init__(
        self,
        destination: Entry,
        control: Control,
        spool: str | None = None,
        *,
        arrived: Partial | None = None,
    ) -> None:
        """Stage an empty file of mode 0600, or take over what has ``arrived`` before.

        That is called ``control.staging_name``, is complete, outlives a commit that fails, and has
        to stay open until the end.

        Raises IsADirectoryError (405) for a collection, PermissionError (403) for what else cannot
        be replaced by us, DestinationError (507, 403, 500) if nothing can be staged.
        """
        destination.require_writable()
        _refuse(destination, destination.find())
        #: Bytes written so far.
        self.size = 0
        #: Bytes beside them, said by who fills the file by ``fd``.
        self.around = 0
        #: Status of the stored file, from which its ETag is made; None before the commit.
        self.stored: os.stat_result | None = None
        #: The time of modification that was asked for, in nanoseconds of the epoch.
        self._mtime: int | None = None
        self._destination = destination
        self._control = control
        self._outlives = arrived is not None
        #: What had arrived in a spool on another file system, until its copy is stored.
        self._source: Staging | None = None
        with ExitStack() as opened:
            if arrived is not None:
                self._take_over(arrived)
            else:
                folder_fd = destination.parent_fd
                if spool is not None:
                    folder_fd = _opened(spool, _SPOOL)
                    opened.callback(os.close, folder_fd)
                self._staging, self._fd = _stage(folder_fd, control)
            self._opened = opened.pop_all()

    def _take_over(self, arrived: Partial) -> None:
        folder_fd, beside_fd = arrived.name[0], self._destination.parent_fd
        is_beside = os.path.samestat(os.fstat(folder_fd), os.fstat(beside_fd))
        self._staging = Staging(beside_fd if is_beside else folder_fd, self._control)
        self._staging.is_ours = True
        self._fd = os.dup(arrived.fd)
        self.size = self._control.progress.bytes_done = arrived.size

    def write(self, block: bytes | memoryview) -> None:
        """Append a block. Raises DestinationError (507, 403, 500)."""
        with as_destination():
            write_all(self._fd, block)
        self.size += len(block)
        self._control.progress.bytes_done += len(block)

    def blocks(self, size: int) -> Iterator[bytes]:
        """Yield the content, in blocks of at most ``size`` bytes. Raises DestinationError."""
        self._require_size()
        try:
            position = 0
            while block := os.pread(self._fd, size, position):
                yield block
                position += len(block)
        except OSError as error:
            raise destination_error(error) from error

    @property
    def has_time(self) -> bool:
        """Whether the stored file has the time that was asked for, to the second.

        A file system may have no time as early or late as that, or none of each second.
        """
        if self.stored is None or self._mtime is None:
            return False
        return self.stored.st_mtime_ns // _SECOND == self._mtime // _SECOND

    @property
    def fd(self) -> int:
        """The staged file, for who fills it otherwise than by ``write``."""
        return self._fd

    def abort(self) -> None:
        """Remove the staged file; does nothing after the commit or a second time."""
        self._close()
        if not self._outlives:
            self._staging.discard()
        self._opened.close()

    def close(self) -> None:
        """Drop what has not been committed."""
        self.abort()

    def commit(self, *, replace: bool = True, mtime: int | None = None) -> Steps:
        """Flush the file and give it its name; closing the steps before that aborts the upload.

        An existing file's mode, ACL, user attributes, owner and group are kept where permitted.
        ``mtime``, in nanoseconds of the epoch, becomes the time of modification. Raises
        FileExistsError (412) with ``replace`` false and a file there, and otherwise as the
        constructor does; the old file is whole then and nothing is left.
        """
        destination, control = self._destination, self._control
        final: Name = (destination.parent_fd, destination.name)
        with ExitStack() as undo:
            undo.callback(self.abort)
            yield from self._beside()
            is_new = self._dress(replace=replace)
            self._set_time(mtime)
            yield from self._flush()
            self._require_size()
            yield Lane.SHORT
            swap = Swap(self._staging, final, control)
            self._swap(swap, replace=replace, is_new=is_new)
            undo.callback(swap.undo)
            if swap.old is not None and is_collection(swap.old):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            control.progress.members_done += 1
            announce(control, destination.parent_fd)
            undo.pop_all()
        self.stored = os.fstat(self._fd)
        if self._source is not None:
            self._source.discard()
        self.abort()
        if swap.old is not None:
            purge_now(*swap.old, control)
        return Result(created=swap.created, complete=True)

    def _require_size(self) -> None:
        """See that the staged file has what was written, whoever else may have touched it.

        Raises DestinationError (500); the old file is whole.
        """
        try:
            if os.fstat(self._fd).st_size == self.size + self.around:
                return
        except OSError as error:
            raise destination_error(error) from error
        raise DestinationError(errno.EIO, "The staged file has not the size of its content")

    def _swap(self, swap: Swap, *, replace: bool, is_new: bool) -> None:
        """``is_new``: nothing was there a moment ago; the rename itself tells if that is over."""
        existed = not is_new and self._refused(replace=replace) is not None
        try:
            swap.make(existed=existed)
        except FileExistsError:
            if not replace:
                raise
            self._refused(replace=replace)
            swap.make(existed=True)

    def _refused(self, *, replace: bool) -> os.stat_result | None:
        """Return what is at the destination, unless it must not be replaced."""
        existing = self._destination.find()
        if existing is not None and not replace:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        _refuse(self._destination, existing)
        return existing

    def _dress(self, *, replace: bool) -> bool:
        """Give the staged file the attributes that it is to have under its name.

        Returns whether that is not taken.
        """
        entry = self._destination
        existing = self._refused(replace=replace)
        try:
            if existing is None:
                give_new_file_mode(self._fd, entry.parent_fd)
            else:
                give_attributes_of(entry.parent_fd, entry.name, self._fd)
        except OSError as error:
            raise destination_error(error) from error
        return existing is None

    def _set_time(self, mtime: int | None) -> None:
        """Ask for a time of modification; what is stored tells whether the file system has it."""
        if mtime is None:
            return
        self._mtime = mtime
        try:
            os.utime(self._fd, ns=(mtime, mtime))
        except OSError as error:
            if error.errno not in _NO_SUCH_TIME:
                raise destination_error(error) from error

    def _beside(self) -> Generator[Lane | None, None, None]:
        """Bring the staged file from the spool to beside the destination."""
        beside = (self._destination.parent_fd, self._control.staging_name)
        if self._staging.name == beside:
            return
        spooled = self._staging
        try:
            rename_noreplace(*spooled.name, *beside)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise destination_error(error) from error
            yield from self._copied()
            return
        spooled.is_ours = False
        self._staging = Staging(beside[0], self._control)
        self._staging.is_ours = True

    def _copied(self) -> Generator[Lane | None, None, None]:
        """Copy the spooled file, which is on another file system, and go on with the copy."""
        yield Lane.LONG
        self._control.progress.bytes_total = 2 * self.size
        staging, fd = _stage(self._destination.parent_fd, self._control)
        with ExitStack() as undo:
            undo.callback(staging.discard)
            undo.callback(os.close, fd)
            with as_destination():
                yield from ContentCopy(self._control).steps(self._fd, fd, os.fstat(self._fd))
            undo.pop_all()
        self._close()
        if self._outlives:
            self._source, self._outlives = self._staging, False
        else:
            self._staging.discard()
        self._staging, self._fd = staging, fd

    def _flush(self) -> Generator[Lane | None, None, None]:
        if not self._control.fsync:
            return
        if self.size > self._control.block_size:
            yield Lane.LONG
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise destination_error(error) from error

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _refuse(destination: Entry, existing: os.stat_result | None) -> None:
    """Raise the error for what a file cannot be put over."""
    if existing is None:
        return
    if stat.S_ISDIR(existing.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    name, parent_fd = destination.name, destination.parent_fd
    writable = os.access(name, os.W_OK, dir_fd=parent_fd, effective_ids=True, follow_symlinks=False)
    if not (stat.S_ISREG(existing.st_mode) and writable):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _stage(folder_fd: int, control: Control) -> tuple[Staging, int]:
    """Make the staged file and return it with its descriptor."""
    staging = Staging(folder_fd, control)
    fd = _opened(control.staging_name, _STAGE, folder_fd)
    staging.is_ours = True
    return staging, fd


def _opened(path: str, flags: int, folder_fd: int | None = None) -> int:
    try:
        return os.open(path, flags, 0o600, dir_fd=folder_fd)
    except OSError as error:
        raise destination_error(error) from error
