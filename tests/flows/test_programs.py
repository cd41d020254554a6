"""How programs save, request by request, with their own fields."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from harness.dav import DAV, multistatus

MINIREDIR = {
    "User-Agent": "Microsoft-WebDAV-MiniRedir/10.0.22000",
    "Cache-Control": "no-cache",
    "Pragma": "no-cache",
    "translate": "f",
}
OFFICE = {"User-Agent": "Microsoft Office Word 2014", "X-Office-Major-Version": "16"}
LIBREOFFICE = {"User-Agent": "LibreOffice 7.4.7.2 denylistedbackend/7.88.1"}
WEBDAVFS = {"User-Agent": "WebDAVFS/3.0.0 (03008000) Darwin/22.6.0 (x86_64)", "Accept": "*/*"}
DAVFS2 = {"User-Agent": "davfs2/1.6.1 neon/0.32.2"}

#: What each of them sends to lock a file.
MINIREDIR_LOCK = (
    b'<?xml version="1.0" encoding="utf-8" ?><D:lockinfo xmlns:D="DAV:"><D:lockscope>'
    b"<D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype><D:owner>"
    b"<D:href>DESKTOP\\ann</D:href></D:owner></D:lockinfo>"
)
LIBREOFFICE_LOCK = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<lockinfo xmlns="DAV:"><lockscope><exclusive/>'
    b"</lockscope><locktype><write/></locktype><owner>LibreOffice - Ann</owner></lockinfo>\n"
)
WEBDAVFS_LOCK = (
    b'<?xml version="1.0" encoding="utf-8"?>\n<D:lockinfo xmlns:D="DAV:">\n'
    b"<D:lockscope><D:exclusive/></D:lockscope>\n<D:locktype><D:write/></D:locktype>\n"
    b"<D:owner>\n<D:href>http://www.apple.com/webdav_fs/</D:href>\n</D:owner>\n</D:lockinfo>\n"
)
DAVFS2_LOCK = (
    b'<?xml version="1.0" encoding="utf-8"?>\n<lockinfo xmlns=\'DAV:\'>\n <lockscope><exclusive/>'
    b"</lockscope>\n<locktype><write/></locktype><owner>ann</owner>\n</lockinfo>\n"
)


def _win32(**times: str) -> bytes:
    """The PROPPATCH by which Windows sets times and attributes."""
    inside = "".join(f"<Z:Win32{name}>{value}</Z:Win32{name}>" for name, value in times.items())
    return (
        '<?xml version="1.0" encoding="utf-8" ?><D:propertyupdate xmlns:D="DAV:" '
        'xmlns:Z="urn:schemas-microsoft-com:"><D:set><D:prop>'
        f"{inside}</D:prop></D:set></D:propertyupdate>"
    ).encode()


WIN32_ALL = _win32(
    CreationTime="Sat, 21 Nov 2020 08:01:05 GMT",
    LastAccessTime="Sat, 21 Nov 2020 08:01:05 GMT",
    LastModifiedTime="Sat, 21 Nov 2020 08:01:05 GMT",
    FileAttributes="00000020",
)
WIN32_END = _win32(LastModifiedTime="Sat, 21 Nov 2020 08:02:00 GMT", FileAttributes="00000020")


def _locked(client: Any, name: str, body: bytes, expected: int = 200, **fields: str) -> str:
    """LOCK and return the token with its angle brackets."""
    answer = client.ask(expected, "LOCK", name, body, Content_Type="text/xml", **fields)
    token: str = answer.fields["Lock-Token"]
    # It is in the body as well, which is where WebDAVFS takes it from.
    assert f">{token[1:-1]}<".encode() in answer.body
    return token


def _all_were_set(answer: Any) -> None:
    (found,) = multistatus(answer).values()
    assert set(found.statuses.values()) == {200}


def test_explorer_copies_a_file(program: Callable[..., Any]) -> None:
    """An empty PUT, LOCK, PROPPATCH of the times, HEAD, PUT with If, PROPPATCH, UNLOCK.

    The order is that of a debug log in https://github.com/mar10/wsgidav/issues/112, the fields of
    LOCK those of https://github.com/swisspol/GCDWebServer/issues/319.
    """
    windows = program(MINIREDIR)
    windows.ask(404, "PROPFIND", "report.doc", b"", Depth="0")
    windows.ask(201, "PUT", "report.doc", b"")
    token = _locked(windows, "report.doc", MINIREDIR_LOCK, Timeout="Second-3600")
    submitted = {"If": f"({token})"}
    _all_were_set(windows.ask(207, "PROPPATCH", "report.doc", WIN32_ALL, **submitted))
    assert windows.ask(200, "HEAD", "report.doc").fields["Content-Length"] == "0"
    windows.ask(204, "PUT", "report.doc", b"content" * 1000, **submitted)
    _all_were_set(windows.ask(207, "PROPPATCH", "report.doc", WIN32_END, **submitted))
    windows.ask(204, "UNLOCK", "report.doc", Lock_Token=token)
    assert (windows.folder / "report.doc").read_bytes() == b"content" * 1000
    windows.unlocked("report.doc")


def test_windows_saves_over_a_file(program: Callable[..., Any]) -> None:
    """A temporary file, locked, is moved onto the original with its own token alone.

    The order is that of https://github.com/hacdias/webdav/pull/357, where the MOVE was 412.
    """
    windows = program(MINIREDIR)
    (windows.folder / "sheet.xlsx").write_bytes(b"old")
    first = _locked(windows, "sheet.xlsx", MINIREDIR_LOCK, Timeout="Second-3600")
    windows.ask(201, "PUT", "~tmp1.TMP", b"")
    second = _locked(windows, "~tmp1.TMP", MINIREDIR_LOCK, Timeout="Second-3600")
    windows.ask(204, "PUT", "~tmp1.TMP", b"new", If=f"({second})")
    windows.ask(204, "UNLOCK", "sheet.xlsx", Lock_Token=first)
    windows.ask(204, "UNLOCK", "~tmp1.TMP", Lock_Token=second)
    third = _locked(windows, "~tmp1.TMP", MINIREDIR_LOCK, Timeout="Second-3600")
    to = {"Destination": windows.whole("sheet.xlsx"), "Overwrite": "T"}
    windows.ask(204, "MOVE", "~tmp1.TMP", If=f"({third})", **to)
    assert windows.names() == ["sheet.xlsx"]
    assert (windows.folder / "sheet.xlsx").read_bytes() == b"new"
    # The token went with the temporary file's lock.
    windows.ask(409, "UNLOCK", "sheet.xlsx", Lock_Token=third)
    windows.unlocked("sheet.xlsx")


def test_office_saves_a_document_that_it_has_locked(program: Callable[..., Any]) -> None:
    """The owner file beside it, then LOCK, PUT of a temporary name, MOVE with If, times, UNLOCK.

    The owner file's requests are those of
    https://github.com/OpenMarshal/npm-WebDAV-Server/issues/37; that the new document comes as a
    temporary file is said in https://github.com/danmunn/redmine_dmsf/issues/587. The old document
    keeps its lock, whose token the MOVE submits.
    """
    word = program(MINIREDIR)
    (word.folder / "test.docx").write_bytes(b"old")
    word.ask(200, "OPTIONS", "")
    document = _locked(word, "test.docx", MINIREDIR_LOCK, Timeout="Second-3600")
    word.ask(200, "GET", "test.docx")
    word.ask(201, "PUT", "~%24test.docx", b"")
    owner = _locked(word, "~%24test.docx", MINIREDIR_LOCK, Timeout="Second-3600")
    word.ask(200, "HEAD", "~%24test.docx")
    word.ask(204, "PUT", "~%24test.docx", b"Ann", If=f"({owner})")
    _all_were_set(word.ask(207, "PROPPATCH", "~%24test.docx", WIN32_ALL, If=f"({owner})"))
    word.ask(204, "UNLOCK", "~%24test.docx", Lock_Token=owner)
    word.ask(201, "PUT", "~WRD0001.tmp", b"new")
    to = {"Destination": word.whole("test.docx"), "Overwrite": "T"}
    word.ask(204, "MOVE", "~WRD0001.tmp", If=f"({document})", **to)
    # The lock is still there, and is its own.
    word.ask(200, "LOCK", "test.docx", If=f"({document})", Timeout="Second-3600")
    _all_were_set(word.ask(207, "PROPPATCH", "test.docx", WIN32_ALL, If=f"({document})"))
    word.ask(423, "PUT", "test.docx", b"of somebody else")
    word.ask(204, "UNLOCK", "test.docx", Lock_Token=document)
    word.ask(204, "DELETE", "~%24test.docx")
    assert word.names() == ["test.docx"]
    assert (word.folder / "test.docx").read_bytes() == b"new"
    word.unlocked("test.docx")


@pytest.mark.parametrize("fields", [MINIREDIR, OFFICE], ids=["MiniRedir", "Office"])
def test_office_keeps_the_old_document_until_the_new_one_has_its_name(
    program: Callable[..., Any], fields: dict[str, str]
) -> None:
    """The other way: the old one is moved away, the new one in, and then the old one deleted."""
    word = program(fields)
    (word.folder / "test.docx").write_bytes(b"old")
    token = _locked(word, "test.docx", MINIREDIR_LOCK, Timeout="Second-3600")
    word.ask(201, "PUT", "~WRD0001.tmp", b"new")
    away = {"Destination": word.whole("~WRL0002.tmp"), "Overwrite": "F"}
    word.ask(423, "MOVE", "test.docx", **away)
    word.ask(201, "MOVE", "test.docx", If=f"({token})", **away)
    back = {"Destination": word.whole("test.docx"), "Overwrite": "F"}
    word.ask(201, "MOVE", "~WRD0001.tmp", **back)
    word.ask(204, "DELETE", "~WRL0002.tmp")
    assert word.names() == ["test.docx"]
    word.unlocked("test.docx")


def test_libreoffice_saves(program: Callable[..., Any]) -> None:
    """PROPFIND of what it needs, LOCK for three minutes, PUT with If, a refresh, UNLOCK.

    LibreOffice's DAVResourceAccess and its lock store (ucb/source/ucp/webdav-curl): the token is
    submitted for the URL, tagged. The PROPFIND is that of
    https://github.com/owncloud/core/issues/34394.
    """
    office = program(LIBREOFFICE)
    (office.folder / "Example.odt").write_bytes(b"old")
    wanted = (
        b'<?xml version="1.0" encoding="utf-8"?><propfind xmlns="DAV:"><prop>'
        b'<resourcetype xmlns="DAV:"/><IsReadOnly xmlns="http://ucb.openoffice.org/dav/props/"/>'
        b'<getcontenttype xmlns="DAV:"/><supportedlock xmlns="DAV:"/></prop></propfind>'
    )
    office.ask(200, "OPTIONS", "Example.odt")
    (found,) = multistatus(office.ask(207, "PROPFIND", "Example.odt", wanted, Depth="0")).values()
    assert found.statuses[f"{DAV}supportedlock"] == 200
    assert found.statuses["{http://ucb.openoffice.org/dav/props/}IsReadOnly"] == 404
    lock = {"Timeout": "Second-180", "Depth": "0"}
    token = _locked(office, "Example.odt", LIBREOFFICE_LOCK, **lock)
    submitted = f"<{office.whole('Example.odt')}> ({token})"
    office.ask(200, "GET", "Example.odt")
    office.ask(204, "PUT", "Example.odt", b"new", If=submitted)
    refreshed = office.ask(200, "LOCK", "Example.odt", If=submitted, Timeout="Second-180")
    assert re.search(rb"Second-1[78]\d", refreshed.body)
    office.ask(204, "PUT", "Example.odt", b"newer", If=submitted)
    office.ask(204, "UNLOCK", "Example.odt", Lock_Token=token)
    assert (office.folder / "Example.odt").read_bytes() == b"newer"
    office.unlocked("Example.odt")


def test_libreoffice_by_way_of_windows_makes_its_lock_file(program: Callable[..., Any]) -> None:
    """``.~lock.x#`` comes and goes beside the document.

    The requests of https://github.com/dgraziotin/docker-nginx-webdav-nononsense/issues/8.
    """
    office = program(MINIREDIR)
    (office.folder / "test document.odt").write_bytes(b"old")
    name = ".~lock.test%20document.odt%23"
    token = _locked(office, "test%20document.odt", MINIREDIR_LOCK, Timeout="Second-3600")
    office.ask(404, "PROPFIND", name, b"", Depth="0")
    office.ask(201, "PUT", name, b"")
    own = _locked(office, name, MINIREDIR_LOCK, Timeout="Second-3600")
    office.ask(204, "PUT", name, b",ann,desktop;", If=f"({own})")
    office.ask(204, "UNLOCK", name, Lock_Token=own)
    assert office.names() == [".~lock.test document.odt#", "test document.odt"]
    office.ask(204, "PUT", "test%20document.odt", b"new", If=f"({token})")
    office.ask(204, "UNLOCK", "test%20document.odt", Lock_Token=token)
    office.ask(204, "DELETE", name)
    assert office.names() == ["test document.odt"]
    office.unlocked("test document.odt")


def _mac_writes(mac: Any, name: str, content: bytes) -> None:
    """WebDAVFS: an empty PUT, LOCK, the content in chunks with the token, UNLOCK."""
    mac.ask(404, "PROPFIND", name, b"", Depth="0")
    mac.ask(201, "PUT", name, b"")
    token = _locked(mac, name, WEBDAVFS_LOCK, Timeout="Second-600", Depth="0")
    mac.ask(
        204,
        "PUT",
        name,
        [content[:3], content[3:]],
        If=f"({token})",
        X_Expected_Entity_Length=str(len(content)),
    )
    mac.ask(200, "LOCK", name, If=f"({token})", Timeout="Second-600")
    mac.ask(204, "UNLOCK", name, Lock_Token=token)


def test_textedit_saves_with_its_companion(program: Callable[..., Any]) -> None:
    """The new document, with its ``._`` companion, is made apart and moved onto the old one.

    The order of one file is that of https://github.com/owncloud/core/issues/24753, the body of LOCK
    and the fields of the PUT in chunks those of webdavfs (mount.tproj/webdav_network.c).
    """
    mac = program(WEBDAVFS)
    (mac.folder / "letter.txt").write_bytes(b"old")
    mac.ask(404, "PROPFIND", "._letter.txt", b"", Depth="0")
    apart = "(A%20Document%20Being%20Saved%20By%20TextEdit)"
    mac.ask(201, "MKCOL", apart)
    _mac_writes(mac, f"{apart}/letter.txt", b"the new letter")
    _mac_writes(mac, f"{apart}/._letter.txt", b"\x00\x05\x16\x07 attributes")
    for name in ("letter.txt", "._letter.txt"):
        to = {"Destination": mac.whole(name), "Overwrite": "T"}
        mac.ask(201 if name.startswith("._") else 204, "MOVE", f"{apart}/{name}", **to)
    mac.ask(204, "DELETE", f"{apart}/")
    assert mac.names() == ["._letter.txt", "letter.txt"]
    assert (mac.folder / "letter.txt").read_bytes() == b"the new letter"
    assert (mac.folder / "._letter.txt").read_bytes() == b"\x00\x05\x16\x07 attributes"
    mac.unlocked("letter.txt")


def test_finder_mounts_and_leaves_its_files(program: Callable[..., Any]) -> None:
    """OPTIONS with class 2, the quota, probes for what is not there, and ``.DS_Store``.

    The list of http://sabre.io/dav/clients/finder/; the quota's names are those of webdavfs.
    """
    mac = program(WEBDAVFS)
    assert "2" in mac.ask(200, "OPTIONS", "").fields["Dav"]
    quota = (
        b'<?xml version="1.0" encoding="utf-8"?>\n<D:propfind xmlns:D="DAV:">\n<D:prop>\n'
        b"<D:quota-available-bytes/>\n<D:quota-used-bytes/>\n<D:quota/>\n<D:quotaused/>\n"
        b"</D:prop>\n</D:propfind>\n"
    )
    (found,) = multistatus(mac.ask(207, "PROPFIND", "", quota, Depth="0")).values()
    assert set(found.statuses) == {
        f"{DAV}{name}"
        for name in ("quota-available-bytes", "quota-used-bytes", "quota", "quotaused")
    }
    for name in ("._.", ".metadata_never_index", ".Spotlight-V100", "mach_kernel"):
        mac.ask(404, "PROPFIND", name, b"", Depth="0")
    _mac_writes(mac, ".DS_Store", b"\x00\x00\x00\x01Bud1")
    _mac_writes(mac, "._.DS_Store", b"\x00\x05\x16\x07")
    assert mac.names() == [".DS_Store", "._.DS_Store"]


def test_davfs2_writes_back_its_cache(program: Callable[..., Any]) -> None:
    """LOCK with an owner when a file is opened to write, HEAD, PUT with If, refreshed, UNLOCK.

    davfs2 1.6 (src/webdav.c: dav_lock, dav_head, dav_put, dav_lock_refresh, dav_unlock) by way of
    neon's lock store, which submits the token tagged with the URL. tests/clients has the program.
    """
    davfs = program(DAVFS2)
    (davfs.folder / "notes").write_bytes(b"old")
    lock = {"Timeout": "Second-1800", "Depth": "0"}
    token = _locked(davfs, "notes", DAVFS2_LOCK, **lock)
    submitted = f"<{davfs.whole('notes')}> ({token})"
    before = davfs.ask(200, "HEAD", "notes").fields["Etag"]
    davfs.ask(200, "LOCK", "notes", If=submitted, Timeout="Second-1800")
    put = davfs.ask(204, "PUT", "notes", b"new", If=submitted)
    after = davfs.ask(200, "HEAD", "notes").fields["Etag"]
    assert put.fields["Etag"] == after != before
    davfs.ask(204, "UNLOCK", "notes", Lock_Token=token)
    # A new file: the lock itself makes it.
    made = _locked(davfs, "fresh", DAVFS2_LOCK, expected=201, **lock)
    davfs.ask(204, "PUT", "fresh", b"1", If=f"<{davfs.whole('fresh')}> ({made})")
    davfs.ask(204, "UNLOCK", "fresh", Lock_Token=made)
    assert davfs.names() == ["fresh", "notes"]
    davfs.unlocked("notes")
