"""What a PROPFIND says is what a plain one says, property by property, whatever the tree."""

import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_to_bytes

import pytest
from lxml import etree

from davkeep.trees.listing import WHOLE
from harness.dav import DAV, Found, Place, make, multistatus, patch
from harness.listing import QUOTA, UNQUOTED, Plain, Properties, meaning
from harness.server import DEADLINE, RunningServer, Serve

STRANGE = [
    b"plain.txt",
    b"100% <&>\"'.html",
    b"]]>",
    b"a\rb\nc\td.png",
    b"\x01\x1b[0m\x7f.TXT",
    b"\xff\xfe\xe2\x28",
    b"\xef\xbf\xbe",
    "größe 日本 \U0001f600 e\u0301.tar.gz".encode(),
    b" lead trail ",
    b"data:text,x.pdf",
    b"%41%2F",
    b".html",
    b"..html",
    b"...",
]
LINKS = {
    "file": "../plain.txt",
    "dir": "../sub",
    "chain": "dir/plain.txt",
    "up": "..",
    "self": ".",
    "broken": "none",
    "loop": "loop",
    "out": "/etc",
    "hidden": "../.davkeep-hidden",
}

#: What is set as dead properties: attributes, name spaces, languages, mixed content.
DEAD = (
    '<x:plain>text</x:plain><x:empty/><none xmlns="">no name space</none>'
    '<x:mixed xml:lang="de" a="1" x:b="&quot;&amp;&#10;">vor<i xmlns="urn:y">&lt;i&gt;</i> nach'
    '<x:deep><D:href>/x</D:href><e xmlns=""><f/></e></x:deep>&#13;\u00e4\U0001f600</x:mixed>'
    '<y:odd xmlns:y="http://example.com/?a=%25s&amp;b=c">100% of %s</y:odd>'
)
NAMED = (
    "<D:resourcetype/><D:getetag/><D:quota-used-bytes/><D:lockdiscovery/><D:getcontentlength/>"
    "<x:plain/><x:mixed/><D:displayname/>"
)
NOWHERE = (
    '<x:nowhere/><no xmlns=""/><z:no xmlns:z="http://example.com/?%25s&amp;%5f"/><D:no/><xml:no/>'
)


