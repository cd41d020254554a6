"""Text from elsewhere as one line that commands no terminal and deceives nobody."""

import re

#: What is shown by its code: control characters (C0, DEL, C1), line and paragraph separators, what
#: changes the direction of text (UAX 9), lone surrogates, and what is not seen at all (zero-width
#: and format characters, fillers, selectors, tags).
_UNSHOWN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\u2800\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def escaped(text: str) -> str:
    r"""Return the text in one line: what may not be shown is ``\x1b``, ``\u202e`` and so on.

    For people only: a backslash stays as it is, so what was there before cannot be told for sure.
    """
    if text.isascii() and text.isprintable():
        return text
    return _UNSHOWN.sub(_code, text)


def _code(found: re.Match[str]) -> str:
    number = ord(found[0])
    if number <= 0xFF:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"
