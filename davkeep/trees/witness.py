"""Who is told what work is about to do to names, so that a crash amidst it can be dealt with."""

from davkeep.trees.changes import Change


class UnrecordedError(OSError):
    """A removal cannot be noted, and may be done all the same, where no note is needed: what goes
    member by member has no way back. Its ``errno`` is that of the note.
    """


class Witness:
    """Is told before each change; this one keeps nothing.

    What ``staging`` and ``changing`` raise ends the work, which has changed nothing then; but for
    UnrecordedError, after which a removal goes member by member.
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
