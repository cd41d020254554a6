"""Calls of foreign code that must not take a thread of ours down with it."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

_log = logging.getLogger("davkeep.operations")


@dataclass(frozen=True, slots=True)
class Bug:
    """What a call met that nobody has declared."""

    error: Exception


def attempt(call: Callable[[], T], what: str, *about: object) -> T | Bug:
    """Return what ``call`` returns; an exception of it is logged with its traceback.

    ``what`` says whose it is, with a ``%r`` for each of ``about``.

    Work, the door's ``conclude`` and subscribers run in threads that serve other operations, and
    often in the thread of a request that has nothing to do with them. A bug in one of them must
    end that one (500), not the thread. Exceptions that are part of an agreement (OSError,
    Failure) are caught before they come here.
    """
    try:
        return call()
    # The only place of its kind: which exceptions a bug raises cannot be listed.
    except Exception as error:
        _log.exception(f"{what} met a bug", *about)
        return Bug(error)


def call_all(callbacks: list[Callable[[], None]], what: str, *about: object) -> None:
    """Call every one of ``callbacks``, also when one before it raised; see ``attempt``."""
    for callback in callbacks:
        attempt(callback, what, *about)
