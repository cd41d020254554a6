"""Numbers and states as people read them. `page/wording.js` says the same, in the same words."""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from davkeep.operations.rate import MEMBER_COST
from davkeep.words.display import members, number, visible

#: What the states are called; see `state_of` for what is more than one of them.
STATES: Mapping[str, str] = MappingProxyType(
    {
        "pending": "Waiting",
        "running": "Running",
        "succeeded": "Done",
        "failed": "Failed",
        "cancelled": "Cancelled",
        "interrupted": "Interrupted",
    }
)

METHODS: Mapping[str, str] = MappingProxyType(
    {"COPY": "Copy", "MOVE": "Move", "DELETE": "Delete", "PUT": "Upload", "PATCH": "Change"}
)

#: What becomes of things when an operation is cancelled (the promises).
CONSEQUENCES: Mapping[str, str] = MappingProxyType(
    {
        "COPY": "What was copied so far is removed. The source stays as it is.",
        "MOVE": "What was copied so far is removed. The source stays where it is.",
        "DELETE": "What is left of it comes back. What is gone stays gone.",
        "PUT": "What was sent is dropped. The old content, if there was any, stays.",
        "PATCH": "What was sent is dropped. The old content, if there was any, stays.",
    }
)

UNITS = ("kB", "MB", "GB", "TB", "PB", "EB")

STILL = "no progress at the moment"

#: What the state says as well.
CANCELLED = "The operation was cancelled."

LEFT_BEHIND = "Something that is hidden could not be removed."

#: Between the parts of one line.
DOT = " \N{MIDDLE DOT} "


def size(count: float) -> str:
    """Say a number of bytes, rounded down so that what is not complete does not look so."""
    if count < 1000:
        return f"{int(count)} byte" + ("" if int(count) == 1 else "s")
    power = 1
    while count >= 1000 ** (power + 1) and power < len(UNITS):
        power += 1
    value = count / 1000**power
    shown = f"{int(value * 10) / 10:.1f}" if value < 100 else str(int(value))
    return f"{shown} {UNITS[power - 1]}"


def remaining(seconds: float) -> str:
    """Say how long it will take, no more exactly than it can be known."""
    minutes = int(seconds / 60 + 0.5)
    if seconds < 10:
        return "a few seconds left"
    if seconds < 55:
        return f"about {int(seconds / 5 + 0.5) * 5} seconds left"
    if minutes <= 1:
        return "about a minute left"
    if minutes < 60:
        return f"about {minutes} minutes left"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"about {hours} h {minutes} min left" if minutes else f"about {hours} h left"
    days = int(seconds / 86400 + 0.5)
    return "about a day left" if days <= 1 else f"about {number(days)} days left"


def rate(told: Mapping[str, Any]) -> str:
    """Say how fast it goes: in bytes if there are any, else in members."""
    if told["bytes_per_second"] >= 1:
        return f"{size(told['bytes_per_second'])}/s"
    per_second = told["members_per_second"]
    if per_second >= 10:
        return f"{number(int(per_second))} members/s"
    return f"{int(per_second * 10) / 10:.1f} members/s" if per_second >= 0.1 else ""


def state(told: Mapping[str, Any]) -> str:
    """Say where it stands."""
    if told["cancelling"]:
        return "Cancelling\N{HORIZONTAL ELLIPSIS}"
    return "Failed in part" if told["status"] == 207 else STATES[told["state"]]


def method(told: Mapping[str, Any]) -> str:
    """Say what is done."""
    return METHODS.get(told["method"], told["method"])


def is_pending(told: Mapping[str, Any]) -> bool:
    """Whether it is not over."""
    return told["status"] is None


def fraction(told: Mapping[str, Any]) -> float | None:
    """How much is done, 0 to 1, by what it costs; None while that is not known."""
    if told["members_total"] is None or told["bytes_total"] is None:
        return None
    total = told["members_total"] * MEMBER_COST + told["bytes_total"]
    done = told["members_done"] * MEMBER_COST + told["bytes_done"]
    return min(1.0, done / total) if total else 0.0


