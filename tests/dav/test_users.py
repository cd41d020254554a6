"""Users: who may come in, and that a share is written by its own users only."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import requests
from requests.auth import HTTPBasicAuth, HTTPDigestAuth

from harness.dav import LOCK, exchange, make, setting, snapshot
from harness.server import RunningServer, Serve

#: Who may use which share, and with what password.
USERS: dict[str, Any] = {
    "/a": {"alice": {"password": "one"}, "both": {"password": "same"}, "two": {"password": "x"}},
    "/b": {"bob": {"password": "two"}, "both": {"password": "same"}, "two": {"password": "y"}},
    "/free": True,
    "/My Größe": {"josé": {"password": "pä:ß"}, "both": {"password": "same"}},
}

ALICE, BOB, BOTH = ("alice", "one"), ("bob", "two"), ("both", "same")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with users for each share."""
    folder = tmp_path_factory.mktemp("guarded")
    for name in ("a", "b", "free", "far"):
        make(folder / name, {"file": name.encode(), "dest": b"old"})
    mapping = {share: str(folder / share.strip("/")) for share in ("/a", "/b", "/free")}
    mapping["/My Größe"] = str(folder / "far")
    config = {"provider_mapping": mapping, "simple_dc": {"user_mapping": USERS}}
    running = RunningServer(folder, None, config)
    yield running
    running.close()
    assert "Traceback" not in running.log


class User:
    """A user of a WebDAV client."""

    def __init__(self, server: RunningServer, auth: Any) -> None:
        self.server = server
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.auth = auth

    def ask(self, method: str, path: str, body: bytes = b"", **fields: str) -> requests.Response:
        """Ask; ``If_Match`` is the field If-Match."""
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        url = self.server.url + path.lstrip("/")
        return self.session.request(method, url, headers=headers, data=body, allow_redirects=False)

    def status(self, method: str, path: str, body: bytes = b"", **fields: str) -> int:
        """The status of the final response."""
        return self.ask(method, path, body, **fields).status_code


@pytest.fixture(params=[HTTPBasicAuth, HTTPDigestAuth])
def user(guarded: RunningServer, request: pytest.FixtureRequest) -> Callable[..., User]:
    """``user(ALICE)`` comes with Basic or with Digest."""
    return lambda credentials: User(guarded, request.param(*credentials))


@pytest.fixture
def unchanged(guarded: RunningServer) -> Iterator[None]:
    """Nothing in any share changes."""
    folders = [guarded.folder / name for name in ("a", "b", "far")]
    before = [snapshot(folder) for folder in folders]
    yield
    assert [snapshot(folder) for folder in folders] == before


def test_a_share_is_its_users(user: Callable[..., User], unchanged: None) -> None:
    """401 for strangers, wrong passwords and users of another share."""
    assert user(ALICE).ask("GET", "/a/file").content == b"a"
    for credentials in (BOB, ("alice", "two"), ("nobody", ""), ("", "")):
        for method in ("GET", "PUT", "DELETE", "PROPFIND", "OPTIONS", "MKCOL"):
            assert user(credentials).status(method, "/a/file") == 401
    assert user(BOTH).status("GET", "/a/file") == user(BOTH).status("GET", "/b/file") == 200
    assert user(BOB).ask("GET", "/free/file").content == b"free"


def test_without_credentials(guarded: RunningServer, unchanged: None) -> None:
    """Anonymous access where it is said, 401 elsewhere, before the body is asked for."""
    anybody = User(guarded, None)
    assert anybody.status("GET", "/free/file") == 200
    answer = anybody.ask("PUT", "/a/new", b"x" * 100_000)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith('Digest realm="/a"')
    assert str(guarded.folder) not in answer.text


@pytest.mark.parametrize("path", ["/My%20Gr%C3%B6%C3%9Fe/file", "/My%20Gr%C3%B6%C3%9Fe/"])
def test_a_share_whose_name_is_not_ascii(user: Callable[..., User], path: str) -> None:
    """Its realm can be told in a header field, and its users come in."""
    assert user(BOTH).status("GET", path) == 200
    assert user(ALICE).status("GET", path) == 401
    assert user(BOTH).status("PROPFIND", path, Depth="0") == 207


