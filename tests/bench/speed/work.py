"""What a work is."""

from abc import ABC, abstractmethod
from typing import ClassVar

from bench.speed.site import Scale, Site


class Work(ABC):
    """Some rows of the table that are measured together, one after another."""

    #: What ``--work`` calls it.
    name: ClassVar[str]
    #: The keys of its rows.
    rows: ClassVar[tuple[str, ...]]

    def __init__(self, scale: Scale) -> None:
        """``scale`` says how much of it."""
        self.scale = scale

    @abstractmethod
    def prepare(self, site: Site) -> None:
        """Fill the empty share of a peer."""

    @abstractmethod
    def turn(self, site: Site) -> dict[str, float]:
        """Do it once, check what came of it, and return the seconds of each row.

        Rows that the peer skips need not be there.
        """
