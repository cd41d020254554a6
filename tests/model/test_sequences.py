"""Random sequences of requests, some at the same time, against the server and a model of it.

What happens has to be what some order of those requests would do: the statuses, and in the end the
tree with its properties. Of requests at the same time one may be refused because of another (423;
409 for an upload whose collection was replaced, 503 for what was moved away again and again), and
has done nothing then. A failing sequence is shrunk to the shortest.
"""

import itertools
import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from harness.dav import make
from harness.disks import folder_in_memory
from harness.model import DEPTH, NAMES, Ask, Model, check, seen_by_client, seen_on_disk
from harness.server import RunningServer
from harness.wire import Wire

#: What a request may be refused with because of another one at the same time.
REFUSED = frozenset({409, 423, 503})
#: What is there at the start.
START = {"a": {"a": b"1", "b": {"a": b"2", "b": b"3", "c": b"4"}}, "b": {"a": b"5", "c": b"6"}}
#: Whose result a repeat may be told.
REPEATED = frozenset({"COPY", "MOVE", "DELETE"})

paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=DEPTH).map("/".join)
texts = st.integers(0, 999).map(lambda number: f"text {number}")
asks = st.one_of(
    st.builds(Ask, st.just("PUT"), paths, text=texts),
    st.builds(Ask, st.just("MKCOL"), paths),
    st.builds(Ask, st.just("DELETE"), paths),
    st.builds(Ask, st.just("PROPPATCH"), paths, text=texts),
    st.builds(Ask, st.just("COPY"), paths, paths, st.booleans(), st.booleans()),
    st.builds(Ask, st.just("MOVE"), paths, paths, st.booleans()),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server whose operations are slow enough to meet."""
    block = {
        "fsync": False,
        "operations": {"grace": 0, "conflict_wait": 0.01, "max_members_per_second": 200},
    }
    with folder_in_memory() as folder:
        (folder / "root").mkdir()
        running = RunningServer(folder, folder / "root", {"davkeep": block})
        yield running
        running.close()
        assert "Traceback" not in running.log


class Sequences(RuleBasedStateMachine):
    """One sequence, in a collection of its own."""

    server: RunningServer
    together: ThreadPoolExecutor
    figures: Counter[str]
    numbers = itertools.count(1)

    def __init__(self) -> None:
        super().__init__()
        assert self.server.root is not None
        self.folder: Path = self.server.root / f"s{next(self.numbers)}"
        self.folder.mkdir()
        self.base = f"/{self.folder.name}/"
        make(self.folder, START)
        self.model = Model(seen_on_disk(self.folder))
        self.clients = [Wire(self.server.host, self.server.port) for _ in range(3)]
        self.figures["random sequences"] += 1
        #: What was told since the last change, and what is there since.
        self.told: dict[Ask, int] = {}
        self.known: Any = None

    @rule(ask=asks)
    def one(self, ask: Ask) -> None:
        """A request by itself has exactly the model's status."""
        self.figures["requests in random sequences"] += 1
        status = ask.answer(self.clients[0], self.base).status
        assert self._fits(self.model, ask, status, alone=True), status
        self._answered([(ask, status)])

    @rule(wishes=st.lists(asks, min_size=2, max_size=3))
    def some(self, wishes: list[Ask]) -> None:
        """Requests at the same time are as if in some order.

        A COPY of a tree reads it member by member, so no more than one other is beside it.
        """
        if any(wish.method == "COPY" for wish in wishes):
            wishes = wishes[:2]
        self.figures["requests in random sequences"] += len(wishes)
        self.figures["requests in random sequences at the same time"] += len(wishes)
        answers = self.together.map(
            lambda wish, client: wish.answer(client, self.base).status, wishes, self.clients
        )
        statuses = list(answers)
        self.figures["requests in random sequences refused because of another"] += statuses.count(
            423
        )
        found = self._now()
        possible = [model for model in self._orders(wishes, statuses) if _looks(model) == found]
        asked = list(zip(wishes, statuses, strict=True))
        assert possible, f"no order of {asked} leads from {_looks(self.model)} to {found}"
        self.model = possible[0]
        self._answered(asked)

    def _orders(self, wishes: list[Ask], statuses: list[int]) -> Iterator[Model]:
        """What is there after each order in which the statuses are the right ones."""
        # Equal requests at the same time are one: the second joins the first.
        asked = list(dict.fromkeys(zip(wishes, statuses, strict=True)))
        for order in itertools.permutations(asked):
            model = self.model.copy()
            if all(self._fits(model, wish, status) for wish, status in order):
                yield model

    def _fits(self, model: Model, wish: Ask, status: int, *, alone: bool = False) -> bool:
        """Do it, if it was done, and tell whether the status is right at this moment.

        For the moment until TCP has acknowledged an answer, a repeat is told the same.
        """
        before = model.copy()
        if model.apply(wish) == status:
            return True
        model.nodes, model.colors = before.nodes, before.colors
        return self.told.get(wish) == status or (status in REFUSED and not alone)

    def _answered(self, asked: list[tuple[Ask, int]]) -> None:
        """Remember what was told, until something changes."""
        if _looks(self.model) != self.known:
            self.told.clear()
            self.known = _looks(self.model.copy())
        self.told |= {wish: status for wish, status in asked if wish.method in REPEATED}

    def _now(self) -> tuple[Any, Any]:
        colors = seen_by_client(self.clients[0], self.base)[1]
        return seen_on_disk(self.folder), colors

    @invariant()
    def the_tree_is_the_models(self) -> None:
        """Disk, listing, properties and locks agree after every step."""
        check(self.model, self.folder, self.clients[0], self.base)

    def teardown(self) -> None:
        """Leave nothing."""
        for client in self.clients:
            client.close()
        assert self.server.staging(self.folder) == []
        shutil.rmtree(self.folder)


def _looks(model: Model) -> tuple[Any, Any]:
    return model.nodes, model.colors


def test_random_sequences(
    server: RunningServer, figures: Counter[str], request: pytest.FixtureRequest
) -> None:
    """No sequence loses, invents or mixes anything.

    ``--model-examples 2000`` is the long form.
    """
    with ThreadPoolExecutor(3) as together:
        Sequences.server, Sequences.together, Sequences.figures = server, together, figures
        run_state_machine_as_test(
            Sequences,
            settings=settings(
                max_examples=request.config.getoption("--model-examples"),
                stateful_step_count=20,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
