"""From the end of work to an outcome in the words of HTTP."""

import errno
from collections.abc import Callable
from dataclasses import dataclass

from davkeep.dav.answers import retry_fields
from davkeep.operations import Conclude, MemberFailure, Outcome
from davkeep.trees.steps import MemberError, Result, Segments
from davkeep.words.failure import Failure
from davkeep.words.status import status_of_errno

#: The HTTP status of an error of the file system.
StatusOf = Callable[[OSError], int]


def _nowhere(below: Segments) -> str:
    raise ValueError(f"no side of this operation has a member {below!r}")


@dataclass(frozen=True, slots=True)
class Sides:
    """How the members of each side are called in a 207: from a relative path to an href."""

    source: Callable[[Segments], str]
    destination: Callable[[Segments], str] = _nowhere


#: A name or a content that is too long there is no fault of the request's own URL or content.
_OF_MEMBERS = {errno.ENAMETOOLONG: 403, errno.EFBIG: 507}


def member_status(error: OSError) -> int:
    """The status of one member, or of a tree."""
    return _OF_MEMBERS.get(error.errno or 0) or status_of_errno(error.errno)


def content_status(error: OSError) -> int:
    """The status where the content that was sent could not be stored."""
    return status_of_errno(error.errno)


def conclusion(sides: Sides, status_of: StatusOf = member_status) -> Conclude:
    """The function that turns a result, or what was raised, into an outcome.

    201 where nothing was at the destination before, else 204; 207 for failed members; a single
    status, by ``status_of``, where the whole of it failed.
    """

    def conclude(ending: Result | OSError | Failure) -> Outcome:
        if isinstance(ending, Result):
            return _of_result(ending, sides)
        if isinstance(ending, Failure):
            return Outcome(
                ending.status, explanation=ending.explanation, condition=ending.condition
            )
        return _of_error(ending, status_of)

    return conclude


def _of_result(result: Result, sides: Sides) -> Outcome:
    if not result.errors:
        return Outcome(201 if result.created else 204)
    if [error.path for error in result.errors] == [()]:
        return _of_error(result.errors[0].error, member_status)
    return Outcome(207, failures=tuple(_failure(error, sides) for error in result.errors))


def _failure(error: MemberError, sides: Sides) -> MemberFailure:
    href = sides.source if error.side == "source" else sides.destination
    return MemberFailure(href(error.path), member_status(error.error))


def _of_error(error: OSError, status_of: StatusOf) -> Outcome:
    if isinstance(error, FileExistsError):
        return Outcome(412, explanation="The destination exists.")
    status = status_of(error)
    return Outcome(status, explanation=error.strerror or "", fields=retry_fields(status))
