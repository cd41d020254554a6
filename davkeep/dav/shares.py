"""Which share a URL is in."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote_from_bytes

from wsgidav.dav_provider import DAVProvider

from davkeep.dav.resources import CollectionResource, FileResource
from davkeep.trees.share import Entry, Kind, Place, Share, kind_of
from davkeep.words.failure import Failure
from davkeep.words.names import is_reserved
from davkeep.words.urls import Segments, quote_path

#: What stays as it is in a realm: printable ASCII that needs no escape in a quoted string.
_IN_REALM = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in '"\\%')


def realm_of(path: str) -> str:
    """The realm of a share: its URL path, of which only what a header field cannot hold is encoded.

    Clients disagree about the character set of a field that is not ASCII (RFC 7616 4).
    """
    return quote_from_bytes(path.encode("utf-8", "surrogateescape"), _IN_REALM)


class Provider(DAVProvider):  # type: ignore[misc]
    """One share as WsgiDAV knows it: its middleware asks it for resources."""

    def __init__(self, segments: Segments, share: Share) -> None:
        """``segments``: the share's URL path; ``share``: the folder behind it."""
        super().__init__()
        self.segments = segments
        self.share = share

    @property
    def realm(self) -> str:
        """The share's URL path, as a domain controller and an authentication scheme know it."""
        return realm_of("/" + "/".join(self.segments))

    def is_readonly(self) -> bool:
        """Whether the share is served read-only."""
        return self.share.readonly

    def href(self, segments: Segments, collection: bool) -> str:
        """The percent-encoded URL path of a member, with a slash at the end for a collection."""
        return quote_path(self.segments + segments, collection)

    def member_href(self, segments: Segments, below: Segments) -> str:
        """The percent-encoded URL path of what lies ``below`` a member, as a 207 names it."""
        return self.href(segments + below, collection=False)

    def existing(self, segments: Segments, *, follow_last: bool = True) -> Entry:
        """The entry at ``segments``, to be closed by the caller; 404 where nothing leads to it.

        It is not looked whether it is there itself.
        """
        try:
            return self.share.entry(segments, follow_last=follow_last)
        except (FileNotFoundError, NotADirectoryError):
            raise Failure(404) from None

    def member(self, segments: Segments, *, follow_last: bool = True) -> Entry:
        """The same for what may be made there; 409 without a collection above (RFC 4918 9.3.1)."""
        try:
            return self.share.entry(segments, follow_last=follow_last)
        except (FileNotFoundError, NotADirectoryError):
            raise Failure(409, "The collection above does not exist.") from None

    def get_resource_inst(
        self, path: str, environ: dict[str, Any]
    ) -> CollectionResource | FileResource | None:
        """The resource that the directory browser shows; None for nothing that may be seen."""
        segments = tuple(part for part in path.split("/") if part)
        if any(is_reserved(segment) for segment in segments):
            return None
        try:
            with self.share.entry(segments) as entry:
                status = entry.find()
        except OSError:
            return None
        if status is None:
            return None
        if kind_of(status) is Kind.COLLECTION:
            return CollectionResource(path, environ, self, segments, status)
        return FileResource(path, environ, self, segments, status)


class Shares:
    """All shares; the one with the longest URL path wins."""

    def __init__(self, providers: Iterable[Provider] = ()) -> None:
        """Begin with ``providers``."""
        self.providers = list(providers)

    def add(self, provider: Provider) -> None:
        """Add one; ValueError if its URL path is taken."""
        if any(known.segments == provider.segments for known in self.providers):
            raise ValueError(f"two shares at {quote_path(provider.segments)}")
        self.providers.append(provider)
        self.providers.sort(key=lambda known: len(known.segments), reverse=True)

    def find(self, segments: Segments) -> tuple[Provider, Segments] | None:
        """The share that ``segments`` lie in, and the path in it; names are compared exactly."""
        for provider in self.providers:
            depth = len(provider.segments)
            if segments[:depth] == provider.segments:
                return provider, segments[depth:]
        return None

    def below(self, segments: Segments) -> list[Provider]:
        """The shares strictly below a URL path."""
        depth = len(segments)
        return [
            provider
            for provider in self.providers
            if len(provider.segments) > depth and provider.segments[:depth] == segments
        ]

    def have_root_in(self, place: Place) -> bool:
        """Whether the folder of a share is the directory at ``place``, or lies below it."""
        own = place.own
        if own is None:
            return False
        return any(own in provider.share.identities for provider in self.providers)

    @property
    def visible(self) -> list[Provider]:
        """All but what WsgiDAV serves for its own pages."""
        return [provider for provider in self.providers if not provider.realm.startswith("/:")]

    def visible_below(self, segments: Segments) -> list[Provider]:
        """The same, strictly below a URL path."""
        below = self.below(segments)
        return [provider for provider in self.visible if provider in below]

    def close(self) -> None:
        """Close every share."""
        for provider in self.providers:
            provider.share.close()


def refuse_reserved(segments: Segments, *, reading: bool) -> None:
    """Raise 404 for reading and 403 for the rest when a segment is one of davkeep's own names."""
    if any(is_reserved(segment) for segment in segments):
        if reading:
            raise Failure(404)
        raise Failure(403, "The name is reserved.")
