"""What is known of one request, and what is configured for all."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property, lru_cache
from typing import Any, Self

from davkeep.keepalive.clients import CLIENTS
from davkeep.keepalive.profiles import Profile, first_match, of_row
from davkeep.keepalive.proxies import DECLARABLE, betraying_fields
from davkeep.words.agents import products_of
from davkeep.words.configuration import Keepalive
from davkeep.words.preferences import prefers


class Mode(Enum):
    """Whether interim responses are sent (the key `keepalive.interim`)."""

    AUTO = "auto"  #: as the client's profile and the proxy allow
    ALWAYS = "always"  #: whatever the client, but never to HTTP/1.0 (RFC 9110 15.2)
    NEVER = "never"  #: and no early multi-status either


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a request when it is complete."""

    version: tuple[int, int]
    user_agent: str = ""
    method: str = ""
    had_body: bool = False
    #: The header fields that only a proxy adds, e.g. `("Via",)`.
    proxy_fields: tuple[str, ...] = ()
    #: Whether it said `Prefer: processing` (RFC 7240 2; the preference is an expired draft's).
    prefers_processing: bool = False

    @classmethod
    def of(cls, environ: Mapping[str, Any]) -> Self:
        """The facts of a WSGI request that came through davkeep's server."""
        has_length = environ.get("CONTENT_LENGTH", "") not in ("", "0")
        return cls(
            version=environ.get("davkeep.http_version", (1, 0)),
            user_agent=environ.get("HTTP_USER_AGENT", ""),
            method=environ.get("REQUEST_METHOD", ""),
            had_body=has_length or "HTTP_TRANSFER_ENCODING" in environ,
            proxy_fields=betraying_fields(environ),
            prefers_processing=prefers(environ.get("HTTP_PREFER"), "processing"),
        )

    @property
    def is_proxied(self) -> bool:
        """Whether a header field betrays a proxy."""
        return bool(self.proxy_fields)


@dataclass(frozen=True)
class Settings:
    """The configured schedule. Impossible values raise ValueError."""

    interim: Mode = Mode.AUTO
    #: The longest silence before the first interim response, in seconds, above 0.
    first_after: float = 10.0
    #: The longest silence between two of them, in seconds, above 0.
    interval: float = 10.0
    #: `auto`, `none`, or the name of a declared proxy.
    behind_proxy: str = "auto"
    #: Rows that come before the built-in ones.
    profiles: tuple[Profile, ...] = ()

    @cached_property
    def client(self) -> Callable[[str], Profile]:
        """Finds the row of a User-Agent; the last few hundred are remembered."""
        rows = self.profiles + CLIENTS
        return lru_cache(maxsize=256)(lambda agent: first_match(products_of(agent), rows))

    def __post_init__(self) -> None:
        object.__setattr__(self, "interim", Mode(self.interim))
        if not (self.first_after > 0 and self.interval > 0):
            raise ValueError("first_after and interval are seconds above 0")
        if self.behind_proxy not in ("auto", "none", *DECLARABLE):
            raise ValueError(f"{self.behind_proxy!r} is no proxy that can be declared")

    @classmethod
    def of(cls, block: Keepalive) -> Self:
        """What the block `keepalive:` of the configuration says."""
        return cls(
            Mode(block.interim),
            block.first_after,
            block.interval,
            block.behind_proxy,
            tuple(of_row(row) for row in block.profiles),
        )
