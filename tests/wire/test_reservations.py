"""What may be done beside a COPY of /top/a to /top/b that runs."""

import base64
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from harness.server import RunningServer
from harness.trees import contents, plant
from harness.wire import Response, Wire

#: Seconds that a conflict is waited for.
CONFLICT_WAIT = 0.5
USERS = {
    "simple_dc": {"user_mapping": {"*": {"ann": {"password": "a"}, "bob": {"password": "b"}}}},
    "http_authenticator": {"accept_basic": True, "accept_digest": False},
}
LOCKINFO = (
    b'<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>'
    b"<D:locktype><D:write/></D:locktype></D:lockinfo>"
)
UPDATE = (
    b'<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><c xmlns="x:">red</c></D:prop></D:set>'
    b"</D:propertyupdate>"
)


def as_user(name: str) -> dict[str, str]:
    """The fields of a user whose password is the name's first letter."""
    secret = base64.b64encode(f"{name}:{name[0]}".encode()).decode()
    return {"Authorization": f"Basic {secret}"}


class Scene:
    """A collection {top} in which a slow COPY can be begun, and clients that ask something."""

    def __init__(self, server: RunningServer, wire: Callable[..., Wire], top: Path) -> None:
        self.server = server
        self.wire = wire
        self.top = top
        for name in ("sibling", "another"):
            plant(top / name, 3)

    def begin(self, files: int, fields: dict[str, str] | None = None) -> None:
        """Begin the COPY of {top}/a to {top}/b, which takes 10 ms for each of ``files``."""
        plant(self.top / "a" / "deep", files)
        self.copying = self.wire(self.server, agent="curl/7.88.1")
        fields = as_user("ann") | self.to("{top}/b") | (fields or {})
        self.copying.send("COPY", f"/{self.top.name}/a", fields)
        assert self.copying.interim() == 102

    def end(self) -> None:
        """See the COPY end well, without anything left."""
        assert self.copying.response().status in (201, 204)
        assert self.server.staging() == []

    def path(self, pattern: str) -> str:
        """Fill in {top}."""
        return pattern.format(top=self.top.name)

    def to(self, path: str | None) -> dict[str, str]:
        """The Destination field, if there is to be one."""
        return {} if path is None else {"Destination": self.server.url + self.path(path)}

    def ask(
        self,
        method: str,
        path: str,
        fields: dict[str, str] | None = None,
        body: bytes | None = None,
        user: str = "bob",
    ) -> Response:
        """Ask on a connection of its own; who asks is Bob, if nothing else is said."""
        with self.wire(self.server, agent="curl/7.88.1") as client:
            return client.ask(method, self.path(path), as_user(user) | (fields or {}), body)

    @property
    def is_running(self) -> bool:
        """Whether the COPY still runs."""
        return bool(self.server.staging(self.top))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server on which a COPY takes a hundredth of a second for each member."""
    block = {
        "keepalive": {"first_after": 0.1, "interval": 0.1},
        "operations": {
            "conflict_wait": CONFLICT_WAIT,
            "max_members_per_second": 100,
            "workers": 8,
        },
    }
    root = tmp_path_factory.mktemp("root")
    config = USERS | {"davkeep": block}
    running = RunningServer(tmp_path_factory.mktemp("server"), root, config)
    yield running
    running.close()


@pytest.fixture
def scene(server: RunningServer, wire: Any, request: pytest.FixtureRequest) -> Scene:
    """A collection of the test's own."""
    assert server.root is not None
    return Scene(server, wire, server.root / request.node.name)


class Case(NamedTuple):
    """A request, and the status that is expected."""

    method: str
    path: str
    status: int
    destination: str | None = None
    fields: dict[str, str] | None = None
    body: bytes | None = None


PASSING = [
    Case("GET", "/{top}/a/deep/00001", 200),
    Case("PROPFIND", "/{top}/a", 207, fields={"Depth": "1"}),
    Case("PROPFIND", "/{top}/a/deep", 207, fields={"Depth": "infinity"}),
    Case("COPY", "/{top}/a", 201, "{top}/flat", {"Depth": "0"}),
    Case("COPY", "/{top}/a/deep/00002", 201, "{top}/two"),
    Case("PUT", "/{top}/a/new", 201, body=b"new"),
    Case("PUT", "/{top}/a/deep/00003", 204, body=b"changed"),
    Case("MKCOL", "/{top}/a/collection", 201),
    Case("PROPPATCH", "/{top}/a/deep/00004", 207, body=UPDATE),
    Case("PROPPATCH", "/{top}/a", 207, body=UPDATE),
    Case("LOCK", "/{top}/a/deep/00005", 200, body=LOCKINFO),
    # Siblings of source and destination.
    Case("PUT", "/{top}/other", 201, body=b"other"),
    Case("MKCOL", "/{top}/collection", 201),
    Case("LOCK", "/{top}/locked", 201, body=LOCKINFO),
    Case("DELETE", "/{top}/sibling/00001", 204),
    Case("MOVE", "/{top}/another", 201, "{top}/moved"),
    Case("COPY", "/{top}/sibling/00002", 201, "{top}/copied"),
]


