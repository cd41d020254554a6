"""The URL of an upload, which a client that remembers nothing can make from the target's."""

from davkeep.dav.answers import Field
from davkeep.words.urls import UPLOADS, Segments, quote_path


def target_of(segments: Segments) -> Segments | None:
    """The path of the target, if ``segments`` are those of an upload's URL."""
    depth = len(UPLOADS)
    return segments[depth:] if segments[:depth] == UPLOADS and len(segments) > depth else None


def upload_url(target: Segments) -> str:
    """The percent-encoded path of the upload to ``target``."""
    return quote_path(UPLOADS + target)


def standing_fields(offset: int, length: int | None) -> tuple[Field, ...]:
    """How much has arrived, in the words of draft-ietf-httpbis-resumable-upload.

    ``length`` is None where there is no upload: nothing has arrived then.
    """
    fields: tuple[Field, ...] = (("Upload-Offset", str(offset)), ("Upload-Complete", "?0"))
    return fields if length is None else (*fields, ("Upload-Length", str(length)))


def complete_fields(length: int) -> tuple[Field, ...]:
    """All has arrived, and is being stored: what tells this 202 from one of which more is to come.

    The names are those of draft-ietf-httpbis-resumable-upload.
    """
    return (
        ("Upload-Complete", "?1"),
        ("Upload-Offset", str(length)),
        ("Upload-Length", str(length)),
    )
