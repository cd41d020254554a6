"""Who is next: owners take turns, and each owner's operations go in the order they came."""

from collections import OrderedDict
from collections.abc import Hashable
from enum import Enum, auto
from typing import Generic, TypeVar

from davkeep.trees.steps import Lane

#: Seconds that a long operation keeps its slot while other owners wait. Long against the cost
#: of a change of turns (a lock and two dictionary steps), short against people's patience.
QUANTUM = 1.0
#: The same for short work, so that a scan of a huge tree does not keep a rename waiting.
SHORT_QUANTUM = 0.05

Item = TypeVar("Item", bound=Hashable)


class Turns(Generic[Item]):
    """A line in front of slots. Not locked: its owner guards it."""

    def __init__(self) -> None:
        """Begin with nobody in line."""
        self._queues: OrderedDict[Hashable, OrderedDict[Item, None]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        """Return how many items wait."""
        return self._length

    def put(self, owner: Hashable, item: Item) -> None:
        """Queue ``item`` at the end of its owner's line."""
        self._queues.setdefault(owner, OrderedDict())[item] = None
        self._length += 1

    def take(self) -> Item:
        """Return the first item of the owner whose turn it is; IndexError if nobody waits."""
        if not self._queues:
            raise IndexError("nobody waits")
        owner, queue = next(iter(self._queues.items()))
        item, _ = queue.popitem(last=False)
        self._length -= 1
        if queue:
            self._queues.move_to_end(owner)
        else:
            del self._queues[owner]
        return item

    def remove(self, owner: Hashable, item: Item) -> None:
        """Take ``item`` out of the line; KeyError if it is not there."""
        queue = self._queues[owner]
        del queue[item]
        self._length -= 1
        if not queue:
            del self._queues[owner]

    def others_wait(self, owner: Hashable) -> bool:
        """Return whether somebody else than ``owner`` has something in line."""
        return len(self._queues) > (owner in self._queues)


class Driver(Enum):
    """What kind of thread drives work, or is to drive it next."""

    INLINE = auto()
    """The thread of the request, for the first moments."""
    SHORT = auto()
    LONG = auto()
    UNDO = auto()
    """Undoes what was cancelled while it stood in line; drives nothing forward."""


def hands_over(driver: Driver, lane: Lane, held: float, pause: float, seconds: float) -> bool:
    """Return whether the work goes into a line whether or not anybody else waits.

    ``held`` is how long the driver has had it, ``pause`` what the throttle wants, ``seconds`` how
    long the request's own thread may drive. Only the long lane has the time to pause. It carries
    on with a short step (a swap) that comes after bulk work: another line would only delay it.
    """
    match driver:
        case Driver.INLINE:
            allowed = min(seconds, QUANTUM) if lane is Lane.LONG else seconds
            return pause > 0 or held >= allowed
        case Driver.SHORT:
            return lane is Lane.LONG or pause > 0
        case _:
            return False


def yields_slot(driver: Driver, lane: Lane, held: float, others_wait: bool) -> bool:
    """Return whether the work lets others have its slot and queues again."""
    match driver:
        case Driver.SHORT:
            return others_wait and held >= SHORT_QUANTUM
        case Driver.LONG:
            return others_wait and held >= QUANTUM and lane is Lane.LONG
        case _:
            return False
