"""Paths as people read them: decoded, with what cannot be seen made visible, and not too long.
Numbers, and how many members.
"""

import re
from urllib.parse import unquote_to_bytes

#: Stands for what was left out.
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"

#: Characters of which nothing is seen, or that change how others are seen: controls, line ends,
#: format characters (those of Unicode's category Cf that are no signs of their own), spaces that
#: are not the usual one, fillers and selectors. First and last of each range.
_UNSEEN = (
    *("\x00\x1f", "\x7f\xa0", "\xad\xad", "\u034f\u034f", "\u061c\u061c", "\u115f\u1160"),
    *("\u17b4\u17b5", "\u180b\u180f", "\u2000\u200b", "\u200e\u200f", "\u2028\u202f"),
    *("\u205f\u206f", "\u2800\u2800", "\u3164\u3164", "\ufe00\ufe0d", "\ufeff\ufeff"),
    *("\uffa0\uffa0", "\ufff9\ufffb", "\U00013430\U0001343f", "\U0001bca0\U0001bca3"),
    *("\U0001d159\U0001d159", "\U0001d173\U0001d17a", "\U000e0000\U000e0fff"),
)

#: What writes one sign out of two with a joiner between them: scripts from Arabic on, and emoji.
_JOINED = "[\u0600-\u1fff\u2070-\U0010ffff]"

#: What is shown by its code point, as a regular expression for Python and for JavaScript: spaces at
#: an end of a name, what is unseen, and joiners and selectors where they join and select nothing.
INVISIBLE = "|".join(
    (
        "(?<![^/])[ \u3000]+",
        "(?<![ \u3000])[ \u3000]+(?![^/])",
        f"[{''.join(f'{ends[0]}-{ends[1]}' for ends in _UNSEEN)}]",
        f"(?<!{_JOINED})[\u200c\u200d]",
        f"[\u200c\u200d](?!{_JOINED})",
        "(?<![\u00a9-\u1fff\u2070-\U0010ffff])[\ufe0e\ufe0f]",
    )
)

_INVISIBLE = re.compile(INVISIBLE)


def readable(href: str) -> str:
    """Return a percent-encoded URL path as ``visible`` text, U+FFFD for what is no text.

    For people only: what it leads to can no longer be told from it.
    """
    return visible(unquote_to_bytes(href).decode("utf-8", "replace"))


def visible(text: str) -> str:
    """Return a name or path with the code points of what would not be seen in it: ``[U+202E]``."""
    return _INVISIBLE.sub(_code_points, text)


def _code_points(found: re.Match[str]) -> str:
    return "".join(f"[U+{ord(each):04X}]" for each in found[0])


def shortened(path: str, most: int) -> str:
    """Return a readable path in at most ``most`` characters, 10 at least: its end tells most."""
    if len(path) <= most:
        return path
    kept = ""
    for segment in reversed(path.split("/")[1:]):
        if len(kept) + len(segment) + 2 > most:
            break
        kept = f"/{segment}{kept}"
    return ELLIPSIS + kept if kept else f"{ELLIPSIS}/{clipped(last_name(path), most - 2)}"


def clipped(name: str, most: int) -> str:
    """Return a name in at most ``most`` characters, with its end, which tells what it is."""
    if len(name) <= most:
        return name
    end = (most - 1) // 3
    return f"{name[: most - 1 - end]}{ELLIPSIS}{name[-end:]}"


def last_name(path: str) -> str:
    """Return the last segment of a path; "/" of the root."""
    return path.rstrip("/").rpartition("/")[2] or "/"


def number(count: int) -> str:
    """Return a number with its thousands apart."""
    return f"{count:,}"


def members(count: int) -> str:
    """Return how many members there are, in words."""
    return f"{number(count)} member" + ("" if count == 1 else "s")