def test_names_and_passwords_beyond_ascii(guarded: RunningServer) -> None:
    """As UTF-8; a colon may be in a password."""
    path = "/My%20Gr%C3%B6%C3%9Fe/file"
    token = base64.b64encode("josé:pä:ß".encode()).decode()
    assert User(guarded, None).status("GET", path, Authorization=f"Basic {token}") == 200
    wrong = base64.b64encode("josé:pä".encode()).decode()
    assert User(guarded, None).status("GET", path, Authorization=f"Basic {wrong}") == 401
    assert User(guarded, HTTPDigestAuth("josé".encode(), "pä:ß".encode())).status("GET", path) in (
        200,
        401,
    )


def test_files_whose_names_are_not_utf8_with_digest(guarded: RunningServer) -> None:
    """The URI in the field is compared byte by byte."""
    (guarded.folder / "a" / "odd\udcff").write_bytes(b"odd")
    odd = User(guarded, HTTPDigestAuth(*ALICE))
    assert odd.ask("GET", "/a/odd%FF").content == b"odd"
    (guarded.folder / "a" / "odd\udcff").unlink()


@pytest.mark.parametrize("method", ["COPY", "MOVE"])
@pytest.mark.parametrize("destination", ["/b/new", "/b/dest", "/b/missing/new", "/b/file"])
def test_nobody_writes_into_a_share_of_others(
    user: Callable[..., User], unchanged: None, method: str, destination: str
) -> None:
    """403, whatever is there; a user of both shares with one password may."""
    alice = user(ALICE)
    for overwrite in ("T", "F"):
        answer = alice.ask(method, "/a/file", Destination=destination, Overwrite=overwrite)
        assert answer.status_code == 403
    assert alice.status(method, "/b/file", Destination="/a/new") == 401


@pytest.mark.parametrize("method", ["COPY", "MOVE"])
def test_two_passwords_are_two_people(
    user: Callable[..., User], unchanged: None, method: str
) -> None:
    """A name that both shares know is not enough."""
    two = user(("two", "x"))
    assert two.status("GET", "/a/file") == 200
    assert two.status(method, "/a/file", Destination="/b/new") == 403


def test_users_of_both_shares_and_free_shares(
    user: Callable[..., User], guarded: RunningServer
) -> None:
    """COPY and MOVE there and back."""
    both = user(BOTH)
    far = "/My%20Gr%C3%B6%C3%9Fe/new"
    for destination in ("/b/new", far, "/free/new"):
        assert both.status("COPY", "/a/file", Destination=destination) == 201
    assert both.status("MOVE", "/b/new", Destination="/a/new") == 201
    assert both.status("MOVE", "/free/new", Destination="/b/new") in (201, 403)
    assert user(ALICE).status("COPY", "/a/file", Destination="/free/x") == 201
    for path in ("/a/new", "/b/new", far, "/free/new", "/free/x"):
        both.status("DELETE", path)
    assert not (guarded.folder / "far/new").exists()


def test_anonymous_users_of_a_free_share(guarded: RunningServer, unchanged: None) -> None:
    """They may not write elsewhere; with good credentials of the other share they may."""
    anybody = User(guarded, None)
    for method in ("COPY", "MOVE"):
        assert anybody.status(method, "/free/file", Destination="/a/new") == 403
    wrong = User(guarded, HTTPBasicAuth("alice", "two"))
    assert wrong.status("COPY", "/free/file", Destination="/a/new") == 403
    forged = 'Digest username="alice", realm="/a", nonce="x", uri="/free/file", response="y"'
    fields = {"Destination": "/a/new", "Authorization": forged}
    assert anybody.status("COPY", "/free/file", **fields) == 403


