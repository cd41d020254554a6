"""Single requests, of which every moment is gone through, and how power is lost at each."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product

from harness.model import Ask
from power.disk import Event
from power.faults import BEGUN
from power.images import Keep, Loss
from power.run import Recording, Trial
from power.world import Client

#: The client, and its collections on the two disks.
NAME = "c0"
HERE, THERE = NAME, f"there/{NAME}"

#: Once this is there, seeded faults are made: everything before it is as it should be.
_BEGIN = Ask("MKCOL", f"{HERE}/{BEGUN}")


@dataclass(frozen=True)
class Scenario:
    """What is there, and what is asked for then. ``layout``: on which disks."""

    before: tuple[Ask, ...]
    asks: tuple[Ask, ...]
    layout: str = "ext4"

    def record(self, trial: Trial, commits: str = "") -> Recording:
        """Let it happen; ``commits`` as ``Trial.record`` takes it."""

        def use(clients: list[Client]) -> None:
            for ask in (*self.before, _BEGIN, *self.asks):
                clients[0].do(ask)

        return trial.record([NAME], use, commits)

    def begin(self, recording: Recording) -> int:
        """The last event before it was asked for."""
        return recording.clients[0].steps[-len(self.asks)].sent


def _tree(top: str) -> tuple[Ask, ...]:
    return (
        Ask("MKCOL", top),
        Ask("PUT", f"{top}/a", text="what is in the tree"),
        Ask("PROPPATCH", f"{top}/a", text=f"the property of {top}"),
    )


def _file(path: str) -> tuple[Ask, ...]:
    return Ask("PUT", path, text=f"what was at {path}"), Ask("PROPPATCH", path, text=path)


SCENARIOS = {
    "MOVE across": Scenario(_tree(f"{HERE}/a"), (Ask("MOVE", f"{HERE}/a", f"{THERE}/a"),)),
    "MOVE across, the state elsewhere": Scenario(
        _tree(f"{HERE}/a"), (Ask("MOVE", f"{HERE}/a", f"{THERE}/a"),), "ext4-three"
    ),
    "MOVE across, back": Scenario(
        _tree(f"{THERE}/a"), (Ask("MOVE", f"{THERE}/a", f"{HERE}/a"),)
    ),
    "MOVE across, over a tree": Scenario(
        _tree(f"{HERE}/a") + _tree(f"{THERE}/a"), (Ask("MOVE", f"{HERE}/a", f"{THERE}/a"),)
    ),
    # The disks are made alike, so the two files have one inode number.
    "MOVE across, over a file of the same number": Scenario(
        _file(f"{HERE}/a") + _file(f"{THERE}/a"),
        (Ask("MOVE", f"{HERE}/a", f"{THERE}/a"),),
        "ext4-three",
    ),
    "MOVE": Scenario(_tree(f"{THERE}/a"), (Ask("MOVE", f"{THERE}/a", f"{THERE}/b"),)),
    "MOVE over a tree": Scenario(
        _tree(f"{THERE}/a") + _tree(f"{THERE}/b"), (Ask("MOVE", f"{THERE}/a", f"{THERE}/b"),)
    ),
    "COPY": Scenario(_tree(f"{THERE}/a"), (Ask("COPY", f"{THERE}/a", f"{THERE}/b"),)),
    "COPY over a tree": Scenario(
        _tree(f"{THERE}/a") + _tree(f"{THERE}/b"), (Ask("COPY", f"{THERE}/a", f"{THERE}/b"),)
    ),
    "PUT": Scenario((), (Ask("PUT", f"{THERE}/a", text="new"),)),
    "PUT over a file": Scenario(_file(f"{THERE}/a"), (Ask("PUT", f"{THERE}/a", text="newer"),)),
    "DELETE of a file": Scenario(
        (Ask("PUT", f"{THERE}/a", text="old"),), (Ask("DELETE", f"{THERE}/a"),)
    ),
    "DELETE of a tree": Scenario(_tree(f"{THERE}/a"), (Ask("DELETE", f"{THERE}/a"),)),
    "MKCOL": Scenario((), (Ask("MKCOL", f"{THERE}/a"),)),
    "MKCOL and PROPPATCH": Scenario(
        (), (Ask("MKCOL", f"{THERE}/a"), Ask("PROPPATCH", f"{THERE}/a", text="new"))
    ),
    "LOCK of nothing": Scenario((), (Ask("LOCK", f"{THERE}/a", depth_zero=True),)),
    "UNLOCK": Scenario(
        (*_file(f"{THERE}/a"), Ask("LOCK", f"{THERE}/a", depth_zero=True)),
        (Ask("UNLOCK", f"{THERE}/a"),),
    ),
}  # fmt: skip


def losses_when_answered(recording: Recording, disks: int) -> list[Loss]:
    """Power is lost in the moment in which the last response has come."""
    return [Loss(recording.end, keeps) for keeps in _keeps(disks)]


def losses_until_answered(
    recording: Recording, disks: int, begin: int, *, every: bool = True
) -> list[Loss]:
    """The same at the moments from ``begin`` on: every one, or those before and after a flush.

    Images that would be the same are made once.
    """
    moments = range(begin, recording.end + 1)
    if not every:
        flushes = set(recording.flushes)
        moments = [each for each in moments if flushes & {each, each + 1}] + [recording.end]
    wanted = (Loss(moment, keeps) for moment in moments for keeps in _keeps(disks))
    return list(_distinct(wanted, recording.events, disks))


def _keeps(disks: int) -> Iterator[tuple[Keep, ...]]:
    """None of what was not flushed, all of it, and that of some of the disks alone."""
    return product((Keep.NONE, Keep.ALL), repeat=disks)


def _distinct(losses: Iterable[Loss], events: list[Event], disks: int) -> Iterator[Loss]:
    """Leave out what would be the same image, and say the same of what was answered."""
    seen = set()
    flushed, written, position = [0] * disks, [0] * disks, 0
    for loss in losses:
        while position < len(events) and events[position].number <= loss.moment:
            event = events[position]
            position += 1
            written[event.disk] += 1
            if event.data is None:
                flushed[event.disk] = written[event.disk]
        image = tuple(
            (flushed if keep is Keep.NONE else written)[disk]
            for disk, keep in enumerate(loss.keeps)
        )
        if image not in seen:
            seen.add(image)
            yield loss
