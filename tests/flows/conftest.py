"""A server, and programs that save on it in their own way."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import pytest

from harness.server import RunningServer
from harness.wire import Response, Wire

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server as it comes."""
    folder = tmp_path_factory.mktemp("flows")
    (folder / "root").mkdir()
    running = RunningServer(folder, folder / "root", {"davkeep": {"fsync": False}})
    yield running
    running.close()
    assert "Traceback" not in running.log
    assert not running.staging()


class Program:
    """A client with fields of its own, in a collection of the test's own."""

    def __init__(self, wire: Wire, folder: Path, fields: Mapping[str, str]) -> None:
        self.wire = wire
        self.folder = folder
        self.base = f"/{folder.name}/"
        self._fields = fields

    def whole(self, name: str) -> str:
        """A member's URL with scheme and host."""
        return f"http://{self.wire.host}{self.base}{name}"

    def ask(
        self,
        expected: int,
        method: str,
        name: str,
        body: bytes | Iterable[bytes] | None = None,
        **fields: str,
    ) -> Response:
        """Ask, and see that the status is as expected; ``Lock_Token`` is the field Lock-Token."""
        named = {key.replace("_", "-"): value for key, value in fields.items()}
        answer = self.wire.ask(method, self.base + name, {**self._fields, **named}, body)
        assert answer.status == expected, (method, name, answer)
        return answer

    def names(self) -> list[str]:
        """What is in the collection."""
        return sorted(path.name for path in self.folder.iterdir())

    def unlocked(self, name: str) -> None:
        """See that somebody else may write the file, so that no lock was left."""
        with Wire(*_where(self.wire)) as other:
            content = (self.folder / name).read_bytes()
            assert other.ask("PUT", self.base + quote(name), {}, content).status == 204


def _where(wire: Wire) -> tuple[str, int]:
    host, _, port = wire.host.rpartition(":")
    return host, int(port)


@pytest.fixture
def program(server: RunningServer) -> Iterator[Callable[..., Program]]:
    """``program({"User-Agent": ...})``: a client in a new collection."""
    with ExitStack() as opened:

        def new(fields: Mapping[str, str]) -> Program:
            assert server.root is not None
            folder = server.root / f"t{next(_numbers)}"
            folder.mkdir()
            return Program(
                opened.enter_context(Wire(server.host, server.port, agent=None)), folder, fields
            )

        yield new
