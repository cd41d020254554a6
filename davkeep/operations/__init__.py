"""Operations: long requests, apart from the connections that asked for them.

``Registry`` admits, joins and finds them, ``Reservations`` says which trees they take, ``Lanes``
drives their work, ``Page`` writes what it does into the journal, and ``recovery`` reads it after a
crash. Knows nothing of HTTP servers, sockets or WsgiDAV.
"""

from davkeep.operations.counting import StartCount
from davkeep.operations.crowd import most_begun
from davkeep.operations.description import describe
from davkeep.operations.lanes import LaneCounts, Lanes
from davkeep.operations.operation import Operation
from davkeep.operations.outcome import CANCELLED_CONDITION, Failures, MemberFailure, Outcome
from davkeep.operations.page import Page
from davkeep.operations.rate import Rate
from davkeep.operations.recovery.books import Books
from davkeep.operations.registry import Registry, Stopping, tell_nobody
from davkeep.operations.repeats import RepeatKey
from davkeep.operations.reservations import Account, Conflict, Mode, Reservations
from davkeep.operations.state import IllegalTransition, State
from davkeep.operations.stored import Stored
from davkeep.operations.throttle import Limits
from davkeep.operations.unclaimed import Stands, always
from davkeep.operations.work import Conclude, Ending, IsBulk, Start, never_bulk

__all__ = [
    "CANCELLED_CONDITION",
    "Account",
    "Books",
    "Conclude",
    "Conflict",
    "Ending",
    "Failures",
    "IllegalTransition",
    "IsBulk",
    "LaneCounts",
    "Lanes",
    "Limits",
    "MemberFailure",
    "Mode",
    "Operation",
    "Outcome",
    "Page",
    "Rate",
    "Registry",
    "RepeatKey",
    "Reservations",
    "Stands",
    "Start",
    "StartCount",
    "State",
    "Stopping",
    "Stored",
    "always",
    "describe",
    "most_begun",
    "never_bulk",
    "tell_nobody",
]
