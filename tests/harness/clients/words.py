"""What a client is asked to do, and what it told."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

#: Seconds after which a client is ended by the tests, or gives up if its patience is not shortened.
DEADLINE = 45.0
#: What `hello` holds.
HELLO = b"hello"


class Work(Enum):
    """The long operation that a client asks for."""

    COPY = "COPY"  #: of `tree` to `copied` beside it
    DELETE = "DELETE"  #: of `tree`
    MOVE = "MOVE"  #: of `tree` to `moved` in a collection on another file system


@dataclass(frozen=True)
class Errand:
    """One call of a client: the long operation, then the next request on its connection."""

    #: The server's or proxy's address, as in `127.0.0.1:8080`.
    authority: str
    #: Name of the client's own collections, at the root and on the other file system.
    place: str
    #: Seconds of silence after which it shall give up; None: as it does by itself.
    patience: float | None
    #: An empty folder for what it writes.
    home: Path

    @property
    def url(self) -> str:
        """URL of its own collection, with a slash at its end."""
        return f"http://{self.authority}/{self.place}/"

    @property
    def far(self) -> str:
        """URL of its collection on the other file system."""
        return f"http://{self.authority}/far/{self.place}/"


@dataclass(frozen=True)
class Told:
    """What a client told its user."""

    #: Whether it says that the operation succeeded.
    succeeded: bool
    #: The status or message that it told, for the log.
    said: str
    #: Whether the next request got its own answer; None: it came to none.
    own_answer: bool | None = None
    #: Whether that request went over the connection of the first; None: the client does not tell.
    reused: bool | None = None


@dataclass(frozen=True)
class Client:
    """A client and how it is run."""

    name: str
    work: Work
    call: Callable[[Errand], Told]
    #: How long it waits by itself.
    waits: str
    #: The option that says how long it waits; "": it has none.
    setting: str = ""
    #: The programs that it needs.
    programs: tuple[str, ...] = ()
    #: The collection that the operation is about.
    tree: str = "tree"
    needs_fuse: bool = False
