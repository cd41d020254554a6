"""How a connection is kept while its answer is not there yet: who gets interim responses, when,
and who sends them.
"""

from davkeep.keepalive.exchange import Exchange, IncompleteBody, NoAnswer, Waiting
from davkeep.keepalive.planner import Beat, Facts, Mode, Profile, Settings

__all__ = [
    "Beat",
    "Exchange",
    "Facts",
    "IncompleteBody",
    "Mode",
    "NoAnswer",
    "Profile",
    "Settings",
    "Waiting",
]