@pytest.fixture(scope="module", params=[False, True], ids=["links hidden", "links followed"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """A server with a folder at /, which follows links or does not."""
    folder = tmp_path_factory.mktemp("listed")
    (folder / "root").mkdir()
    config = {"fs_dav_provider": {"follow_symlinks": request.param}, "davkeep": {"fsync": False}}
    running = RunningServer(folder, folder / "root", config)
    yield running
    running.close()
    assert "Traceback" not in running.log


@pytest.fixture
def follows(server: RunningServer, request: pytest.FixtureRequest) -> bool:
    """Whether the server follows links."""
    return "followed" in request.node.callspec.id


@pytest.fixture
def strange(here: Place) -> Place:
    """A tree with everything in it that a listing could stumble over."""
    top = os.fsencode(here.folder)
    for above in (top + b"/sub/" + STRANGE[3], top + b"/sub/" + STRANGE[5], top + b"/sub", top):
        os.makedirs(above, exist_ok=True)
        for number, name in enumerate(STRANGE):
            path = Path(os.fsdecode(above + b"/" + name))
            if not path.exists():
                path.write_bytes(b"x" * number)
                os.utime(path, ns=(0, 10**9 * 86_399 * number * number + number))
    (here.folder / "empty").mkdir()
    os.utime(here.folder / "empty", (-86_401, -86_401))
    os.mkfifo(here.folder / "fifo")
    make(here.folder, {".davkeep-hidden": b"", ".DavKeep-2": {"x": b""}, "links": LINKS})
    return here


def hrefs() -> list[str]:
    """The strange names as they stand in URLs."""
    return [quote(name, safe=UNQUOTED) for name in STRANGE]


def describe(place: Place) -> None:
    """Set dead properties and take locks: shared, exclusive, of either depth, one in another."""
    body = patch(f"<D:set xml:lang='nl'><D:prop>{DEAD}</D:prop></D:set>")
    for name in ("", *hrefs(), "sub/", f"sub/{hrefs()[3]}", f"sub/{hrefs()[5]}/{hrefs()[4]}"):
        answer = place.ask("PROPPATCH", name, {}, body)
        assert set(next(iter(multistatus(answer).values())).statuses.values()) == {200}
    for name, scope, depth in (
        ("", "shared", "0"),
        ("sub", "shared", "infinity"),
        (f"sub/{hrefs()[3]}/plain.txt", "shared", "infinity"),
        (f"sub/{hrefs()[3]}/plain.txt", "shared", "0"),
        (hrefs()[4], "exclusive", "0"),
        ("empty", "exclusive", "infinity"),
    ):
        place.lock(name, scope=scope, Depth=depth, Timeout="Second-3600")


def told(found: dict[str, Found]) -> dict[str, dict[str, Any]]:
    """Status and meaning of every property, by href."""
    return {
        href: {name: (status, meaning(each)) for name, (status, each) in one.properties.items()}
        for href, one in found.items()
    }


def answers(own: Properties, names: Iterable[str]) -> dict[str, Any]:
    """What a member answers to a question for these names."""
    return {
        name: (200, meaning(own[name])) if name in own else (404, meaning(etree.Element(name)))
        for name in names
    }


def asked_for(body: str) -> list[str]:
    """The names in a piece of a body."""
    return [str(each.tag) for each in etree.fromstring(patch(body))]


#: What is asked, and which names each member answers: those that it has are given.
QUESTIONS: dict[str, tuple[str, Callable[[Properties], Iterable[str]]]] = {
    "nothing": ("", lambda own: own.keys() - set(QUOTA)),
    "allprop": ("<D:allprop/>", lambda own: own.keys() - set(QUOTA)),
    "include": (
        f"<D:allprop/><D:include><D:quota-used-bytes/><x:plain/>{NOWHERE}</D:include>",
        lambda own: {*own} - {QUOTA[1]} | {QUOTA[0], "{urn:x}plain", *asked_for(NOWHERE)},
    ),
    "named": (f"<D:prop>{NAMED}{NOWHERE}</D:prop>", lambda _: asked_for(NAMED + NOWHERE)),
    "stored": ("<D:prop><x:plain/></D:prop>", lambda _: ["{urn:x}plain"]),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_it_says_what_a_plain_one_says(
    strange: Place, server: RunningServer, follows: bool, question: str
) -> None:
    """Every member at every depth, with every property."""
    body, names = QUESTIONS[question]
    describe(strange)
    plain = Plain(server.folder / "root", server.state, follows=follows)
    third = hrefs()[3]
    for name in ("", "sub/", f"sub/{third}/", f"sub/{third}/plain.txt", "empty", "links", "fifo"):
        for depth in ("0", "1", "infinity"):
            found = told(strange.propfind(name, body, depth))
            way = [unquote_to_bytes(each) for each in strange.path(name).split("/") if each]
            wanted = plain.tell(way, depth)
            assert found == {href: answers(own, names(own)) for href, own in wanted.items()}
    assert len(plain.tell(way[:1], "infinity")) > 4 * len(STRANGE)


def test_names_only(strange: Place, server: RunningServer, follows: bool) -> None:
    """The names of what each member has."""
    describe(strange)
    plain = Plain(server.folder / "root", server.state, follows=follows)
    found = told(strange.propfind("", "<D:propname/>", "infinity"))
    wanted = plain.tell([os.fsencode(strange.folder.name)], "infinity")
    assert found == {
        href: {name: (200, meaning(etree.Element(name))) for name in own}
        for href, own in wanted.items()
    }


def test_more_is_stored_than_is_read_at_once(
    strange: Place, server: RunningServer, follows: bool
) -> None:
    """With thousands of properties in the tree every member still has its own."""
    describe(strange)
    body = "".join(f"<x:p{number}>{number}</x:p{number}>" for number in range(1001))
    full = patch(f"<D:set><D:prop>{body}</D:prop></D:set>")
    assert strange.ask("PROPPATCH", hrefs()[3], {}, full).status == 207
    plain = Plain(server.folder / "root", server.state, follows=follows)
    for depth in ("1", "infinity"):
        found = told(strange.propfind("", "", depth))
        wanted = plain.tell([os.fsencode(strange.folder.name)], depth)
        names = QUESTIONS["allprop"][1]
        assert found == {href: answers(own, names(own)) for href, own in wanted.items()}


@pytest.mark.parametrize("fields", [{"Prefer": 'foo, return="minimal"'}, {"Brief": "t"}])
def test_what_is_not_there_is_not_mentioned(here: Place, fields: dict[str, str]) -> None:
    """RFC 8144 2.1, also as Microsoft's clients said it before."""
    make(here.folder, {"file": b"12"})
    content = b'<propfind xmlns="DAV:"><prop><getcontentlength/><none/></prop></propfind>'
    answer = here.ask("PROPFIND", "", {"Depth": "1", **fields}, content)
    assert answer.fields["Preference-Applied"] == "return=minimal"
    found = multistatus(answer)
    assert found[here.url].statuses == {}
    assert found[f"{here.url}file"].statuses == {f"{DAV}getcontentlength": 200}
    assert b"200 OK" in answer.body
    assert b"404" not in answer.body
    whole = here.ask("PROPFIND", "", {"Depth": "1", "Prefer": "return=representation"}, content)
    assert "Preference-Applied" not in whole.fields
    assert multistatus(whole)[here.url].statuses[f"{DAV}none"] == 404


def test_members_that_come_and_go_meanwhile(here: Place) -> None:
    """What stays is in every listing, and each listing is whole."""
    for number in range(300):
        (here.folder / f"stays-{number}").touch()
    is_over = threading.Event()

    def come_and_go() -> None:
        while not is_over.is_set():
            for number in range(100):
                (here.folder / f"goes-{number}").mkdir(exist_ok=True)
                (here.folder / f"goes-{number}/inside").touch()
            for number in range(100):
                (here.folder / f"goes-{number}/inside").unlink()
                (here.folder / f"goes-{number}").rmdir()

    changing = threading.Thread(target=come_and_go)
    changing.start()
    try:
        for _ in range(30):
            found = here.propfind(depth="infinity")
            assert sum("/stays-" in href for href in found) == 300
            assert all("/stays-" in href or "/goes-" in href for href in found if href != here.url)
    finally:
        is_over.set()
        changing.join()


def test_the_memory_does_not_grow_with_the_tree(serve: Serve, root: Path) -> None:
    """Ten times the members, and deeper: the process is as large as before."""
    for size in (20, 200):
        for number in range(size):
            folder = root / f"{size}/wide-{number}"
            folder.mkdir(parents=True)
            for member in range(50):
                (folder / f"member-{member}").touch()
        os.makedirs(root / f"{size}" / "/".join(["deep"] * size))
    server = serve()
    peaks = []
    for size in (20, 200):
        lengths = [_length_of_listing(server, f"/{size}") for _ in range(3)]
        assert lengths[0] > size * 50 * 700
        peaks.append(_peak(server))
    assert peaks[1] - peaks[0] < 4 * 2**20, peaks


def _read_all(client: socket.socket) -> None:
    while client.recv(65536):
        pass


def _length_of_listing(server: RunningServer, path: str) -> int:
    """Ask for all of a tree, and count the bytes that come until the server closes."""
    head = f"PROPFIND {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with socket.create_connection((server.host, server.port), DEADLINE) as client:
        client.sendall(head.encode())
        length, end = 0, b""
        while block := client.recv(65536):
            length, end = length + len(block), (end + block)[-64:]
    assert end.endswith(b"</D:multistatus>\n\r\n0\r\n\r\n")
    return length


def _peak(server: RunningServer) -> int:
    """The most memory that the process has had, in bytes."""
    text = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
    (line,) = (each for each in text.splitlines() if each.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def test_a_listing_that_cannot_be_completed_is_cut_off(
    serve: Serve, root: Path, tmp_path: Path
) -> None:
    """A collection too large to be read before it is told of is replaced meanwhile: a reset."""
    (root / "large").mkdir()
    for number in range(WHOLE + 500):
        (root / f"large/{number}").touch()
    (tmp_path / "other").mkdir()
    server = serve()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(DEADLINE)
        client.connect((server.host, server.port))
        client.sendall(b"PROPFIND /large HTTP/1.1\r\nHost: x\r\nDepth: 1\r\n\r\n")
        begun = client.recv(4096)
        assert begun.startswith(b"HTTP/1.1 207")
        (root / "large").rename(tmp_path / "old")
        (tmp_path / "other").rename(root / "large")
        with pytest.raises(ConnectionResetError):
            _read_all(client)
    server.wait_for_log("replaced while it was listed")
    assert "Traceback" not in server.log
