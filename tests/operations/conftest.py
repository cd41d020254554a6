"""What the tests of operations share: places of an imagined tree, gates, and lanes to drive."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from davkeep.operations import Lanes, Limits, Operation, Outcome
from davkeep.trees.share import Place
from davkeep.trees.steps import Lane, Result, Steps

#: Seconds after which a thread that should have acted counts as broken.
DEADLINE = 10.0

DONE = Result(created=True, complete=True)


class Tree:
    """Directories with made-up identities; what is bound to another has the other's identity."""

    def __init__(self) -> None:
        self._identities: dict[str, tuple[int, int]] = {"": (1, 2)}

    def bind(self, path: str, target: str) -> None:
        """Make the directory ``path`` another name of the directory ``target``."""
        self._identities[path] = self._identity(target)

    def place(self, path: str, *, collection: bool = True) -> Place:
        """Return the place of ``path``, e.g. "/a/b"; ``collection``: it is a directory now."""
        names = path.split("/")[1:] if path != "/" else []
        way = ["/".join(["", *names[:depth]]) for depth in range(len(names))]
        identities = [self._identity(above) for above in way]
        entries = tuple((*of, name) for of, name in zip(identities, names, strict=True))
        if collection:
            identities.append(self._identity(path if names else ""))
        return Place(entries, tuple(identities))

    def _identity(self, path: str) -> tuple[int, int]:
        return self._identities.setdefault(path, (1, 2 + len(self._identities)))


class Clock:
    """Seconds that pass only when somebody says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        self.now += seconds


@dataclass
class Gate:
    """Where work stands until a test lets it through."""

    reached: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)

    def stand(self) -> None:
        """Be the work: say that the gate is reached and wait before it."""
        self.reached.set()
        assert self.opened.wait(DEADLINE)

    def wait(self) -> None:
        """Be the test: wait until the work stands here."""
        assert self.reached.wait(DEADLINE)


class Bench:
    """Lanes with a clock of their own, and the work that tests put on them."""

    def __init__(self, workers: int = 1, limits: Limits | None = None) -> None:
        self.clock = Clock()
        self.pauses: list[float] = []
        self.gates: list[Gate] = []
        self.log: list[str] = []
        self.lanes = Lanes(workers, limits=limits, clock=self.clock, wait=self._wait)

    def _wait(self, event: threading.Event, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock.advance(seconds)

    def gate(self) -> Gate:
        """Return a gate that is opened at the end of the test at the latest."""
        self.gates.append(Gate())
        return self.gates[-1]

    def add(
        self,
        start: Callable[[Operation], Steps],
        *,
        owner: str = "ann",
        conclude: Callable[[object], Outcome] | None = None,
    ) -> Operation:
        """Admit work without driving it."""
        operation = Operation(owner=owner, method="COPY", source="/a", created=0.0)
        self.lanes.add(operation, start, conclude or self._conclude, lambda _: None)
        return operation

    def queue(self, start: Callable[[Operation], Steps], *, owner: str = "ann") -> Operation:
        """Put bulk work into the long line; its first step has been driven inline by then."""

        def steps(operation: Operation) -> Steps:
            self.clock.advance(1.0)
            yield Lane.LONG
            return (yield from start(operation))

        operation = self.add(steps, owner=owner)
        self.lanes.drive_inline(operation, 0.5)
        return operation

    def gated(self, gate: Gate) -> Callable[[Operation], Steps]:
        """Return work that stands before ``gate``, passes one checkpoint and ends."""

        def steps(_: Operation) -> Steps:
            gate.stand()
            yield None
            return DONE

        return steps

    def noted(
        self, name: str, steps: int = 1, seconds: float = 0.0
    ) -> Callable[[Operation], Steps]:
        """Return work that writes ``name`` into the log at each of its ``steps``."""

        def work(_: Operation) -> Steps:
            for _step in range(steps):
                self.log.append(name)
                self.clock.advance(seconds)
                yield None
            return DONE

        return work

    def busy(self, owner: str = "zoe") -> Gate:
        """Take one slot of the long lane, and return the gate that frees it."""
        gate = self.gate()
        self.queue(self.gated(gate), owner=owner)
        gate.wait()
        return gate

    @staticmethod
    def _conclude(ending: object) -> Outcome:
        return Outcome(201) if isinstance(ending, Result) else Outcome(500)


@pytest.fixture
def tree() -> Tree:
    """Give an imagined tree."""
    return Tree()


@pytest.fixture
def clock() -> Clock:
    """Give a clock that stands."""
    return Clock()


@pytest.fixture
def make_bench() -> Iterator[Callable[..., Bench]]:
    """Give a maker of benches; all are stopped at the end."""
    benches: list[Bench] = []

    def make(workers: int = 1, limits: Limits | None = None) -> Bench:
        benches.append(Bench(workers, limits))
        return benches[-1]

    yield make
    for bench in benches:
        for gate in bench.gates:
            gate.opened.set()
        bench.lanes.stop(DEADLINE)


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    """Give a bench with one long worker."""
    return make_bench()
