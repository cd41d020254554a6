"""Paths as people read them: decoded, without characters that deceive, and not too long. Numbers,
and how many members.
"""

import re
from urllib.parse import unquote_to_bytes

#: Stands for what was left out.
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"

#: Control characters, line ends, and what changes the direction of the text around it (UAX 9).
_DECEIVING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def readable(href: str) -> str:
    """Return a percent-encoded URL path as text, U+FFFD for what is none or would deceive.

    For people only: what it leads to can no longer be told from it.
    """
    text = unquote_to_bytes(href).decode("utf-8", "replace")
    return _DECEIVING.sub("\N{REPLACEMENT CHARACTER}", text)


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
