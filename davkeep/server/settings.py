"""The server's settings, with the names that WsgiDAV's `server_args` and cheroot use for theirs."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

#: Arguments of cheroot 11.1's server without a meaning here.
IGNORED_ARGS = frozenset(
    {
        "accepted_queue_size",
        "accepted_queue_timeout",
        "peercreds_enabled",
        "peercreds_resolve_enabled",
        "reuse_port",
    }
)


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """What can be set; impossible values raise ValueError, unknown names TypeError."""

    #: Threads that are always there.
    numthreads: int = 10
    #: Threads to which the pool grows while connections wait for one.
    max: int = 250
    #: Threads kept for delivering results; they serve nothing else.
    reserved: int = 4
    #: Seconds after which a thread above `numthreads` that found nothing to do ends.
    thread_idle: float = 30.0
    #: The listener's backlog, in connections; Debian's somaxconn is 4,096.
    request_queue_size: int = 1024
    #: Seconds without a byte, in either direction, after which a request or response in progress
    #: is given up.
    timeout: float = 30.0
    #: Seconds within which a whole request head is to arrive, counted from its first byte.
    head_timeout: float = 30.0
    #: Seconds within which a TLS handshake is to end, counted from its first byte.
    handshake_timeout: float = 10.0
    #: Seconds for which a connection without a request is kept.
    idle_timeout: float = 60.0
    #: Seconds that `stop()` takes at most when it is not told otherwise.
    shutdown_timeout: float = 5.0
    #: Bytes of request line and header fields together; more is 414 or 431.
    max_request_header_size: int = 64 * 1024
    #: Bytes of a request body; more is 413. 0: no limit.
    max_request_body_size: int = 0
    #: The Server field. None: davkeep and its version.
    server_name: str | None = None

    def __post_init__(self) -> None:
        for name in ("numthreads", "request_queue_size", "max_request_header_size"):
            self._require(name, getattr(self, name) >= 1, "1 or more")
        for name in ("timeout", "head_timeout", "handshake_timeout", "idle_timeout", "thread_idle"):
            self._require(name, getattr(self, name) > 0, "above 0")
        for name in ("reserved", "shutdown_timeout", "max_request_body_size"):
            self._require(name, getattr(self, name) >= 0, "0 or more")
        self._require("max", self.max >= self.numthreads, "numthreads or more")
        self._require("reserved", self.reserved >= 1, "1 or more")

    @staticmethod
    def _require(name: str, holds: bool, allowed: str) -> None:
        if not holds:
            raise ValueError(f"{name} is to be {allowed}")

    @classmethod
    def from_server_args(cls, server_args: Mapping[str, Any]) -> Self:
        """Settings from the configuration's `server_args`; a name that is none raises TypeError.

        cheroot's names that mean nothing here are accepted and ignored, and its -1 for "no limit
        of threads" is the default limit.
        """
        given = {name: value for name, value in server_args.items() if name not in IGNORED_ARGS}
        unknown = sorted(set(given) - {field.name for field in fields(cls)})
        if unknown:
            raise TypeError(f"unknown server_args: {', '.join(unknown)}")
        if given.get("max", -1) == -1:
            given["max"] = max(cls.max, given.get("numthreads", 0))
        return cls(**given)
