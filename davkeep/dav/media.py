"""Media types by file name."""

import mimetypes
from functools import lru_cache

#: What is said of content that nothing is known about (RFC 2046 4.5.1).
UNKNOWN = "application/octet-stream"

#: Types beside those of the standard library, for which the machine's own files are not asked so
#: that every machine answers the same.
_TYPES = mimetypes.MimeTypes()
_TYPES.add_type("text/markdown", ".md")
_TYPES.add_type("application/vnd.openxmlformats-officedocument.wordprocessingml.document", ".docx")
_TYPES.add_type("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", ".xlsx")
_TYPES.add_type(
    "application/vnd.openxmlformats-officedocument.presentationml.presentation", ".pptx"
)
_TYPES.add_type("application/vnd.oasis.opendocument.text", ".odt")
_TYPES.add_type("application/vnd.oasis.opendocument.spreadsheet", ".ods")


def media_type(name: str) -> str:
    """The media type of a file called ``name``; compressed content is said to be what it is."""
    stem, _, extension = name.rpartition(".")
    # Dots at the beginning make a hidden name and not an extension.
    return _of_extension(extension) if stem.strip(".") else UNKNOWN


@lru_cache(maxsize=1024)
def _of_extension(extension: str) -> str:
    guessed, encoding = _TYPES.guess_type(f"name.{extension}")
    return UNKNOWN if encoding or guessed is None else guessed
