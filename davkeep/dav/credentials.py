"""The Authorization field (RFC 9110 11.6.2)."""

import base64
import binascii
from typing import Any


def scheme_of(environ: dict[str, Any]) -> str:
    """The scheme that a request authenticates with, in lower case; empty for none."""
    field: str = environ.get("HTTP_AUTHORIZATION", "")
    return field.partition(" ")[0].lower()


def basic_credentials(environ: dict[str, Any]) -> tuple[str, str] | None:
    """User name and password of Basic (RFC 7617); None for anything else, and where malformed."""
    if scheme_of(environ) != "basic":
        return None
    try:
        field: str = environ["HTTP_AUTHORIZATION"]
        text = base64.b64decode(field.partition(" ")[2].strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    user, colon, password = text.partition(":")
    return (user, password) if colon and "\0" not in text else None