def percent(told: Mapping[str, Any]) -> str:
    """Say how much is done of what runs; 100% only when all of it is."""
    done = fraction(told) if told["state"] == "running" else None
    return "" if done is None else f"{int(done * 100)}%"


def counts(told: Mapping[str, Any]) -> str:
    """Say what was done, and of how much."""
    done, total = told["members_done"], told["members_total"]
    read, size_total = told["bytes_done"], told["bytes_total"]
    if told["state"] in ("cancelled", "interrupted"):
        return ""
    if not is_pending(told):
        parts = [members(done)] * bool(done) + [size(read)] * bool(read)
        return DOT.join(part for part in (*parts, took(told)) if part)
    if total is None or size_total is None:
        parts = [members(done)] * bool(done) + [size(read)] * bool(read)
        return DOT.join(parts) + " so far" if parts else ""
    parts = [f"{number(done)} of {members(total)}"]
    return DOT.join(parts + [f"{size(read)} of {size(size_total)}"] * bool(size_total))


def took(told: Mapping[str, Any]) -> str:
    """Say how long it took, if that is known."""
    if told["ended"] is None:
        return ""
    begun, ended = (datetime.fromisoformat(told[name]) for name in ("created", "ended"))
    seconds = max(0, int((ended - begun).total_seconds()))
    minutes, hours = seconds // 60, seconds // 3600
    if seconds < 1:
        return "took less than a second"
    if minutes < 1:
        return f"took {seconds} s"
    if hours < 1:
        return f"took {minutes} min {seconds % 60} s"
    return f"took {number(hours)} h {minutes % 60} min"


def pace(told: Mapping[str, Any]) -> str:
    """Say how fast it goes and how long the rest will take, or why that is not known."""
    if told["state"] == "pending":
        return "waits for its turn"
    if told["state"] != "running":
        return ""
    done = fraction(told)
    is_moving = told["members_per_second"] or told["bytes_per_second"]
    if told["members_done"] and not is_moving and (done is None or done < 1):
        return STILL
    if done is None:
        left = "counting\N{HORIZONTAL ELLIPSIS}"
    elif done >= 1:
        return "finishing\N{HORIZONTAL ELLIPSIS}"
    else:
        seconds = told["estimatedSeconds"]
        left = "" if seconds is None else remaining(seconds)
    return DOT.join(part for part in (rate(told), left) if part)


def result(told: Mapping[str, Any]) -> str:
    """Say how it ended, if not well."""
    explanation = str(told["explanation"] or "").replace(CANCELLED, "").strip()
    if told["status"] is None:
        return ""
    if told["status"] == 207:
        return f"{members(told['errors_total'])} failed (HTTP 207)."
    if told["state"] == "failed":
        return f"{explanation or 'It failed.'} (HTTP {told['status']})"
    if told["state"] == "succeeded":
        return LEFT_BEHIND if told["left_behind"] else ""
    return explanation


def owner(told: Mapping[str, Any]) -> str:
    """Say whose it is."""
    return visible(str(told["owner"])) or "anonymous"


def moment(told: Mapping[str, Any]) -> str:
    """Say when it was asked for; scripts say it in the reader's time zone."""
    return str(told["created"])[:16].replace("T", " ") + " UTC"


def utc(seconds: float) -> str:
    """Say a moment, given in seconds of the epoch."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def span(seconds: float) -> str:
    """Say a length of time that was configured."""
    for unit, length in (("hour", 3600), ("minute", 60)):
        if seconds >= 2 * length or seconds == length:
            count = int(seconds / length + 0.5)
            return f"{number(count)} {unit}" + ("" if count == 1 else "s")
    return "1 second" if int(seconds) == 1 else f"{int(seconds)} seconds"
