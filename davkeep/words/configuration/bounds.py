"""What values of the configuration may be: bounded numbers, names, addresses, lists of text."""

import json
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    Strict,
    model_validator,
)
from pydantic_core import PydanticCustomError

#: Seconds in ten years, the longest duration: beyond any use, and below `threading.TIMEOUT_MAX`.
LONGEST = 315_360_000

#: Members or bytes a second. 2**50 is beyond any disk.
FASTEST = 2**50


def refused(allowed: str, **context: Any) -> PydanticCustomError:
    """An error whose whole text is what is allowed instead of the value."""
    return PydanticCustomError("refused", "{allowed}", {"allowed": allowed, **context})


def quoted(text: str) -> str:
    """A text in quotes and on one line, whatever it holds."""
    return json.dumps(text, ensure_ascii=not text.isprintable())


class Block(BaseModel):
    """A mapping of the configuration file: no unknown key, no conversion between types.

    `key:` alone means an empty one.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_empty(cls, given: Any) -> Any:
        return {} if given is None else given


def _present(text: str) -> str:
    if not text.strip() or "\0" in text:
        raise refused("text that is not blank")
    return text


def _texts(given: Any) -> Any:
    if given is None:
        return ()
    return (given,) if isinstance(given, str) else given


def _network(given: Any) -> IPv4Network | IPv6Network:
    try:
        # ip_network takes whole numbers too; nobody writes an address as one on purpose.
        return ip_network(given if isinstance(given, str) else "")
    except ValueError:
        raise refused("an IP address, or a network such as 10.0.0.0/8 without host bits") from None


def first_repeated(names: Iterable[str]) -> str | None:
    """The first of `names` that was there before; None: no two are equal."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


#: Seconds, 0 or more.
Seconds = Annotated[
    float,
    Field(
        ge=0,
        le=LONGEST,
        allow_inf_nan=False,
        description="a number of seconds from 0 to 315360000 (ten years)",
    ),
]

#: Seconds, more than 0.
PositiveSeconds = Annotated[
    float,
    Field(
        gt=0,
        le=LONGEST,
        allow_inf_nan=False,
        description="a number of seconds above 0, up to 315360000 (ten years)",
    ),
]

#: How many a second, more than 0; None: no limit.
Rate = Annotated[
    float | None,
    Field(
        gt=0, le=FASTEST, allow_inf_nan=False, description="a number above 0, or null for no limit"
    ),
]

#: How many threads.
Threads = Annotated[int, Field(ge=1, le=1000, description="a whole number from 1 to 1000")]

#: Text with at least one character that is not white space.
Text = Annotated[str, AfterValidator(_present)]

#: Several texts; one text alone or nothing will do.
Texts = Annotated[
    tuple[Text, ...], Strict(False), BeforeValidator(_texts), Field(description="a list of text")
]

#: An IP address or a network of them.
Network = Annotated[IPv4Network | IPv6Network, PlainValidator(_network)]
