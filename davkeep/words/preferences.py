"""The Prefer field (RFC 7240)."""

from davkeep.words.fields import bounded_int
from davkeep.words.lists import pair, split

#: The most seconds that `wait` is told apart from more, about 32 years.
LONGEST_WAIT = 10**9 - 1


def preferences(value: str | None) -> dict[str, str]:
    """Return what a Prefer field (None: absent) asks for: values by names in lower case.

    Of a preference that is given twice the first counts; a malformed one is ignored, and the whole
    field where a quote is not closed; one without a value has an empty one (section 2). Parameters
    are no preferences.
    """
    found: dict[str, str] = {}
    try:
        members = split(value or "", ",")
    except ValueError:
        return found
    for member in members:
        first, *parameters = split(member, ";")
        preference = pair(first)
        if preference is not None and all(pair(each) for each in parameters if each):
            found.setdefault(*preference)
    return found


def prefers(value: str | None, wanted: str) -> bool:
    """Whether a Prefer field names the preference `wanted`, in lower case, whatever its value."""
    return wanted in preferences(value)


def wait_of(value: str | None) -> int | None:
    """How many seconds a Prefer field says its client would wait (section 4.3); None: not said.

    At most `LONGEST_WAIT`. What is no number of seconds is not said.
    """
    seconds = preferences(value).get("wait", "")
    is_number = seconds.isascii() and seconds.isdigit()
    return bounded_int(seconds, LONGEST_WAIT) if is_number else None
