"""The Prefer field (RFC 7240)."""

import re

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_WORD = rf"(?:{_TOKEN}|{_QUOTED})"
_PARAMETER = rf"{_TOKEN}(?:[ \t]*=[ \t]*{_WORD}?)?"

#: One preference, with its parameters, which nobody here asks for.
_PREFERENCE = re.compile(
    rf"[ \t]*(?P<name>{_TOKEN})(?:[ \t]*=[ \t]*(?P<value>{_WORD})?)?"
    rf"(?:[ \t]*;[ \t]*(?:{_PARAMETER})?)*[ \t]*"
)

#: A member of the list, up to its comma: quotes may hold one.
_MEMBER = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^,])+')


def preferences(value: str | None) -> dict[str, str]:
    """Return what a Prefer field (None: absent) asks for: values by names in lower case.

    Of a preference that is given twice the first counts; a malformed one is ignored; one without
    a value has an empty one (section 2). Parameters are no preferences.
    """
    found: dict[str, str] = {}
    for member in _MEMBER.findall(value or ""):
        match = _PREFERENCE.fullmatch(member)
        if match is not None:
            found.setdefault(match["name"].lower(), _unquoted(match["value"] or ""))
    return found


def prefers(value: str | None, wanted: str) -> bool:
    """Whether a Prefer field names the preference `wanted`, in lower case, whatever its value."""
    return wanted in preferences(value)


def wait_of(value: str | None) -> int | None:
    """How many seconds a Prefer field says its client would wait (section 4.3); None: not said.

    What is no number of seconds is not said.
    """
    seconds = preferences(value).get("wait", "")
    return int(seconds[:9]) if seconds.isascii() and seconds.isdigit() else None


def _unquoted(word: str) -> str:
    return re.sub(r"\\(.)", r"\1", word[1:-1]) if word.startswith('"') else word