def test_good_credentials_in_a_free_share(guarded: RunningServer) -> None:
    """Basic is checked against the destination's share."""
    alice = User(guarded, HTTPBasicAuth(*ALICE))
    assert alice.status("COPY", "/free/file", Destination="/a/new") == 201
    assert alice.status("DELETE", "/a/new") == 204


def test_the_if_field_tells_nothing_of_other_shares(
    user: Callable[..., User], unchanged: None
) -> None:
    """Neither what is there nor its entity tag nor its locks."""
    alice, bob = user(ALICE), user(BOB)
    etag = bob.ask("HEAD", "/b/file").headers["ETag"]
    locked = bob.ask("LOCK", "/b/dest", LOCK.format(scope="exclusive").encode())
    token = locked.headers["Lock-Token"]
    body = setting(a="1")
    for url in ("/b/file", f"{alice.server.url}b/file", "/b/none"):
        for held in (f"([{etag}])", '(["x"])'):
            assert alice.status("PROPPATCH", "/a/file", body, If=f"<{url}> {held}") == 412
        for held in (f"(Not [{etag}])", '(Not ["x"])'):
            assert alice.status("PROPPATCH", "/a/file", body, If=f"<{url}> {held}") == 207
    assert alice.status("PROPPATCH", "/a/file", body, If=f"</b/dest> ({token})") == 412
    assert alice.status("COPY", "/a/file", If=f"({token})", Destination="/b/dest") == 403
    both = user(BOTH)
    assert both.status("PROPPATCH", "/a/file", body, If=f"</b/file> ([{etag}])") == 207
    assert bob.status("UNLOCK", "/b/dest", Lock_Token=token) == 204


def test_a_lock_is_its_owners(user: Callable[..., User], unchanged: None) -> None:
    """Another user's token counts for nothing, and cannot be used to unlock (RFC 4918 6.4)."""
    alice, both = user(ALICE), user(BOTH)
    locked = alice.ask("LOCK", "/a/dest", LOCK.format(scope="exclusive").encode())
    token = locked.headers["Lock-Token"]
    assert both.status("PROPPATCH", "/a/dest", setting(a="1"), If=f"({token})") == 423
    assert both.status("LOCK", "/a/dest", If=f"({token})") == 412
    assert both.status("UNLOCK", "/a/dest", Lock_Token=token) == 403
    assert alice.status("PROPPATCH", "/a/dest", setting(a="1"), If=f"({token})") == 207
    assert alice.status("UNLOCK", "/a/dest", Lock_Token=token) == 204


def test_above_the_shares(user: Callable[..., User], guarded: RunningServer) -> None:
    """Everybody sees the shares that are open to him."""
    seen = {
        None: {"/", "/free/"},
        ALICE: {"/", "/free/", "/a/"},
        BOTH: {"/", "/free/", "/a/", "/b/", "/My%20Gr%C3%B6%C3%9Fe/"},
    }
    for credentials, shares in seen.items():
        auth = HTTPBasicAuth(*credentials) if credentials else None
        answer = User(guarded, auth).ask("PROPFIND", "/", Depth="1")
        assert answer.status_code == 207
        hrefs = {part.split("<")[0] for part in answer.text.split("<D:href>")[1:]}
        assert hrefs == shares
    assert user(ALICE).status("GET", "/nothing") == 404


@pytest.mark.parametrize(
    "field",
    [
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic YQ==",
        "Basic /w==",
        "Basic YQA6Yg==",
        "basic:",
        "Bearer x",
        "x",
        "",
        "Digest",
        "Digest x",
        'Digest username="alice"',
        'Digest username="alice", realm="/a", nonce="", uri="/a/file", response="\xe9"',
        'Digest username="alice", realm="/a", nonce="n", uri="http://[/a/file", response="r"',
        'Digest username="alice", realm="/a", nonce="n", uri="/a/file", qop=auth, response="r"',
        'Digest username="\xff", realm="/a", nonce="n", uri="/a/file", response="r"',
        'Digest username="alice", realm="/a", uri="/a/file", response="r", algorithm="SHA-256"',
    ],
)
def test_malformed_credentials(guarded: RunningServer, field: str) -> None:
    """As wrong ones: 401, never 500 (defect 21)."""
    raw = f"GET /a/file HTTP/1.1\r\nHost: x\r\nAuthorization: {field}\r\n\r\n".encode("latin-1")
    (answer,) = exchange(guarded, raw)
    assert answer.status == 401


