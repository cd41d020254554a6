"""Lists in header fields (RFC 9110 5.6.1), whose members may hold quoted strings (5.6.4)."""

import re

#: A quoted string, a separator, what has neither; or a quote that is never closed. No two of them
#: begin alike, so that a value is read once from left to right, however it was made.
_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|[^",;]+|[,;"]', re.DOTALL)

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


def split(value: str, separator: str) -> list[str]:
    """The parts of `value` between the commas or semicolons that stand outside of quoted strings.

    White space around a part is not in it; empty parts are. Raises ValueError for a quote that is
    not closed: nobody knows then which separators are meant.
    """
    parts: list[list[str]] = [[]]
    # One by one: after a quote without an end nothing more is looked at.
    for match in _PIECE.finditer(value):
        piece = match[0]
        if piece == '"':
            raise ValueError("a quoted string has no end")
        if piece == separator:
            parts.append([])
        else:
            parts[-1].append(piece)
    return ["".join(part).strip(" \t") for part in parts]


def pair(text: str) -> tuple[str, str] | None:
    """The name in lower case and the value of `name=value`, which may be quoted or left out.

    White space may stand around "="; None for what is malformed.
    """
    name, _, word = (part.strip(" \t") for part in text.partition("="))
    if not TOKEN.fullmatch(name):
        return None
    if QUOTED.fullmatch(word):
        return name.lower(), re.sub(r"\\(.)", r"\1", word[1:-1], flags=re.DOTALL)
    return (name.lower(), word) if not word or TOKEN.fullmatch(word) else None
