"""How a connection is kept while its answer is not there yet: who gets interim responses, when,
and who sends them.
"""

from davkeep.keepalive.exchange import (
    Exchange,
    FileContent,
    FileSlice,
    IncompleteBody,
    NoAnswer,
    Schedule,
    Waiting,
)
from davkeep.keepalive.facts import Facts, Mode, Settings
from davkeep.keepalive.pieces import Feed, Piece
from davkeep.keepalive.planner import Action, Plan, Step, planner
from davkeep.keepalive.profiles import DEFAULT_CAP, Profile
from davkeep.keepalive.proxies import DECLARABLE

__all__ = [
    "DECLARABLE",
    "DEFAULT_CAP",
    "Action",
    "Exchange",
    "Facts",
    "Feed",
    "FileContent",
    "FileSlice",
    "IncompleteBody",
    "Mode",
    "NoAnswer",
    "Piece",
    "Plan",
    "Profile",
    "Schedule",
    "Settings",
    "Step",
    "Waiting",
    "planner",
]
