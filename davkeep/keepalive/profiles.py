"""What a kind of client does with interim responses: a row of the table in `clients`."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from davkeep.words.agents import Agent, Product
from davkeep.words.configuration import ProfileRow

#: Interim responses of one request to whom no narrower limit is known. neon 0.32 fails at its
#: 128th (measured).
DEFAULT_CAP = 100


class Source(Enum):
    """Where a row comes from."""

    MEASURED = "measured"
    READ = "read in source"
    CONFIGURED = "configured"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Profile:
    """What a kind of client can bear. Impossible values raise ValueError."""

    name: str
    #: How the User-Agent field tells it: any of these. None of them: nothing tells it.
    agents: tuple[Agent, ...]
    #: Interim responses that one request may get, `100 Continue` included. 0: none are sent.
    #: None: no limit is known.
    cap: int | None
    #: Seconds that it waits for a sign of life. None: unknown, or for ever.
    patience: float | None = None
    #: Whether an interim response renews its patience. None: unknown.
    renews: bool | None = None
    #: Seconds after its request within which all interim responses have to arrive. None: no bound.
    within: float | None = None
    #: Whether it reads the content of a 207 that begins before the operation ends.
    multistatus: bool = False
    #: Whether it is answered at the effective point, for nothing keeps it waiting.
    effective_point: bool = False
    source: Source = Source.UNKNOWN
    #: What is behind the numbers.
    note: str = ""
    #: What its user can set so that it waits longer; "": nothing is known.
    setting: str = ""

    def __post_init__(self) -> None:
        if self.cap is not None and self.cap < 0:
            raise ValueError("a cap is 0 or more")
        seconds = (self.patience, self.within)
        if any(each is not None and not each > 0 for each in seconds):
            raise ValueError("patience and within are seconds above 0")
        if self.effective_point and self.cap != 0:
            raise ValueError("who is answered at the effective point gets no interim response")

    @property
    def limit(self) -> int:
        """The most interim responses that are sent for one request."""
        return DEFAULT_CAP if self.cap is None else self.cap

    def matches(self, products: tuple[Product, ...]) -> bool:
        """Whether a User-Agent field with these products is this client's."""
        return any(agent.matches(products) for agent in self.agents)


#: Everybody who is in no row.
UNKNOWN_CLIENT = Profile(
    "unknown client",
    (),
    cap=0,
    note="silence, unless it sends `Prefer: processing` or the configuration has a row for it",
)


def of_row(row: ProfileRow) -> Profile:
    """The profile that a row of the configuration describes."""
    return Profile(
        row.name,
        (Agent.of(row.agent, row.versions),),
        cap=0 if row.effective_point else row.cap,
        patience=row.patience,
        renews=row.renews,
        multistatus=row.multistatus,
        effective_point=row.effective_point,
        source=Source.CONFIGURED,
        note=row.note,
    )


def first_match(products: tuple[Product, ...], rows: Iterable[Profile]) -> Profile:
    """The first row that matches, or `UNKNOWN_CLIENT`."""
    return next((row for row in rows if row.matches(products)), UNKNOWN_CLIENT)
