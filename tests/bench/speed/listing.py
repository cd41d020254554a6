"""PROPFIND: everything below a tree, and one collection with many files."""

from pathlib import Path
from time import perf_counter

from bench.client import request
from bench.speed.checks import listed, names_below
from bench.speed.site import Site
from bench.speed.work import Work
from bench.trees import make_tree

#: What is asked for by name: what a file manager shows, and what a client needs to synchronise.
NAMES = ("resourcetype", "getcontentlength", "getlastmodified", "getetag", "creationdate")
_CLARK = tuple(f"{{DAV:}}{name}" for name in NAMES)
_PROPFIND = '<?xml version="1.0" encoding="utf-8"?><propfind xmlns="DAV:">{}</propfind>'
ALLPROP = _PROPFIND.format("<allprop/>").encode("ascii")
NAMED = _PROPFIND.format(f"<prop>{''.join(f'<{name}/>' for name in NAMES)}</prop>").encode("ascii")


class Listing(Work):
    """The three listings."""

    name = "listing"
    rows = ("infinity", "allprop", "named")

    def prepare(self, site: Site) -> None:
        """Plant the tree, and the collection."""
        site.make("tree", lambda folder: make_tree(folder, self.scale.files, self.scale.small))
        site.make("listed", self._plant)

    def _plant(self, folder: Path) -> None:
        folder.mkdir()
        for number in range(self.scale.listed):
            (folder / f"{number:06}.bin").write_bytes(b"\x5a" * self.scale.small)

    def turn(self, site: Site) -> dict[str, float]:
        """List each once."""
        took = {}
        if "infinity" not in site.peer.skips:
            took["infinity"] = self._seconds(site, "tree", "infinity", ALLPROP)
        took["allprop"] = self._seconds(site, "listed", "1", ALLPROP)
        took["named"] = self._seconds(site, "listed", "1", NAMED)
        return took

    def _seconds(self, site: Site, name: str, depth: str, body: bytes) -> float:
        fields = [("Depth", depth), ("Content-Type", "application/xml")]
        head = request(site.server, "PROPFIND", f"/{name}/", *fields, length=len(body))
        with site.connect() as connection:
            begun = perf_counter()
            answer = connection.fetch(head + body)
            took = perf_counter() - begun
        site.require(answer.status == 207, f"{answer.status} to PROPFIND")
        wanted = names_below(site.share / name)
        names = _CLARK if body is NAMED else ()
        site.found(listed(answer.body, wanted, self.scale.small, names))
        return took
