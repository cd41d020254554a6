"""The Prefer field (RFC 7240)."""

from collections.abc import Iterator


def prefers(value: str | None, wanted: str) -> bool:
    """Whether a Prefer field (None: absent) names the preference `wanted`, whatever its value.

    `wanted` is in lower case. Parameters are not preferences.
    """
    return any(name == wanted for name in _names(value or ""))


def _names(value: str) -> Iterator[str]:
    """The names of the preferences; text in quotes holds none."""
    unquoted = " ".join(value.split('"')[::2])
    for preference in unquoted.split(","):
        yield preference.partition(";")[0].partition("=")[0].strip().lower()
