"""Readers of a collection that is being replaced."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lxml import etree

from harness.server import Serve
from harness.trees import contents, plant
from harness.wire import Wire

FILES = 400
#: How often it is replaced.
ROUNDS = 10


def _listed(client: Wire) -> tuple[int, frozenset[str]]:
    """What a PROPFIND of the collection sees: names and their content's lengths."""
    response = client.ask("PROPFIND", "/b", {"Depth": "1"})
    tree = etree.fromstring(response.body)
    hrefs = tree.findall("{DAV:}response/{DAV:}href")
    lengths = tree.findall(".//{DAV:}getcontentlength")
    names = frozenset(str(href.text) for href in hrefs)
    return response.status, names | {str(length.text) for length in lengths}


def _read(client: Wire) -> tuple[int, frozenset[str]]:
    """What a GET of one member sees."""
    response = client.ask("GET", "/b/00000")
    return response.status, frozenset({response.body.decode()})


def _while_true(is_over: threading.Event, look: Callable[[], Any]) -> list[Any]:
    seen = []
    while not is_over.is_set():
        seen.append(look())
    return seen


def test_the_old_tree_or_the_new(
    serve: Serve, root: Path, wire: Any, together: ThreadPoolExecutor
) -> None:
    """While COPYs replace a collection a reader sees one whole tree or the other, never a mix."""
    plant(root / "one", FILES, "one ")
    plant(root / "two", FILES // 2, "second ")
    plant(root / "b", FILES, "one ")
    server = serve(operations={"grace": 0}, fsync=False)
    with wire(server) as copier, wire(server) as reader, wire(server) as lister:
        (root / "b").rename(root / "aside")
        expected = {}
        for name in ("one", "two"):
            (root / name).rename(root / "b")
            expected[name] = _listed(lister), _read(reader)
            (root / "b").rename(root / name)
        (root / "aside").rename(root / "b")
        is_over = threading.Event()
        listing = together.submit(_while_true, is_over, lambda: _listed(lister))
        reading = together.submit(_while_true, is_over, lambda: _read(reader))
        try:
            for name in ("two", "one") * (ROUNDS // 2):
                copied = copier.ask("COPY", f"/{name}", {"Destination": f"{server.url}b"})
                assert copied.status == 204
        finally:
            is_over.set()
        lists = {seen: (seen[0], len(seen[1])) for seen in listing.result()}
        assert set(lists) == {seen for seen, _ in expected.values()}, lists.values()
        assert set(reading.result()) == {seen for _, seen in expected.values()}
    assert contents(root / "b") == contents(root / "one")
