"""The layer of fault injection: every step that changes a disk or the journal is a point.

It is put over davkeep inside a server process of these tests, and davkeep knows nothing of it: the
modules of the engine get another ``os``, and the calls of the journal and of the store's commits
are wrapped. At each point the plan decides whether the process tells and then stands still until it
is killed.
"""

import importlib
import os
import pkgutil
import threading
from collections.abc import Callable
from typing import Any

import davkeep.trees
from davkeep.operations.operation import Operation
from davkeep.operations.stored import Stored
from davkeep.store.database import Database
from davkeep.store.journal import Journal
from davkeep.trees import durability, renames

#: What changes a disk, or brings it there, by the names in ``os``.
CHANGES = frozenset(
    [
        "mkdir",
        "rename",
        "replace",
        "link",
        "unlink",
        "rmdir",
        "fsync",
        "chmod",
        "fchmod",
        "fchown",
        "utime",
        "write",
        "copy_file_range",
        "symlink",
        "mknod",
        "ftruncate",
        "setxattr",
        "removexattr",
        "sync",
    ]
)

#: Modules that change nothing but files that never have a name: a kill takes those along.
UNNAMED = frozenset(["davkeep.trees.sharing"])

#: Called with what is about to happen.
Reach = Callable[[str], None]


class Points:
    """Counts points, notes what happens at each, and stands still at one of them."""

    def __init__(self, stop_at: int | None, reached: Callable[[int, str], None]) -> None:
        """``reached`` is told at number ``stop_at``, counted from 1; None: at no point."""
        self._stop_at = stop_at
        self._reached = reached
        self._lock = threading.Lock()
        #: Everything so far, points and what is only noted.
        self.events: list[str] = []
        self.count = 0

    def reach(self, event: str) -> None:
        """Be at a point; does not return from that of the plan."""
        with self._lock:
            self.count += 1
            number = self.count
            self.events.append(event)
        if number == self._stop_at:
            self._reached(number, event)
            threading.Event().wait()

    def note(self, event: str) -> None:
        """Something happens that changes no disk by itself."""
        with self._lock:
            self.events.append(event)


class System:
    """``os`` as the engine's modules see it."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        for name in CHANGES:
            setattr(self, name, self._wrapped(name))

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def open(self, path: Any, flags: int, *arguments: Any, **named: Any) -> int:
        """A point where it makes something."""
        if flags & os.O_CREAT:
            self._reach(f"create {where(path, named.get('dir_fd'))}")
        return os.open(path, flags, *arguments, **named)

    def _wrapped(self, name: str) -> Callable[..., Any]:
        call = getattr(os, name)

        def wrapped(*arguments: Any, **named: Any) -> Any:
            self._reach(f"{name} {_subject(arguments, named)}")
            return call(*arguments, **named)

        return wrapped


def _subject(arguments: tuple[Any, ...], named: dict[str, Any]) -> str:
    if not arguments:
        return ""
    subject = where(arguments[0], named.get("dir_fd", named.get("src_dir_fd")))
    if "dst_dir_fd" in named:
        subject += f" -> {where(arguments[1], named['dst_dir_fd'])}"
    return subject


def where(path: Any, folder_fd: int | None = None) -> str:
    """The path of a descriptor, or of a name in a directory; staging names without their id."""
    if isinstance(path, int):
        return _plain(os.readlink(f"/proc/self/fd/{path}"))
    if folder_fd is None:
        return _plain(os.fsdecode(path))
    return _plain(os.path.join(os.readlink(f"/proc/self/fd/{folder_fd}"), os.fsdecode(path)))


def _plain(path: str) -> str:
    parts = path.split("/")
    return "/".join(_staging(part) if part.startswith(".davkeep-") else part for part in parts)


def _staging(name: str) -> str:
    _, dot, suffix = name[1:].partition(".")
    return f"STAGING{dot}{suffix}"


def install(points: Points, *, flags: bool = True) -> None:
    """Put the layer over davkeep. ``flags`` false: renameat2 knows none, as on bindfs."""
    system = System(points.reach)
    for found in pkgutil.iter_modules(davkeep.trees.__path__, "davkeep.trees."):
        module = importlib.import_module(found.name)
        if getattr(module, "os", None) is os and found.name not in UNNAMED:
            module.os = system  # type: ignore[attr-defined]
    _wrap_renames(points, flags=flags)
    _wrap_syncfs(points)
    _wrap_commits(points)
    _wrap_journal(points)
    _wrap_end(points)


def _wrap_renames(points: Points, *, flags: bool) -> None:
    rename = renames._rename

    def wrapped(from_fd: int, old: str, to_fd: int, new: str, flag: int) -> None:
        if not flags:
            raise OSError(22, "Invalid argument")
        how = "exchange" if flag == renames._EXCHANGE else "noreplace"
        points.reach(f"{how} {where(old, from_fd)} -> {where(new, to_fd)}")
        rename(from_fd, old, to_fd, new, flag)

    renames._rename = wrapped


def _wrap_syncfs(points: Points) -> None:
    sync = durability.sync_file_system

    def wrapped(fd: int) -> None:
        points.reach(f"syncfs {where(fd)}")
        sync(fd)

    durability.sync_file_system = wrapped


def _wrap_commits(points: Points) -> None:
    begin, commit = Database._begin, Database._commit
    before: dict[int, int] = {}

    def begun(self: Any, *, durable: bool) -> None:
        begin(self, durable=durable)
        before[id(self)] = self._connection.total_changes

    def committed(self: Any) -> None:
        if self._connection.total_changes != before[id(self)]:
            points.reach("commit, flushed" if self._is_durable else "commit")
        commit(self)

    Database._begin = begun  # type: ignore[method-assign]
    Database._commit = committed  # type: ignore[method-assign]


def _wrap_journal(points: Points) -> None:
    write, erase = Journal.write, Journal.erase

    def written(self: Any, record: Any, *, durable: bool) -> None:
        points.note(f"journal {record.stage.value}")
        write(self, record, durable=durable)

    def erased(self: Any, id: str, *, durable: bool = False) -> None:
        points.note("journal erased")
        erase(self, id, durable=durable)

    Journal.write = written  # type: ignore[method-assign]
    Journal.erase = erased  # type: ignore[method-assign]
    for name in ("copied", "moved", "hidden", "removed"):
        _note_stored(points, name)


def _note_stored(points: Points, name: str) -> None:
    change = getattr(Stored, name)

    def changed(self: Any, *arguments: Any, **named: Any) -> Any:
        points.note(f"store {name}")
        return change(self, *arguments, **named)

    setattr(Stored, name, changed)


def _wrap_end(points: Points) -> None:
    end = Operation.end

    def ended(self: Any, *arguments: Any) -> None:
        points.reach("end")
        end(self, *arguments)

    Operation.end = ended  # type: ignore[method-assign]
