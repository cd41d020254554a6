"""Names of members: which are hidden, and when two of them are taken for one."""

import unicodedata

#: Beginning of every name that davkeep keeps for itself (the promises, Names).
RESERVED_PREFIX = ".davkeep"


def folded(name: str) -> str:
    """Return ``name`` as it is compared: NFKC, case-folded. Undecodable bytes stay as they are."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def is_hidden_name(name: str) -> bool:
    """Tell whether listings and walks skip ``name`` and URLs with it are refused."""
    if name.isascii():
        return name[:1] == "." and name[:8].lower() == RESERVED_PREFIX
    return folded(name).startswith(RESERVED_PREFIX)


def is_segment(name: str) -> bool:
    """Tell whether ``name`` can be one step of a path below a share's root."""
    return name not in ("", ".", "..") and "/" not in name and "\0" not in name
