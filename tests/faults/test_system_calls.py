"""Each error of a system call, in each place: the status, and what stays as it was."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import pytest

from harness.dav import LOCK, Place, failed, make, patch
from harness.faulty import FaultyServer
from harness.trees import members
from harness.wire import Response

#: Where the destination is built, before it has its name.
STAGED = r"/\.davkeep-[^/]*"
#: The destination as a whole can take no more.
EXHAUSTED = (("ENOSPC", 507), ("EDQUOT", 507), ("EIO", 500), ("EROFS", 403))
#: The place where each of them is tried, and those where one of them stands for all.
WRITING = (("write", f"{STAGED}/file$"), ("mkdir", f"{STAGED}$"), ("renameat2", "/to$"))
BUILDING = (
    ("open", f"{STAGED}/sub/file$"),
    ("copy_file_range|write", f"{STAGED}/large$"),
    ("mkdir", f"{STAGED}/sub$"),
    ("fsync|syncfs", STAGED),
)
#: A file of this size is copied by the kernel, a smaller one by reading and writing.
LARGE = b"x" * 200_000
TREE = {"file": b"1", "large": LARGE, "sub": {"file": b"2"}}


class Fault(NamedTuple):
    """What fails, and what is told of it: one status, or those of members in a 207."""

    call: str
    errno: str
    path: str
    answer: int | dict[str, int]

    def __str__(self) -> str:
        return f"{self.call}-{self.errno}-{self.path.replace(STAGED, 'staged')}"


#: Errors of the destination as a whole.
OF_THE_DESTINATION = [
    *(Fault(call, errno, path, status) for errno, status in EXHAUSTED for call, path in WRITING),
    *(Fault(call, "EDQUOT", path, 507) for call, path in BUILDING),
    Fault("mkdir", "EMLINK", f"{STAGED}$", 507),
    Fault("mkdir", "EACCES", f"{STAGED}$", 403),
    Fault("mkdir", "ENAMETOOLONG", f"{STAGED}$", 403),
    Fault("renameat2", "EMLINK", "/to$", 507),
    Fault("renameat2", "EACCES", "/to$", 403),
    # The process is short of something; nobody is to blame.
    Fault("open", "EMFILE", f"{STAGED}/sub/file$", 503),
    Fault("open", "ENOMEM", "/from/sub/file$", 503),
]
#: Errors of one member, which is named on the side that failed.
OF_A_MEMBER = [
    Fault("open", "ENAMETOOLONG", f"{STAGED}/sub/file$", {"to/sub/file": 403}),
    Fault("open", "EACCES", f"{STAGED}/sub/file$", {"to/sub/file": 403}),
    Fault("mkdir", "EMLINK", f"{STAGED}/sub$", {"to/sub": 507}),
    Fault("write", "EFBIG", f"{STAGED}/sub/file$", {"to/sub/file": 507}),
    Fault("open", "EACCES", "/from/sub/file$", {"from/sub/file": 403}),
    Fault("open", "EPERM", "/from/sub/file$", {"from/sub/file": 403}),
    Fault("open", "EIO", "/from/sub/file$", {"from/sub/file": 500}),
    Fault("open", "ESTALE", "/from/sub/file$", {"from/sub/file": 404}),
    Fault("read", "EIO", "/from/sub/file$", {"from/sub/file": 500}),
    Fault("scandir", "EIO", "/from/sub$", {"from/sub": 500}),
    Fault("open", "EACCES", "/from/sub$", {"from/sub": 403}),
]
#: The root of the source cannot be read.
OF_THE_ROOT = [Fault("open", "EIO", "/from$", 500), Fault("open", "EACCES", "/from$", 403)]


def each(faults: Iterable[Fault]) -> Any:
    """One test for each fault."""
    return pytest.mark.parametrize("fault", faults, ids=str)


def told(here: Place, answer: Response) -> int | dict[str, int]:
    """The answer as a Fault has it."""
    if answer.status != 207:
        assert str(here.folder).encode() not in answer.body
        return answer.status
    return {
        href.removeprefix(here.url): int(status or 0) for href, status in failed(answer).items()
    }


def go(server: FaultyServer, fault: Fault, ask: Callable[[], Response]) -> Response:
    """Ask while something fails."""
    server.fail(fault.call, fault.errno, fault.path)
    try:
        return ask()
    finally:
        server.heal()


@pytest.mark.parametrize("method", ["COPY", "MOVE"])
@each([*OF_THE_DESTINATION, *OF_A_MEMBER, *OF_THE_ROOT])
def test_over_an_existing_destination_any_failure_changes_nothing(
    server: FaultyServer, here: Place, kept: Callable[..., Any], method: str, fault: Fault
) -> None:
    """Source and destination are whole, with properties and locks; so it is for MOVE across."""
    make(here.folder, {"from": TREE, "to": {"kept": b"3"}})
    before = kept(here, "from/file", "to/kept")
    if method == "MOVE":
        server.fail("renameat2", "EXDEV", "/to$", times=1)
    ask = lambda: here.transfer(method, "from", "to", If=before.submitted)  # noqa: E731
    assert told(here, go(server, fault, ask)) == fault.answer
    before.check()


@each(OF_THE_DESTINATION + OF_THE_ROOT)
def test_to_a_new_destination_an_error_of_it_changes_nothing(
    server: FaultyServer, here: Place, kept: Callable[..., Any], fault: Fault
) -> None:
    """COPY is a single status then, and there is no destination."""
    make(here.folder, {"from": TREE})
    before = kept(here, "from/file")
    answer = go(server, fault, lambda: here.transfer("COPY", "from", "to"))
    assert told(here, answer) == fault.answer
    before.check()


@each(OF_A_MEMBER)
def test_to_a_new_destination_the_rest_is_kept(
    server: FaultyServer, here: Place, kept: Callable[..., Any], fault: Fault
) -> None:
    """COPY names the member that failed, and keeps everything else with its properties."""
    make(here.folder, {"from": TREE})
    here.set("from/file", color="red")
    here.set("from/sub/file", color="blue")
    answer = go(server, fault, lambda: here.transfer("COPY", "from", "to"))
    assert told(here, answer) == fault.answer
    assert (here.folder / "to/large").read_bytes() == LARGE
    assert here.dead("to/file") == {"color": "red"}
    assert not (here.folder / "to/sub/file").exists()
    make(here.folder / "to" / "sub", {"file": b"another"})
    assert here.dead("to/sub/file") == {}


@pytest.mark.parametrize("path", ["/from/sub/file$", "/from/sub$"])
def test_a_member_that_vanishes_is_not_there(server: FaultyServer, here: Place, path: str) -> None:
    """Somebody removed it between the look and the copying: the COPY is whole without it."""
    make(here.folder, {"from": TREE})
    fault = Fault("open", "ENOENT", path, 201)
    assert go(server, fault, lambda: here.transfer("COPY", "from", "to")).status == 201
    assert (here.folder / "to/large").exists()
    assert not (here.folder / "to/sub/file").exists()


def test_a_source_that_vanishes_is_404(
    server: FaultyServer, here: Place, kept: Callable[..., Any]
) -> None:
    """The root of the source goes away after the checks: nothing is made."""
    make(here.folder, {"from": TREE, "to": {"kept": b"1"}})
    before = kept(here, "to/kept")
    fault = Fault("open", "ENOENT", "/from$", 404)
    ask = lambda: here.transfer("COPY", "from", "to", If=before.submitted)  # noqa: E731
    assert go(server, fault, ask).status == 404
    before.check()


RENAMES = [
    *(Fault("renameat2", errno, "/to$", status) for errno, status in EXHAUSTED),
    Fault("renameat2", "EACCES", "/to$", 403),
    Fault("renameat2", "EPERM", "/to$", 403),
    Fault("renameat2", "EMLINK", "/to$", 507),
    Fault("renameat2", "ESTALE", "/to$", 404),
    Fault("renameat2", "ENAMETOOLONG", "/to$", 403),
    # What was replaced is to be hidden where the source was; if that fails the two change back.
    Fault("renameat2", "EIO", STAGED, 500),
    Fault("fsync", "EIO", "/t[0-9]+$", 500),
]


@pytest.mark.parametrize("exists", [False, True])
@each(RENAMES)
def test_a_move_that_cannot_rename_changes_nothing(
    server: FaultyServer, here: Place, kept: Callable[..., Any], fault: Fault, exists: bool
) -> None:
    """A new destination as well as an old one."""
    if STAGED in fault.path and not exists:
        return
    make(here.folder, {"from": TREE} | ({"to": {"kept": b"3"}} if exists else {}))
    before = kept(here, "from/file", *(["to/kept"] if exists else []))
    ask = lambda: here.transfer("MOVE", "from", "to", If=before.submitted)  # noqa: E731
    assert told(here, go(server, fault, ask)) == fault.answer
    before.check()


def test_a_rename_across_file_systems_is_a_copy(server: FaultyServer, here: Place) -> None:
    """EXDEV decides, whatever the device numbers say; the properties go along."""
    make(here.folder, {"from": TREE})
    here.set("from/file", color="red")
    server.fail("renameat2", "EXDEV", "/to$", times=1)
    assert here.transfer("MOVE", "from", "to").status == 201
    assert (here.folder / "to/sub/file").read_bytes() == b"2"
    assert here.dead("to/file") == {"color": "red"}
    assert not (here.folder / "from").exists()


DELETES = [
    *(Fault("renameat2", errno, STAGED, status) for errno, status in EXHAUSTED),
    Fault("renameat2", "EACCES", STAGED, 403),
    Fault("renameat2", "EPERM", STAGED, 403),
    Fault("renameat2", "ESTALE", STAGED, 404),
    Fault("fsync", "EIO", "/t[0-9]+$", 500),
]


@each(DELETES)
def test_a_delete_that_cannot_hide_the_tree_changes_nothing(
    server: FaultyServer, here: Place, kept: Callable[..., Any], fault: Fault
) -> None:
    """The tree stays, or comes back, with properties and locks."""
    make(here.folder, {"from": TREE})
    before = kept(here, "from/file")
    ask = lambda: here.ask("DELETE", "from", {"If": before.submitted})  # noqa: E731
    assert told(here, go(server, fault, ask)) == fault.answer
    before.check()


@pytest.mark.parametrize(
    ("errno", "status"), [("EACCES", 403), ("EPERM", 403), ("EIO", 500), ("ESTALE", 404)]
)
def test_a_delete_member_by_member_names_what_stays(
    server: FaultyServer, here: Place, errno: str, status: int
) -> None:
    """Where no rename is possible, 207 for those that fail; what stays keeps what it has."""
    make(here.folder, {"from": TREE})
    here.set("from/sub/file", color="red")
    here.set("from/file", color="blue")
    server.fail("renameat2", "EXDEV", STAGED)
    fault = Fault("unlink", errno, "/from/sub/file$", status)
    answer = go(server, fault, lambda: here.ask("DELETE", "from"))
    assert told(here, answer) == {"from/sub/file": status}
    assert sorted(members(here.folder / "from")) == ["sub"]
    assert here.dead("from/sub/file") == {"color": "red"}
    make(here.folder / "from", {"file": b"another"})
    assert here.dead("from/file") == {}


def test_what_is_stored_outlives_a_disk_that_cannot_be_asked(
    server: FaultyServer, here: Place
) -> None:
    """A DELETE that fails does not take EIO for "it is not there", and forget the properties."""
    make(here.folder, {"from": TREE})
    here.set("from/file", color="red")
    server.fail("renameat2", "EIO", STAGED)
    server.fail("lstat", "EIO", "/from/file$")
    assert here.ask("DELETE", "from").status == 500
    server.heal()
    assert here.dead("from/file") == {"color": "red"}


@pytest.mark.parametrize("call", ["scandir", "open"])
def test_a_delete_of_a_collection_that_cannot_be_read(
    server: FaultyServer, here: Place, call: str
) -> None:
    """That collection stays and is named; everything else goes."""
    make(here.folder, {"from": {"a": b"1", "sub": {"b": b"2"}, "z": {"c": b"3"}}})
    # It cannot be read under any name.
    fault = Fault(call, "EIO", "/(from|[.]davkeep-[^/]*)/sub$", {"from/sub": 500})
    assert told(here, go(server, fault, lambda: here.ask("DELETE", "from"))) == fault.answer
    assert members(here.folder / "from") == ["sub"]
    assert members(here.folder / "from/sub") == ["b"]


PUTS = [
    *(Fault("write", errno, STAGED, status) for errno, status in EXHAUSTED),
    *(
        Fault(call, "EDQUOT", path, 507)
        for call, path in (
            ("open", f"{STAGED}$"),
            ("fsync", STAGED),
            ("renameat2", "/to$"),
            ("fchmod", STAGED),
        )
    ),
    Fault("open", "EACCES", f"{STAGED}$", 403),
    Fault("open", "ENAMETOOLONG", f"{STAGED}$", 414),
    Fault("fsync", "EIO", STAGED, 500),
    Fault("open", "EMFILE", f"{STAGED}$", 503),
    Fault("write", "EFBIG", STAGED, 413),
    Fault("renameat2", "EACCES", "/to$", 403),
    Fault("renameat2", "EMLINK", "/to$", 507),
    Fault("renameat2", "ESTALE", "/to$", 404),
]


@pytest.mark.parametrize("exists", [False, True])
@each(PUTS)
def test_a_put_that_fails_changes_nothing(
    server: FaultyServer, here: Place, kept: Callable[..., Any], fault: Fault, exists: bool
) -> None:
    """The old content, its properties and lock, or no file at all."""
    if exists:
        make(here.folder, {"to": b"old"})
    before = kept(here, *(["to"] if exists else []))
    fields = {"If": before.submitted} if exists else {}
    with here.server_wire() as client:
        ask = lambda: client.ask("PUT", here.path("to"), fields, LARGE)  # noqa: E731
        assert told(here, go(server, fault, ask)) == fault.answer
    before.check()


@each(
    [
        *(Fault("mkdir", errno, "/to$", status) for errno, status in EXHAUSTED),
        Fault("mkdir", "EMLINK", "/to$", 507),
        Fault("mkdir", "EACCES", "/to$", 403),
        Fault("mkdir", "ENAMETOOLONG", "/to$", 414),
    ]
)
def test_mkcol_that_fails(server: FaultyServer, here: Place, fault: Fault) -> None:
    """Its own status; the same request succeeds afterwards."""
    assert told(here, go(server, fault, lambda: here.ask("MKCOL", "to"))) == fault.answer
    assert here.ask("MKCOL", "to").status == 201


@each([Fault("open", errno, f"{STAGED}$", status) for errno, status in EXHAUSTED])
def test_a_lock_whose_file_cannot_be_made_does_not_stay(
    server: FaultyServer, here: Place, fault: Fault
) -> None:
    """The name is free for everybody afterwards."""
    body = LOCK.format(scope="exclusive").encode()
    assert told(here, go(server, fault, lambda: here.ask("LOCK", "to", {}, body))) == fault.answer
    assert members(here.folder) == []
    assert here.ask("PUT", "to", {}, b"1").status == 201


@pytest.mark.parametrize(("errno", "status"), [("EACCES", 403), ("EIO", 500), ("ESTALE", 404)])
def test_a_file_that_cannot_be_opened(
    server: FaultyServer, here: Place, errno: str, status: int
) -> None:
    """GET tells, and serves the file when it can be opened again."""
    make(here.folder, {"file": b"1"})
    fault = Fault("open", errno, "/file$", status)
    assert told(here, go(server, fault, lambda: here.ask("GET", "file"))) == status
    assert here.ask("GET", "file").body == b"1"


def test_a_time_that_cannot_be_set_undoes_the_rest(
    server: FaultyServer, here: Place, kept: Callable[..., Any]
) -> None:
    """PROPPATCH sets all or nothing."""
    make(here.folder, {"file": b"1"})
    before = kept(here, "file")
    win32 = '<Z:Win32LastModifiedTime xmlns:Z="urn:schemas-microsoft-com:">'
    time = f"{win32}Sat, 21 Nov 2020 08:01:05 GMT</Z:Win32LastModifiedTime>"
    body = patch(f"<D:set><D:prop><x:color>new</x:color>{time}</D:prop></D:set>")
    fault = Fault("utime", "EROFS", "/file$", 403)
    ask = lambda: here.ask("PROPPATCH", "file", {"If": before.submitted}, body)  # noqa: E731
    answer = go(server, fault, ask)
    assert answer.status in (207, 403)
    before.check()


@pytest.mark.parametrize(("errno", "status"), [("EACCES", 403), ("EIO", 500), ("ENOTCONN", 503)])
def test_a_collection_that_cannot_be_listed(
    server: FaultyServer, here: Place, errno: str, status: int
) -> None:
    """PROPFIND of it is an error: an empty listing would make clients remove what they have."""
    make(here.folder, {"from": TREE})
    fault = Fault("open|scandir", errno, "/from$", status)
    ask = lambda: here.ask("PROPFIND", "from", {"Depth": "1"})  # noqa: E731
    assert told(here, go(server, fault, ask)) == status
    # Below the one that was asked for it is a member whose own are not told, if that is for good;
    # what may be otherwise in a moment fails the listing.
    listed = go(server, fault, lambda: here.ask("PROPFIND", "", {"Depth": "infinity"}))
    assert listed.status == (207 if errno == "EACCES" else status)
    if listed.status != 207:
        return
