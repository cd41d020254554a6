"""Names of members: when two of them are taken for one, and which davkeep keeps for itself."""

import re
import unicodedata

#: What every name that davkeep keeps for itself begins with (the promises, Names).
RESERVED_PREFIX = ".davkeep"

#: Unicode's Default_Ignorable_Code_Point, which NFKC case-folding removes (UAX 44 5.7).
_IGNORABLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def folded(name: str) -> str:
    """The name as it is compared: NFKC, case-folded. Undecodable bytes stay as they are."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def is_reserved(name: str) -> bool:
    """Whether a name is davkeep's own: hidden from listings and walks, refused in URLs."""
    if name.isascii():
        return name[:1] == "." and name[:8].lower() == RESERVED_PREFIX
    return _IGNORABLE.sub("", folded(name)).startswith(RESERVED_PREFIX)
