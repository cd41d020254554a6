"""davkeep with system calls that fail where a test wants: the production code pays nothing for it.

`python -m harness.faulty FILE serve ...` is `davkeep serve ...`, in which each call of `os`, and
`renameat2` and `syncfs`, first looks into FILE, a JSON array of faults:

    {"call": "write", "errno": "ENOSPC", "path": "regular expression", "skip": 0, "times": null}

`path` is searched in the path that the call is about, `skip` calls pass before, `times` fail.
"""

import errno
import json
import os
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.server import RunningServer

#: Functions of `os` that can fail; their first argument is a path or a descriptor.
CALLS = frozenset(
    {"access", "chmod", "copy_file_range", "fchmod", "fstat", "fsync", "ftruncate", "link"}
    | {"listxattr", "lstat", "mkdir", "mknod", "open", "pread", "read", "readlink", "rename"}
    | {"rmdir", "scandir", "setxattr", "stat", "symlink", "unlink", "utime", "write"}
)

_readlink, _stat = os.readlink, os.stat


class Faults:
    """The faults that the file names at this moment."""

    def __init__(self, file: str) -> None:
        """``file`` is there from the start."""
        self._file = file
        self._lock = threading.Lock()
        self._seen: Any = None
        self._rules: list[dict[str, Any]] = []

    def check(self, call: str, path: str) -> None:
        """Raise the OSError of the first fault that fits."""
        with self._lock:
            status = _stat(self._file)
            if self._seen != (status.st_mtime_ns, status.st_ino):
                self._seen = (status.st_mtime_ns, status.st_ino)
                self._rules = json.loads(Path(self._file).read_text())
            rule = next((rule for rule in self._rules if _fits(rule, call, path)), None)
            if rule is None:
                return
            rule["times"] = None if rule["times"] is None else rule["times"] - 1
        number = getattr(errno, rule["errno"])
        raise OSError(number, os.strerror(number))


def _fits(rule: dict[str, Any], call: str, path: str) -> bool:
    if call not in rule["call"].split("|") or not re.search(rule["path"], path):
        return False
    if rule["skip"]:
        rule["skip"] -= 1
        return False
    return rule["times"] is None or rule["times"] > 0


def path_of(what: Any, dir_fd: int | None) -> str:
    """The path that a call is about."""
    if isinstance(what, int):
        return _readlink(f"/proc/self/fd/{what}")
    name = os.fsdecode(what)
    if dir_fd is None or dir_fd < 0 or name.startswith("/"):
        return name
    return f"{_readlink(f'/proc/self/fd/{dir_fd}')}/{name}"


def _failing(faults: Faults, call: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def checked(*arguments: Any, **named: Any) -> Any:
        # copy_file_range, link and rename fail by what they write to.
        what = arguments[1 if call in ("copy_file_range", "link", "rename") else 0]
        dir_fd = named.get("dst_dir_fd", named.get("dir_fd"))
        faults.check(call, path_of(what, dir_fd))
        return original(*arguments, **named)

    return checked


def install(faults: Faults) -> None:
    """Put the check in front of every call."""
    for call in CALLS:
        setattr(os, call, _failing(faults, call, getattr(os, call)))
    from davkeep.trees import durability, renames

    renameat2, syncfs = renames._rename, durability._syncfs

    def rename(from_fd: int, old: str, to_fd: int, new: str, flag: int) -> None:
        faults.check("renameat2", path_of(new, to_fd))
        renameat2(from_fd, old, to_fd, new, flag)

    def sync(fd: int) -> Any:
        faults.check("syncfs", path_of(fd, None))
        assert syncfs is not None
        return syncfs(fd)

    renames._rename = rename
    durability._syncfs = sync


class FaultyServer(RunningServer):
    """A server whose system calls fail when it is told so."""

    def __init__(self, folder: Path, root: Path | None, config: dict[str, Any]) -> None:
        """As for a server that works."""
        self._faults = folder / "faults.json"
        self._rules: list[dict[str, Any]] = []
        self.heal()
        #: Faults that were asked for so far.
        self.injected = 0
        super().__init__(folder, root, config)

    @property
    def command(self) -> list[str]:
        """What is run instead of ``davkeep``."""
        return ["-m", "harness.faulty", str(self._faults)]

    @property
    def environment(self) -> dict[str, str]:
        """Where this module is found."""
        return {"PYTHONPATH": str(Path(__file__).parent.parent)}

    def fail(
        self,
        call: str,
        number: str,
        path: str | Path,
        *,
        skip: int = 0,
        times: int | None = None,
    ) -> None:
        """Let ``call`` (or ``one|another``) fail with an errno where its path fits ``path``.

        Of several faults the first one counts that fits and is not used up.
        """
        rule = {"call": call, "errno": number, "path": str(path), "skip": skip, "times": times}
        self._rules.append(rule)
        self._write()
        self.injected += 1

    def heal(self) -> None:
        """Let everything work again."""
        self._rules.clear()
        self._write()

    def _write(self) -> None:
        new = self._faults.with_suffix(".new")
        new.write_text(json.dumps(self._rules))
        new.replace(self._faults)


if __name__ == "__main__":
    from davkeep.cli import main

    install(Faults(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
