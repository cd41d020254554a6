"""When two requests are the same request (the promises, Repeats)."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RepeatKey:
    """What has to be equal for a request to join an operation that runs.

    ``address`` is the peer's address for the anonymous owner, else "". ``source`` and
    ``destination`` are URL paths, ``depth`` and ``overwrite`` what the fields mean, in lower case.
    ``conditions`` are all conditional fields as they were sent, in a fixed order, None for one that
    is absent. ``digest`` is what was sent or computed of a body.
    """

    owner: str
    method: str
    source: str
    destination: str | None = None
    depth: str = "infinity"
    overwrite: str = "t"
    conditions: tuple[str | None, ...] = ()
    address: str = ""
    digest: str | None = None
    #: Made once, for each request is looked up under it several times.
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse an address beside a name: the same user would not find it from elsewhere."""
        if self.owner and self.address:
            raise ValueError("an address belongs to the anonymous owner only")
        told = (self.owner, self.address, self.method, self.source, self.destination, self.digest)
        object.__setattr__(self, "_hash", hash(told))

    def __hash__(self) -> int:
        """Of what tells most requests apart."""
        return self._hash

    @property
    def joins(self) -> bool:
        """False for a PUT or PATCH whose body is not known to be equal: that is a later write."""
        return self.method not in ("PUT", "PATCH") or self.digest is not None
