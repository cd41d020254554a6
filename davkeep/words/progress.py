"""How far an operation is."""

from dataclasses import dataclass


@dataclass(slots=True)
class Progress:
    """Counters of one operation. What is done is written by the thread that drives it, read by any.

    A member is a file, a link or a collection; one that could not be treated counts as done, for
    nothing more is tried with it. Bytes are those of contents, holes left out. What is purged after
    something new has taken its place is no progress. A total is None until it is known.
    """

    members_done: int = 0
    bytes_done: int = 0
    members_total: int | None = None
    bytes_total: int | None = None

    def settle(self) -> None:
        """Nothing more will be treated: what was done is all there was.

        A count made ahead cannot know which members will fail, vanish or change.
        """
        self.members_total, self.bytes_total = self.members_done, self.bytes_done

    def seen(self) -> "Progress":
        """One look that can be shown: no total in it is below what is done.

        A tree that grew after it was counted has at least as many members as were treated.
        """
        members, size = self.members_done, self.bytes_done
        return Progress(
            members, size, _at_least(members, self.members_total), _at_least(size, self.bytes_total)
        )


def _at_least(done: int, total: int | None) -> int | None:
    return None if total is None else max(done, total)
