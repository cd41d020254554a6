"""When a request is one that was sent before, and what it may be told (the promises, Repeats)."""

from os import stat_result
from typing import TypeAlias

from davkeep.dav.request import Request
from davkeep.dav.shares import Provider
from davkeep.operations import Outcome, RepeatKey
from davkeep.trees.identity import etag_of, identity_of
from davkeep.words.conditions import CONDITIONS
from davkeep.words.names import folded
from davkeep.words.urls import Segments, quote_path

#: A share, and a path in it.
Target: TypeAlias = tuple[Provider, Segments]

#: All fields that make an action depend on something (RFC 9110 13.1, RFC 4918 10.4).
_CONDITIONS = ("HTTP_IF", *CONDITIONS)


def key_of(
    request: Request, *, destination: Target | None = None, digest: str | None = None
) -> RepeatKey:
    """What another request has in common with `request` if it is the same; see `RepeatKey`.

    Depth and Overwrite count as what they mean, also where they are absent (RFC 4918 9.6.1, 9.8.3,
    10.6). What is malformed is equal to itself only, and refused by who reads it. Conditions count
    as they were sent.
    """
    return RepeatKey(
        owner=request.user,
        address=request.account_address,
        method=request.method,
        source=_source(request),
        destination=None if destination is None else _respelled(destination),
        depth=_meant(request, "Depth", "infinity"),
        overwrite=_meant(request, "Overwrite", "t"),
        conditions=tuple(request.environ.get(name) for name in _CONDITIONS),
        digest=digest,
    )


def _source(request: Request) -> str:
    if request.provider is None:
        return request.url
    return _respelled((request.provider, request.segments))


def _respelled(target: Target) -> str:
    """A URL path, the same one in all spellings that are one name in its share."""
    provider, segments = target
    if provider.share.folds:
        segments = tuple(map(folded, segments))
    return quote_path(provider.segments + segments)


def _meant(request: Request, name: str, absent: str) -> str:
    value = request.field(name)
    return absent if value is None else value.strip().lower()


# Whether what an operation has come to still stands, though somebody may have changed it past the
# server. An OSError that leaves it open is raised, as a new request would meet it too.


def is_made(destination: Target, _: Outcome) -> bool:
    """Of COPY: the destination is there."""
    return _found(destination) is not None


def is_moved(source: Target, destination: Target, _: Outcome) -> bool:
    """Of MOVE: the destination is there, and the source is not, but for another name of it."""
    made, left = _found(destination), _found(source)
    return made is not None and (left is None or identity_of(left) == identity_of(made))


def is_removed(target: Target, _: Outcome) -> bool:
    """Of DELETE: nothing is there."""
    return _found(target) is None


def is_stored(target: Target, outcome: Outcome) -> bool:
    """Of PUT: the file that is there has the entity tag that the outcome tells."""
    status = _found(target, follow_last=True)
    told = dict(outcome.fields).get("ETag")
    return status is not None and told == f'"{etag_of(status)}"'


def _found(target: Target, *, follow_last: bool = False) -> stat_result | None:
    provider, segments = target
    try:
        with provider.share.entry(segments, follow_last=follow_last) as entry:
            return entry.find()
    except (FileNotFoundError, NotADirectoryError):
        return None
