"""PUT and GET of one large file, and many small requests on one connection."""

import http.client
import os
from pathlib import Path
from time import perf_counter

from bench.client import Connection, request
from bench.measures import MIB
from bench.speed.site import DONE, Scale, Site
from bench.speed.work import Work


class Large(Work):
    """One large file, up and down."""

    name = "large"
    rows = ("put", "get")

    def __init__(self, scale: Scale) -> None:
        """Every MiB of it is the same, and of no other content."""
        super().__init__(scale)
        self._block = os.urandom(MIB)
        self._blocks = [self._block] * (scale.large // MIB)

    def prepare(self, site: Site) -> None:
        """Look once at every byte that comes, for which there is no time in a turn."""
        with site.connect() as connection:
            site.seconds(connection, self._put(site), self._blocks)
        client = http.client.HTTPConnection(site.server.host, site.server.port)
        client.request("GET", "/large.bin")
        response = client.getresponse()
        site.require(response.status == 200, f"{response.status} to GET")
        for block in self._blocks:
            site.require(response.read(MIB) == block, "GET gives other bytes than PUT took")
        site.require(not response.read(1), "GET gives more than PUT took")
        client.close()
        (site.share / "large.bin").unlink()

    def turn(self, site: Site) -> dict[str, float]:
        """Put it, get it, and remove it."""
        file = site.share / "large.bin"
        with site.connect() as connection:
            took = {"put": site.seconds(connection, self._put(site), self._blocks)}
            self._check(site, file)
            if "get" not in site.peer.skips:
                took["get"] = self._get(site, connection)
        file.unlink()
        return took

    def _put(self, site: Site) -> bytes:
        return request(site.server, "PUT", "/large.bin", length=self.scale.large)

    def _check(self, site: Site, file: Path) -> None:
        with file.open("rb", buffering=0) as stored:
            right = all(stored.read(MIB) == block for block in self._blocks)
            site.require(right and not stored.read(1), "PUT stores other bytes than were sent")

    def _get(self, site: Site, connection: Connection) -> float:
        site.calm()
        head = request(site.server, "GET", "/large.bin")
        begun = perf_counter()
        status, size = connection.drain(head)
        took = perf_counter() - begun
        site.require((status, size) == (200, self.scale.large), f"{status}, {size} bytes to GET")
        return took


class Small(Work):
    """Many small files, each by a request of its own on one connection."""

    name = "small"
    rows = ("puts", "gets", "deletes")

    def __init__(self, scale: Scale) -> None:
        """No two files are equal."""
        super().__init__(scale)
        self._files = {
            f"{number:06}.bin": os.urandom(scale.small) for number in range(scale.requests)
        }

    def prepare(self, site: Site) -> None:
        """Make the collection."""
        site.make("small", lambda folder: folder.mkdir())

    def turn(self, site: Site) -> dict[str, float]:
        """Put all, get all, delete all."""
        folder = site.share / "small"
        with site.connect() as connection:
            took = {"puts": self._changes(site, connection, self._puts(site))}
            stored = {file.name: file.read_bytes() for file in folder.iterdir()}
            site.require(stored == self._files, "PUT stores other bytes than were sent")
            if "gets" not in site.peer.skips:
                took["gets"] = self._gets(site, connection)
            deletes = self._requests(site, "DELETE")
            took["deletes"] = self._changes(site, connection, deletes)
        site.require(not os.listdir(folder), "what was removed is still there")
        return took

    def _changes(self, site: Site, connection: Connection, requests: list[bytes]) -> float:
        site.calm()
        begun = perf_counter()
        statuses = {connection.ask(each) for each in requests}
        took = perf_counter() - begun
        site.require(statuses <= set(DONE), f"{statuses} to {requests[0][:40]!r} and the like")
        return took

    def _requests(self, site: Site, method: str) -> list[bytes]:
        return [request(site.server, method, f"/small/{name}") for name in self._files]

    def _puts(self, site: Site) -> list[bytes]:
        return [
            request(site.server, "PUT", f"/small/{name}", length=len(body)) + body
            for name, body in self._files.items()
        ]

    def _gets(self, site: Site, connection: Connection) -> float:
        requests = self._requests(site, "GET")
        begun = perf_counter()
        answers = [connection.fetch(each) for each in requests]
        took = perf_counter() - begun
        for answer, body in zip(answers, self._files.values(), strict=True):
            site.require(answer.status == 200 and answer.body == body, "GET gives other bytes")
        return took


class Empty(Work):
    """Requests for next to nothing: what each costs is the way through the server."""

    name = "requests"
    rows = ("options", "empty")

    def prepare(self, site: Site) -> None:
        """Make an empty file."""
        site.make("empty.bin", lambda file: file.touch())

    def turn(self, site: Site) -> dict[str, float]:
        """Ask for each."""
        return {
            "options": self._asking(site, "OPTIONS", "/"),
            "empty": self._asking(site, "GET", "/empty.bin"),
        }

    def _asking(self, site: Site, method: str, path: str) -> float:
        head = request(site.server, method, path)
        with site.connect() as connection:
            begun = perf_counter()
            answers = [connection.fetch(head) for _ in range(self.scale.requests)]
            took = perf_counter() - begun
        right = all(answer.status == 200 and not answer.raw for answer in answers)
        site.require(right, f"another answer to {method}")
        return took
