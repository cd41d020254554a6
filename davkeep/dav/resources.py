"""Members as WsgiDAV's directory browser wants to see them."""

import os
from typing import TYPE_CHECKING, Any

from wsgidav.dav_provider import DAVCollection, DAVNonCollection

from davkeep.dav.media import media_type
from davkeep.dav.moments import sayable
from davkeep.dav.xml import displayable
from davkeep.trees.share import Kind, kind_of

if TYPE_CHECKING:
    from davkeep.dav.shares import Provider
    from davkeep.trees.steps import Segments

Environ = dict[str, Any]


class _Member:
    """What files and collections have in common."""

    path: str
    segments: "Segments"
    status: os.stat_result
    share_provider: "Provider"

    def __init__(
        self,
        path: str,
        environ: Environ,
        provider: "Provider",
        segments: "Segments",
        status: os.stat_result,
    ) -> None:
        """``segments``: the path inside the share of ``provider``."""
        super().__init__(path, environ)  # type: ignore[call-arg]  # of WsgiDAV's class
        self.share_provider, self.segments, self.status = provider, segments, status

    def get_display_name(self) -> str:
        return displayable(self.segments[-1]) if self.segments else ""

    def get_display_info(self) -> dict[str, str]:
        kind = "Directory" if kind_of(self.status) is Kind.COLLECTION else "File"
        extension = self.get_display_name().rpartition(".")[2]
        is_told = kind == "File" and 0 < len(extension) < 5 and extension.isalnum()
        return {"type": f"{extension.upper()}-File" if is_told else kind}

    def get_last_modified(self) -> float:
        return sayable(self.status.st_mtime)

    def get_creation_date(self) -> float:
        return sayable(self.status.st_ctime)


def inert(href: str) -> str:
    """``href`` such that its last segment is nothing but a name, wherever the page puts it.

    WsgiDAV's page has it as a relative URL, in which ``javascript:`` would be a scheme, and between
    quotes that it does not escape.
    """
    return href.replace(":", "%3A").replace("'", "%27")


class FileResource(_Member, DAVNonCollection):  # type: ignore[misc]
    """A file."""

    def get_content_length(self) -> int:
        """Size in bytes."""
        return self.status.st_size

    def get_content_type(self) -> str:
        """The media type that the name tells."""
        return media_type(self.segments[-1])

    def get_etag(self) -> None:
        """Not shown by the browser."""
        return

    def support_etag(self) -> bool:
        """Not shown by the browser."""
        return False

    def support_ranges(self) -> bool:
        """Downloads do."""
        return True

    def get_href(self) -> str:
        """The percent-encoded URL path."""
        return inert(self.share_provider.href(self.segments, collection=False))

    def get_content(self) -> None:
        """Never called: davkeep's own GET serves files."""
        raise NotImplementedError


class CollectionResource(_Member, DAVCollection):  # type: ignore[misc]
    """A collection."""

    def get_href(self) -> str:
        """The percent-encoded URL path."""
        return inert(self.share_provider.href(self.segments, collection=True))

    def get_member_names(self) -> list[str]:
        """Names of the visible members."""
        return [member.name for member in self.get_member_list()]

    def get_member_list(self) -> "list[FileResource | CollectionResource]":
        """The visible members."""
        members = self.share_provider.share.members(self.segments)
        return [self._member(name, status) for name, status in members]

    def get_member(self, name: str) -> "FileResource | CollectionResource | None":
        """One member, or None."""
        return self.share_provider.get_resource_inst(
            f"{self.path.rstrip('/')}/{name}", self.environ
        )

    def _member(self, name: str, status: os.stat_result) -> "FileResource | CollectionResource":
        made = CollectionResource if kind_of(status) is Kind.COLLECTION else FileResource
        path = f"{self.path.rstrip('/')}/{name}"
        return made(path, self.environ, self.share_provider, (*self.segments, name), status)
