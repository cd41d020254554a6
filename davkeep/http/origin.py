"""Where a server is."""

import re
import ssl
from dataclasses import dataclass
from typing import Self
from urllib.parse import SplitResult, unquote

#: The zone of an IPv6 address, which matters on this machine only (RFC 6874 3).
_ZONE = re.compile(r"%[^\]]*(?=\])")


@dataclass(frozen=True, slots=True)
class Origin:
    """A server: `tls` None means plain HTTP.

    `host` is a name or an address without brackets, which may have a zone after a %. `authority`
    is what goes into the Host field.
    """

    host: str
    port: int
    authority: str
    tls: ssl.SSLContext | None = None

    @classmethod
    def of(cls, parts: SplitResult, tls: ssl.SSLContext | None) -> Self:
        """Return where an http or https URL leads, which was checked and names a host; `tls` is
        for https.
        """
        host = str(parts.hostname)
        return cls(
            unquote(host) if ":" in host else host,
            parts.port or (443 if parts.scheme == "https" else 80),
            _ZONE.sub("", parts.netloc),
            tls if parts.scheme == "https" else None,
        )