CONFLICTING = [
    # The source, what is above it and what is in it.
    Case("DELETE", "/{top}/a", 423),
    Case("MOVE", "/{top}/a", 423, "{top}/z"),
    Case("DELETE", "/{top}", 423),
    Case("MOVE", "/{top}", 423, "{top}-z"),
    Case("DELETE", "/{top}/a/deep", 423),
    Case("DELETE", "/{top}/a/deep/00001", 423),
    Case("MOVE", "/{top}/a/deep/00001", 423, "{top}/z"),
    Case("MOVE", "/{top}/sibling", 423, "{top}/a"),
    Case("COPY", "/{top}/sibling", 423, "{top}/a"),
    Case("COPY", "/{top}/sibling", 423, "{top}/a/deep"),
    # The destination.
    Case("PUT", "/{top}/b", 423, body=b"mine"),
    Case("MKCOL", "/{top}/b", 423),
    Case("MKCOL", "/{top}/B", 423),
    Case("LOCK", "/{top}/b", 423, body=LOCKINFO),
    Case("COPY", "/{top}/sibling", 423, "{top}/b"),
    Case("MOVE", "/{top}/sibling", 423, "{top}/b"),
]


def test_what_passes(scene: Scene, together: ThreadPoolExecutor) -> None:
    """Reading, changes of members and locks in the source, and whatever is beside, need no wait."""
    scene.begin(150)

    def asked(case: Case) -> list[int]:
        fields = (case.fields or {}) | scene.to(case.destination)
        return scene.ask(case.method, case.path, fields, case.body).statuses

    seen = list(together.map(asked, PASSING))
    assert scene.is_running
    assert seen == [[case.status] for case in PASSING]
    scene.end()


def test_another_copy_of_the_source(scene: Scene) -> None:
    """A second COPY of one tree runs at the same time as the first."""
    scene.begin(100)
    with scene.wire(scene.server, agent="curl/7.88.1") as second:
        to = scene.to("{top}/c")
        second.send("COPY", scene.path("/{top}/a"), as_user("bob") | to)
        assert second.interim() == 102
        assert len(scene.server.staging()) == 2
        assert second.response().status == 201
    scene.end()
    assert contents(scene.top / "c") == contents(scene.top / "b") == contents(scene.top / "a")


def test_what_waits_and_gives_up(scene: Scene, together: ThreadPoolExecutor) -> None:
    """After ``conflict_wait``, in silence: 423 with Retry-After; its owner alone is told why."""
    scene.begin(200)

    def asked(case: Case, user: str) -> tuple[float, Response]:
        began = time.monotonic()
        fields = scene.to(case.destination)
        response = scene.ask(case.method, case.path, fields, case.body, user)
        return time.monotonic() - began, response

    cases = [(case, user) for case in CONFLICTING for user in ("ann", "bob")]
    seen = list(together.map(asked, *zip(*cases, strict=True)))
    staged = [entry.name for entry in scene.server.staging(scene.top)]
    assert len(staged) == 1
    operation = staged[0].rpartition("-")[2]
    for (case, user), (seconds, response) in zip(cases, seen, strict=True):
        assert response.statuses == [case.status], (case, user)
        assert seconds >= CONFLICT_WAIT
        assert int(response.fields["Retry-After"]) >= 1
        told = response.body.decode()
        assert (operation in told, scene.path("/{top}/a") in told) == (user == "ann",) * 2
    scene.end()
    assert {member.name for member in scene.top.iterdir()} == {"a", "b", "another", "sibling"}


def test_what_waits_and_proceeds(scene: Scene) -> None:
    """When the first operation ends within ``conflict_wait``, who waited goes on, in silence."""
    scene.begin(40)
    assert scene.ask("MOVE", "/{top}/a", scene.to("{top}/z")).statuses == [201]
    assert contents(scene.top / "z") == contents(scene.top / "b")
    scene.end()


def test_locks_are_refreshed_and_given_back(scene: Scene) -> None:
    """LOCK's refresh and UNLOCK pass, in the source and on the destination's own lock."""
    tokens = {}
    plant(scene.top / "a" / "locked", 1)
    for path in ("/{top}/a/locked", "/{top}/b"):
        locked = scene.ask("LOCK", path, {"Timeout": "Second-100"}, LOCKINFO, "ann")
        tokens[path] = locked.fields["Lock-Token"]
    own = f"<{scene.server.url}{scene.top.name}/b> ({tokens['/{top}/b']})"
    scene.begin(100, {"If": own})
    for path, token in tokens.items():
        fields = {"If": f"({token})", "Timeout": "Second-200"}
        refreshed = scene.ask("LOCK", path, fields, user="ann")
        assert refreshed.statuses == [200]
        assert b"Second-" in refreshed.body
        given_back = scene.ask("UNLOCK", path, {"Lock-Token": token}, user="ann")
        assert given_back.statuses == [204]
    assert scene.is_running
    scene.end()
    assert (scene.top / "b").is_dir()
