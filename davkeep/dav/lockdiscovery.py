"""DAV:lockdiscovery and DAV:supportedlock (RFC 4918 15.8, 15.10), as they stand in a document.

The prefix D stands for DAV: there.
"""

from collections.abc import Iterable

from davkeep.dav.xml import escaped
from davkeep.store.locks import Lock

#: The content of DAV:supportedlock: exclusive and shared write locks.
SUPPORTED_LOCKS = "".join(
    f"<D:lockentry><D:lockscope><D:{scope}/></D:lockscope>"
    "<D:locktype><D:write/></D:locktype></D:lockentry>"
    for scope in ("exclusive", "shared")
)


def active_locks(locks: Iterable[Lock], now: float) -> str:
    """The content of DAV:lockdiscovery of one resource: its locks, ``now`` (epoch seconds)."""
    return "".join(_active(lock, now) for lock in locks)


def _active(lock: Lock, now: float) -> str:
    left = lock.remaining(now)
    timeout = "Infinite" if left is None else f"Second-{max(0, round(left))}"
    return (
        "<D:activelock><D:locktype><D:write/></D:locktype>"
        f"<D:lockscope><D:{lock.scope}/></D:lockscope><D:depth>{lock.depth}</D:depth>"
        f"{lock.owner_xml.decode()}<D:timeout>{timeout}</D:timeout>"
        f"<D:locktoken>{_href(lock.token)}</D:locktoken>"
        f"<D:lockroot>{_href(lock.url)}</D:lockroot></D:activelock>"
    )


def _href(text: str) -> str:
    return f"<D:href>{escaped(text)}</D:href>"
