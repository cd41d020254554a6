"""OPTIONS (RFC 9110 9.3.7, RFC 4918 10.1)."""

from davkeep.dav.answers import Answer
from davkeep.dav.request import Request
from davkeep.dav.site import Site
from davkeep.trees.share import Kind
from davkeep.words.update_range import MEDIA_TYPE

#: Classes of RFC 4918 18: 3 says that this is RFC 4918 and not RFC 2518. The last one says that
#: files can be patched as SabreDAV has it.
COMPLIANCE = "1, 2, 3, sabredav-partialupdate"

_READING = ("OPTIONS", "GET", "HEAD", "PROPFIND")
_CHANGING = ("PROPPATCH", "DELETE", "COPY", "MOVE", "LOCK", "UNLOCK")


def options(site: Site, request: Request) -> Answer:
    """Say what may be done to the target; also for ``*`` and for names that are not taken yet."""
    allowed = _allowed(request)
    fields = [("DAV", COMPLIANCE), ("Allow", ", ".join(allowed))]
    if "PATCH" in allowed:
        fields.append(("Accept-Patch", MEDIA_TYPE))
    if site.configuration.add_header_MS_Author_Via:
        # Windows asks for it before it maps a drive.
        fields.append(("MS-Author-Via", "DAV"))
    return Answer(200, tuple(fields))


def _allowed(request: Request) -> tuple[str, ...]:
    if request.provider is None or request.provider.is_readonly():
        return _READING
    try:
        with request.provider.share.entry(request.segments) as entry:
            kind = entry.kind
    except OSError:
        kind = None
    if kind is None:
        return ("OPTIONS", "PUT", "MKCOL", "LOCK")
    return _READING + (() if kind is Kind.COLLECTION else ("PUT", "PATCH")) + _CHANGING
