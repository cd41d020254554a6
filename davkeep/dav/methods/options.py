"""OPTIONS (RFC 9110 9.3.7, RFC 4918 10.1)."""

from typing import NamedTuple

from davkeep.dav.answers import Answer
from davkeep.dav.request import Request
from davkeep.dav.site import Site
from davkeep.trees.share import Kind
from davkeep.words.update_range import MEDIA_TYPE

#: Classes of RFC 4918 18: 3 says that this is RFC 4918 and not RFC 2518.
COMPLIANCE = "1, 2, 3"

#: Said beside them where a PATCH as SabreDAV has it costs no more than its part. Clients take it
#: for an invitation to send every file in parts, on all of the server: Remotely Save asks its base
#: folder (``_checkPartialSupport`` in src/fsWebdav.ts), webdavfs the mounted one (``Mount`` in
#: webdav.go).
PARTIAL_UPDATE = "sabredav-partialupdate"

_READING = ("OPTIONS", "GET", "HEAD", "PROPFIND")
_CHANGING = ("PROPPATCH", "DELETE", "COPY", "MOVE", "LOCK", "UNLOCK")
_MAKING = ("OPTIONS", "PUT", "MKCOL", "LOCK")


class _Target(NamedTuple):
    """What may be done to it, and whether a PATCH there is cheap."""

    allowed: tuple[str, ...]
    is_cheap: bool = False


def options(site: Site, request: Request) -> Answer:
    """Say what may be done to the target; also for ``*`` and for names that are not taken yet."""
    allowed, is_cheap = _target(site, request)
    classes = f"{COMPLIANCE}, {PARTIAL_UPDATE}" if is_cheap else COMPLIANCE
    fields = [("DAV", classes), ("Allow", ", ".join(allowed))]
    if "PATCH" in allowed:
        fields.append(("Accept-Patch", MEDIA_TYPE))
    if site.configuration.add_header_MS_Author_Via:
        # Windows asks for it before it maps a drive.
        fields.append(("MS-Author-Via", "DAV"))
    return Answer(200, tuple(fields))


def _target(site: Site, request: Request) -> _Target:
    if request.provider is None or request.provider.is_readonly():
        return _Target(_READING)
    try:
        with request.provider.share.entry(request.segments) as entry:
            kind = entry.kind
            is_cheap = site.sharing.holds_for(entry, kind)
    except OSError:
        return _Target(_MAKING)
    if kind is None:
        return _Target(_MAKING, is_cheap)
    content = () if kind is Kind.COLLECTION else ("PUT", "PATCH") if is_cheap else ("PUT",)
    return _Target(_READING + content + _CHANGING, is_cheap)
