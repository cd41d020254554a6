"""Times that a date cannot say: a file may have any that its file system can store."""

#: What a date can say, in seconds of the epoch: the years 1 to 9999 (RFC 3339 5.6).
_FIRST, _LAST = -62135596800, 253402300799


def sayable(seconds: float) -> float:
    """The nearest time that a date can say."""
    return min(max(seconds, _FIRST), _LAST)
