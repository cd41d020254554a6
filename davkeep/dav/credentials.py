"""The Authorization field (RFC 9110 11.6.2)."""

import base64
import binascii
import re
from typing import Any

#: The realm of a digest, which may hold no quote (`davkeep.dav.shares.realm_of`).
_REALM = re.compile(r'[ ,]realm="([^"]*)"', re.IGNORECASE)


def scheme_of(environ: dict[str, Any]) -> str:
    """The scheme that a request authenticates with, in lower case; empty for none."""
    field: str = environ.get("HTTP_AUTHORIZATION", "")
    return field.partition(" ")[0].lower()


def digest_realm(environ: dict[str, Any]) -> str | None:
    """The realm that a digest is for (RFC 7616 3.4); None for anything else."""
    match = _REALM.search(environ.get("HTTP_AUTHORIZATION", ""))
    return match[1] if match and scheme_of(environ) == "digest" else None


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