def test_one_password_for_all(serve: Serve, tmp_path: Path) -> None:
    """An htpasswd file knows users, not shares."""
    for name in ("a", "b"):
        make(tmp_path / name, {"file": b"1"})
    known = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    (tmp_path / "users").write_text(f"alice:{known}\n")
    server = serve(
        top={
            "provider_mapping": {"/a": str(tmp_path / "a"), "/b": str(tmp_path / "b")},
            "http_authenticator": {
                "domain_controller": "wsgidav.dc.htpasswd_dc.HtpasswdDomainController"
            },
            "htpasswd_dc": {"htpasswd_file": str(tmp_path / "users")},
        }
    )
    alice = User(server, HTTPBasicAuth("alice", "secret"))
    assert alice.status("GET", "/a/file") == 200
    assert alice.status("COPY", "/a/file", Destination="/b/new") == 201
    assert alice.status("PROPFIND", "/", Depth="1") == 207
    for other in (None, HTTPBasicAuth("alice", "x"), HTTPBasicAuth("bob", "secret")):
        assert User(server, other).status("GET", "/a/file") == 401
        assert User(server, other).status("PROPFIND", "/", Depth="1") == 401
    assert User(server, HTTPBasicAuth("alice", "x" * 100)).status("GET", "/a/file") == 401


def test_default_users_of_all_other_shares(serve: Serve, tmp_path: Path) -> None:
    """The share "*" stands for those that are not named, also as a destination."""
    for name in ("a", "b", "c"):
        make(tmp_path / name, {"file": b"1"})
    server = serve(
        top={
            "provider_mapping": {f"/{name}": str(tmp_path / name) for name in ("a", "b", "c")},
            "simple_dc": {
                "user_mapping": {
                    "*": {"alice": {"password": "one"}},
                    "/c": {"carol": {"password": "three"}},
                }
            },
        }
    )
    for scheme in (HTTPBasicAuth, HTTPDigestAuth):
        alice = User(server, scheme(*ALICE))
        assert alice.status("COPY", "/a/file", Destination="/b/new") in (201, 204)
        assert alice.status("COPY", "/a/file", Destination="/c/new") == 403


def test_nobody_is_asked_on_loopback(serve: Serve, root: Path) -> None:
    """Anonymous access is the default there."""
    make(root, {"file": b"1"})
    anybody = User(serve(), None)
    assert anybody.status("GET", "/file") == 200
    assert anybody.status("PUT", "/new", b"x") == 201


def test_a_listing_shows_no_share_of_others(serve: Serve, tmp_path: Path) -> None:
    """A share in another one that has users of its own, whoever else serves the same folder."""
    make(tmp_path / "all", {"file": b"", "private": {"secret": b"", "sub": {"s": b""}}})
    mapping = {"/all": str(tmp_path / "all"), "/all/private": str(tmp_path / "all/private")}
    users = {"/all": True, "/all/private": {"alice": {"password": "one"}}}
    top = {"provider_mapping": mapping, "simple_dc": {"user_mapping": users}}
    server = serve(top=top)
    anybody, alice = User(server, None), User(server, HTTPBasicAuth(*ALICE))
    assert anybody.status("PROPFIND", "/all/private") == 401
    for depth in ("1", "infinity"):
        assert b"private" not in anybody.ask("PROPFIND", "/all", Depth=depth).content
        assert b"/all/file<" in anybody.ask("PROPFIND", "/all", Depth=depth).content
        shown = alice.ask("PROPFIND", "/all", Depth=depth).content
        assert shown.count(b"<D:href>/all/private/</D:href>") == 1
        assert (b"/all/private/sub/s<" in shown) is (depth == "infinity")
