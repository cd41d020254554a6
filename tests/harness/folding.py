"""A file system that takes spellings of a name for one, over a folder of another that does not.

``python -m harness.folding BACKING MOUNT FORM`` serves it until it is unmounted. Letters may differ
in case and in form. A new name is kept in the form that is given (NFC or NFD), as HFS+ keeps it in
NFD; ``-`` keeps it as it was spelled. Each spelling has an inode number of its own, as libfuse
gives them.
"""

import errno
import os
import sys
import unicodedata
from collections.abc import Iterator
from typing import Any

import mfusepy


class _Fuse(mfusepy.FUSE):  # type: ignore[misc]  # it has no types
    """libfuse, with the flags of renameat2(2) refused rather than not seen."""

    def rename_fuse_3(self, old: bytes, new: bytes, flags: int) -> int:
        """Rename."""
        return -errno.EINVAL if flags else int(self.rename_fuse_2(old, new))


class Folding(mfusepy.Operations):  # type: ignore[misc]
    """The calls of a file system; each path is found spelling by spelling."""

    use_ns = True

    def __init__(self, backing: str, form: Any) -> None:
        self._backing = backing
        self._form = form

    def _at(self, path: str) -> str:
        """Where something is kept, or would be."""
        found = self._backing
        for name in path.split("/")[1:]:
            found = os.path.join(found, self._kept(found, name)) if name else found
        return found

    def _kept(self, folder: str, name: str) -> str:
        try:
            alike = [each for each in os.listdir(folder) if _folded(each) == _folded(name)]
        except OSError:
            alike = []
        return alike[0] if alike else self._new(name)

    def _new(self, name: str) -> str:
        return name if self._form is None else unicodedata.normalize(self._form, name)

    def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
        """lstat(2)."""
        status = os.lstat(self._at(path)) if fh is None else os.fstat(fh)
        names = ("dev", "ino", "mode", "nlink", "uid", "gid", "size", "blocks")
        told = {f"st_{name}": getattr(status, f"st_{name}") for name in names}
        return told | {f"st_{name}": getattr(status, f"st_{name}_ns") for name in _TIMES}

    def readdir(self, path: str, _: int) -> Iterator[str]:
        """The names as they are kept."""
        yield from (".", "..", *os.listdir(self._at(path)))

    def rename(self, old: str, new: str) -> int:
        """Also to another spelling of the same name, which is kept then."""
        source, target = self._at(old), self._at(new)
        if source == target:
            folder, name = os.path.split(new)
            target = os.path.join(self._at(folder), self._new(name))
        os.rename(source, target)
        return 0

    def create(self, path: str, mode: int, _: Any = None) -> int:
        """A new file."""
        return os.open(self._at(path), os.O_RDWR | os.O_CREAT, mode)

    def open(self, path: str, flags: int) -> int:
        """A file."""
        return os.open(self._at(path), flags & ~(os.O_NOFOLLOW | os.O_EXCL | os.O_CREAT))

    def read(self, _: str, size: int, offset: int, fh: int) -> bytes:
        """Bytes."""
        return os.pread(fh, size, offset)

    def write(self, _: str, content: bytes, offset: int, fh: int) -> int:
        """Bytes."""
        return os.pwrite(fh, content, offset)

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        """Cut, or lengthen."""
        os.truncate(self._at(path) if fh is None else fh, length)
        return 0

    def release(self, _: str, fh: int) -> int:
        """Close."""
        os.close(fh)
        return 0

    def fsync(self, _: str, __: int, fh: int) -> int:
        """Flush."""
        os.fsync(fh)
        return 0

    def mkdir(self, path: str, mode: int) -> int:
        """A new folder."""
        os.mkdir(self._at(path), mode)
        return 0

    def rmdir(self, path: str) -> int:
        """One less."""
        os.rmdir(self._at(path))
        return 0

    def unlink(self, path: str) -> int:
        """One less."""
        os.unlink(self._at(path))
        return 0

    def chmod(self, path: str, mode: int) -> int:
        """Permissions."""
        os.chmod(self._at(path), mode)
        return 0

    def chown(self, path: str, uid: int, gid: int) -> int:
        """Owner."""
        os.lchown(self._at(path), uid, gid)
        return 0

    def utimens(self, path: str, times: tuple[int, int] | None = None, fh: Any = None) -> int:
        """Times."""
        os.utime(self._at(path), ns=times)
        return 0

    def statfs(self, path: str) -> dict[str, int]:
        """Room."""
        status = os.statvfs(self._at(path))
        return {name: getattr(status, name) for name in dir(status) if name.startswith("f_")}


_TIMES = ("atime", "mtime", "ctime")


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def main(backing: str, mount: str, form: str) -> None:
    """Serve it."""
    calls = Folding(backing, None if form == "-" else form)
    options = {"attr_timeout": 0, "entry_timeout": 0, "nothreads": True}
    _Fuse(calls, mount, foreground=True, raw_fi=False, allow_other=True, **options)


if __name__ == "__main__":
    main(*sys.argv[1:])
