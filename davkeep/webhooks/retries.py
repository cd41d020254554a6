"""When a delivery is tried again, and when not. Chance and time are arguments."""

from enum import Enum, auto

from davkeep.words.configuration.webhooks import LONGEST_PAUSE

#: How many times as long as the one before a pause is. From one second, eight pauses lead to 4.5
#: hours, so that twelve attempts outlast a receiver's bad day.
FACTOR = 4.0
#: The part of a pause by which it may be shorter or longer, so that receivers that failed together
#: are not asked together.
JITTER = 0.25


class Verdict(Enum):
    """What a receiver's answer means."""

    DELIVERED = auto()
    AGAIN = auto()
    GIVE_UP = auto()


def verdict(status: int | None) -> Verdict:
    """Judge a final status; None: there was no answer.

    2xx is delivered. 410 says that the receiver has gone for good (RFC 9110 15.5.11). Everything
    else is tried again: a redirection because none is followed, and a 4xx because a receiver that
    is being replaced, or the proxy before it, answers 404, 401 or 403 for a while.
    """
    if status is not None and 200 <= status <= 299:
        return Verdict.DELIVERED
    return Verdict.GIVE_UP if status == 410 else Verdict.AGAIN


def pause_after(failed: int, first: float, chance: float, wished: float = 0.0) -> float:
    """Return the seconds between attempt number ``failed``, which failed, and the next.

    ``first`` is the pause after the first one, ``chance`` a number from 0 to 1, and ``wished`` what
    the receiver's Retry-After asks for at least. No pause is longer than LONGEST_PAUSE.
    """
    pause = min(first * FACTOR ** (failed - 1), LONGEST_PAUSE)
    jittered = pause * (1 - JITTER + 2 * JITTER * chance)
    return min(max(jittered, wished), LONGEST_PAUSE)
