"""What caches may do with responses (RFC 9111): the Cache-Control of each is decided here.

Without one a cache may keep by its own rules what looks as if it would not change soon: a file that
is old, and that something was not there (RFC 9111 4.2.2, RFC 9110 15.1).
"""

from functools import partial

from davkeep.words.heads import Field, Rule, replacing
from davkeep.words.names import RESERVED_PREFIX

#: What is said of the server itself is old in a moment.
NO_STORE = ("Cache-Control", "no-store")

#: Anything else may be kept, to ask with its entity tag whether it has changed.
NO_CACHE = ("Cache-Control", "no-cache")

#: The methods whose answers are taken from a cache; PROPFIND's by nobody who follows RFC 4918.
_READING = frozenset({"GET", "HEAD", "PROPFIND"})

_never_stored = partial(replacing, [NO_STORE])


def rule_of(method: str, path: str) -> Rule | None:
    """The rule for the fields of a response; None: they stay as they are.

    `path` is decoded. Below `/.davkeep/` nothing may be stored, whatever else is said; elsewhere a
    Cache-Control that is there already is somebody's own.
    """
    if path.lstrip("/").startswith(RESERVED_PREFIX):
        return _never_stored
    return _revalidated if method in _READING else None


def _revalidated(fields: list[Field]) -> list[Field]:
    is_said = any(name.lower() == "cache-control" for name, _ in fields)
    return fields if is_said else [*fields, NO_CACHE]
