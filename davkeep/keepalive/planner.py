"""When the next interim response of a request is due. Pure: facts and elapsed seconds in, a
moment out.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Self


class Mode(Enum):
    """Whether interim responses are sent (the key `keepalive.interim`)."""

    AUTO = "auto"  #: as the client's profile allows
    ALWAYS = "always"  #: whatever the profile says, but never to HTTP/1.0 (RFC 9110 15.2)
    NEVER = "never"


#: The first version of HTTP with interim responses (RFC 9110 15.2: none to an HTTP/1.0 client).
FIRST_VERSION = (1, 1)

#: Interim responses of one request to a client without a narrower profile. neon 0.32 fails at its
#: 128th (measured).
DEFAULT_CAP = 100

#: A comment of a User-Agent field; products inside it are not products (RFC 9110 10.1.5).
#: Innermost ones first.
_COMMENT = re.compile(r"\([^()]*\)")


@dataclass(frozen=True)
class Facts:
    """What is known of a request when it is complete."""

    version: tuple[int, int]
    user_agent: str = ""
    method: str = ""
    had_body: bool = False

    @classmethod
    def of(cls, environ: Mapping[str, Any]) -> Self:
        """The facts of a WSGI request that came through davkeep's server."""
        has_length = environ.get("CONTENT_LENGTH", "") not in ("", "0")
        return cls(
            version=environ.get("davkeep.http_version", (1, 0)),
            user_agent=environ.get("HTTP_USER_AGENT", ""),
            method=environ.get("REQUEST_METHOD", ""),
            had_body=has_length or "HTTP_TRANSFER_ENCODING" in environ,
        )


@dataclass(frozen=True)
class Settings:
    """The configured schedule; seconds, both above 0. Anything else raises ValueError."""

    interim: Mode = Mode.AUTO
    first_after: float = 10.0
    interval: float = 10.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "interim", Mode(self.interim))
        if not (self.first_after > 0 and self.interval > 0):
            raise ValueError("first_after and interval are seconds above 0")


@dataclass(frozen=True)
class Profile:
    """What a kind of client does with interim responses; a row of the table."""

    name: str
    #: How one of its products begins in the User-Agent field, with the slash, compared without
    #: case.
    products: tuple[str, ...]
    #: How many interim responses one request may get. 0: none, for it takes the first as the
    #: final response.
    cap: int

    def __post_init__(self) -> None:
        if self.cap < 0:
            raise ValueError("a cap is 0 or more")

    def matches(self, products: tuple[str, ...]) -> bool:
        """Whether one of `products` (as `products_of` returns them) is this profile's."""
        return any(product.startswith(own.lower()) for product in products for own in self.products)


#: Clients to which none are sent. Most take an unasked 102 for the final response (measured;
#: OkHttp up to 4.10). Go up to 1.23 fails at the sixth interim response, and its patience is not
#: renewed by any (measured, with Debian's rclone).
PROFILES: tuple[Profile, ...] = (
    Profile(
        "CPython http.client", ("python-requests/", "python-urllib3/", "Python-urllib/"), cap=0
    ),
    Profile("Java HttpURLConnection", ("Java/",), cap=0),
    Profile("OkHttp", ("okhttp/",), cap=0),
    Profile("Go net/http", ("Go-http-client/", "rclone/"), cap=0),
)

#: Everybody else.
DEFAULT_PROFILE = Profile("default", (), cap=DEFAULT_CAP)


def products_of(user_agent: str) -> tuple[str, ...]:
    """The products of a User-Agent field, in lower case, without its comments (RFC 9110 10.1.5)."""
    previous, text = "", user_agent
    while text != previous:
        previous, text = text, _COMMENT.sub(" ", text)
    return tuple(text.lower().split())


def profile_of(user_agent: str, profiles: tuple[Profile, ...] = PROFILES) -> Profile:
    """The first row of `profiles` that matches, or the default."""
    products = products_of(user_agent)
    return next((row for row in profiles if row.matches(products)), DEFAULT_PROFILE)


@dataclass(frozen=True)
class Beat:
    """The schedule of interim responses, bound to one request."""

    facts: Facts
    settings: Settings = field(default_factory=Settings)
    profiles: tuple[Profile, ...] = PROFILES

    @property
    def cap(self) -> int:
        """How many interim responses this request may get."""
        if self.facts.version < FIRST_VERSION or self.settings.interim is Mode.NEVER:
            return 0
        if self.settings.interim is Mode.ALWAYS:
            return DEFAULT_CAP
        return profile_of(self.facts.user_agent, self.profiles).cap

    def next_beat(self, elapsed: float, sent: int) -> float | None:
        """When the next interim response is due, in seconds since the request was complete; None:
        silence from now on.

        `elapsed` is the moment of asking in the same seconds, or of the last one that was sent;
        `sent` is how many were sent. The answer never lies before `elapsed`. A spent number means
        silence, not an error.
        """
        if sent >= self.cap:
            return None
        if sent == 0:
            return max(self.settings.first_after, elapsed)
        return elapsed + self.settings.interval
