"""COPY of a tree, COPY over what is there, MOVE, DELETE; and many COPYs at once."""

import os
import shutil
import subprocess
from pathlib import Path
from time import perf_counter

from bench.client import copying, request
from bench.crowd import Crowd
from bench.measures import timed
from bench.speed.checks import Tree, differences, inodes, sharing, snapshot, vary_modes
from bench.speed.site import DONE, LOOK, Scale, Site
from bench.speed.work import Work
from bench.trees import make_tree

#: The source, which is equal at all peers.
SOURCE = "tree"
#: A file that a COPY over a tree has to remove (RFC 4918 9.8.4).
STALE = "stale"


class _Copying(Work):
    """What is done with copies of a tree."""

    def __init__(self, scale: Scale, files: int) -> None:
        """The source has so many files."""
        super().__init__(scale)
        self._files = files
        self._wanted: Tree = {}

    def prepare(self, site: Site) -> None:
        """Plant the source."""
        source = site.make(SOURCE, self._plant)
        self._wanted = self._wanted or snapshot(source)

    def _plant(self, folder: Path) -> None:
        make_tree(folder, self._files, self.scale.small)
        vary_modes(folder)

    def _check(self, site: Site, copy: Path) -> None:
        site.found(differences(snapshot(copy), self._wanted))
        site.found(sharing(inodes(site.share / SOURCE), inodes(copy)))


class Folders(_Copying):
    """One tree, through its whole life."""

    name = "tree"
    rows = ("copy", "copy over", "move", "delete", "out of sight")

    def __init__(self, scale: Scale) -> None:
        """All its files are in one tree."""
        super().__init__(scale, scale.files)

    def turn(self, site: Site) -> dict[str, float]:
        """Copy it, copy it again over the copy, move that, and remove it."""
        return self._with_tools(site) if site.is_plain else self._with_requests(site)

    def _with_tools(self, site: Site) -> dict[str, float]:
        def seconds(*command: str) -> float:
            site.calm()
            return timed(lambda: subprocess.run(command, check=True, cwd=site.share))

        took = {"copy": seconds("cp", "-a", SOURCE, "copy")}
        self._check_copy(site)
        took["move"] = seconds("mv", "copy", "moved")
        took["delete"] = seconds("rm", "-rf", "moved")
        return took

    def _with_requests(self, site: Site) -> dict[str, float]:
        server = site.server
        with site.connect() as connection:
            copy = copying(server, f"/{SOURCE}/", "/copy/")
            took = {"copy": site.seconds(connection, copy)}
            self._check_copy(site)
            _spoil(site.share / "copy")
        with site.connect() as connection:
            took["copy over"] = site.seconds(connection, copy)
            self._check_copy(site)
        with site.connect() as connection:
            move = copying(server, "/copy/", "/moved/", "MOVE")
            took["move"] = site.seconds(connection, move)
        self._check_move(site)
        took["out of sight"], took["delete"] = _removal(site, "moved")
        return took

    def _check_copy(self, site: Site) -> None:
        copy = site.share / "copy"
        self._check(site, copy)
        # What one peer does not do must not be work that the next row spares it.
        if (copy / STALE).exists():
            (copy / STALE).unlink()

    def _check_move(self, site: Site) -> None:
        site.require(not (site.share / "copy").exists(), "the source of a MOVE is still there")
        site.found(differences(snapshot(site.share / "moved"), self._wanted))


class Copies(_Copying):
    """Many clients, each with a tree to copy."""

    name = "copies"
    rows = ("copies",)

    def __init__(self, scale: Scale) -> None:
        """Each copies the same."""
        super().__init__(scale, scale.copied)

    def turn(self, site: Site) -> dict[str, float]:
        """Copy it, everybody at once."""
        numbers = range(self.scale.copies)
        requests = [copying(site.server, f"/{SOURCE}/", f"/copy-{number}/") for number in numbers]
        site.calm()
        crowd = Crowd()
        try:
            begun = perf_counter()
            crowd.join(site.server, requests)
            statuses = crowd.wait_for_results()
            site.settle()
            took = perf_counter() - begun
        finally:
            crowd.close()
        site.require(all(status in DONE for status in statuses), f"{statuses}")
        for number in numbers:
            copy = site.share / f"copy-{number}"
            self._check(site, copy)
            shutil.rmtree(copy)
        return {"copies": took}


def _spoil(copy: Path) -> None:
    """Make a copy differ, so that it shows whether another one replaces it."""
    (copy / STALE).write_bytes(b"stale")
    first = next(path for path in sorted(copy.rglob("*")) if path.suffix == ".bin")
    # Not written to, for it may be a hard link onto the source.
    first.unlink()
    first.write_bytes(b"stale")


def _removal(site: Site, name: str) -> tuple[float, float]:
    """Seconds until a tree is out of sight, and until nothing is left of it."""
    with site.connect() as connection:
        path, head = site.share / name, request(site.server, "DELETE", f"/{name}/")
        hidden = 0.0
        site.calm()
        begun = perf_counter()
        connection.send(head)
        while not hidden and not connection.is_answered(LOOK):
            if not os.path.lexists(path):
                hidden = perf_counter() - begun
        status = connection.final().status
        site.settle()
        took = perf_counter() - begun
    site.require(status in DONE, f"{status} to DELETE")
    site.require(not path.exists(), "what was removed is still there")
    return hidden or took, took
