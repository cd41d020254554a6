"""Who is told what work is about to do to names, so that a crash amidst it can be dealt with."""

import os
from dataclasses import dataclass
from typing import Literal

#: "swap": a staged entry takes its name. "across": so, and then the source goes. "rename" and
#: "itself": one name becomes another, of another inode or of one. "remove": a tree goes out of
#: sight. "unlink": what is no collection goes. "members": a tree goes member by member.
Action = Literal["swap", "across", "rename", "itself", "remove", "unlink", "members"]


@dataclass(frozen=True, slots=True)
class Change:
    """What is about to happen to the names of source and destination.

    ``new`` is what is to be at the destination, ``old`` what is there or, for a removal, what is to
    go; ``source`` what a MOVE across file systems has copied. ``is_partial``: members are missing.
    """

    action: Action
    new: os.stat_result | None = None
    old: os.stat_result | None = None
    source: os.stat_result | None = None
    is_partial: bool = False


class Witness:
    """Is told before each change; this one keeps nothing.

    What ``staging`` and ``changing`` raise ends the work, which has changed nothing then.
    """

    def staging(self) -> None:
        """Something is about to be made under the staging name, in the destination's directory."""

    def changing(self, change: Change) -> None:
        """Names are about to change; once more for each attempt, if there are several."""

    def removing_in_place(self) -> None:
        """The source of a MOVE cannot be hidden: it is removed where it stands, once all is done.

        Told before the effective point.
        """

    def returning(self) -> None:
        """What is out of sight is about to come back. Raises nothing."""
