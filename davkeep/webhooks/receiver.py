"""Who is told, and of which operations."""

import ssl
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import SplitResult, urlsplit

from davkeep.http import Origin
from davkeep.operations import Operation, State
from davkeep.words.configuration import Webhook
from davkeep.words.signature import signature, signing_key


@dataclass(frozen=True, slots=True)
class Receiver:
    """One webhook of the configuration.

    ``name`` is what the log calls it: the URL may hold a secret, as the key is one. ``timeout`` is
    the seconds of one attempt, ``attempts`` their greatest number, ``pause`` the seconds before the
    second one.
    """

    name: str
    url: str = field(repr=False)
    origin: Origin = field(repr=False, compare=False)
    target: str = field(repr=False)
    key: bytes = field(repr=False)
    timeout: float
    attempts: int
    pause: float
    methods: frozenset[str]
    states: frozenset[State]

    @classmethod
    def of(cls, number: int, webhook: Webhook) -> Self:
        """Take row ``number`` of the configuration, whose secret was read by now."""
        if webhook.secret is None:
            raise ValueError(f"webhook {number} has no secret")
        parts = urlsplit(webhook.url)
        return cls(
            name=f"webhook {number} ({parts.hostname})",
            url=webhook.url,
            origin=_origin(parts),
            target=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
            key=signing_key(webhook.secret.get_secret_value()),
            timeout=webhook.timeout,
            attempts=webhook.attempts,
            pause=webhook.pause,
            methods=frozenset(webhook.methods),
            states=frozenset(State(state) for state in webhook.states),
        )

    def wants(self, operation: Operation) -> bool:
        """Return whether it is told of ``operation``, which is over."""
        return operation.method in self.methods and operation.state in self.states

    def fields(self, id: str, now: float, body: bytes) -> dict[str, str]:
        """Return the header fields of an attempt at ``now``, in seconds of the epoch."""
        timestamp = int(now)
        return {
            "Content-Type": "application/json",
            "User-Agent": "davkeep",
            "webhook-id": id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(self.key, id, timestamp, body),
        }


def _origin(parts: SplitResult) -> Origin:
    """Return where a URL leads. Certificates are verified against the system's authorities, or
    those of the environment's SSL_CERT_FILE.
    """
    tls = None
    if parts.scheme == "https":
        tls = ssl.create_default_context()
        tls.set_alpn_protocols(["http/1.1"])
    return Origin.of(parts, tls)
