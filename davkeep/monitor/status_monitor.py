"""The status monitor of one operation (RFC 9110 15.3.3): look, wait, cancel, get its response."""

import json
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from davkeep.monitor.documents import (
    CACHING,
    JSON,
    Document,
    Environ,
    Field,
    StartResponse,
    check,
    refuse_malformed,
)
from davkeep.monitor.long_poll import hold, seconds_of
from davkeep.monitor.methods import by_method
from davkeep.monitor.pages import Pages, wanted
from davkeep.monitor.same_origin import require_same_origin
from davkeep.monitor.tokens import Tokens
from davkeep.operations import Operation, Outcome, Registry
from davkeep.operations.description import describe_job
from davkeep.operations.statuses import retry_after, status_of
from davkeep.words.failure import Failure

#: Sends the final response of an operation that ended so, to a request of a method.
Replay = Callable[[Outcome, str, StartResponse], Iterable[bytes]]


class StatusMonitor:
    """The resources of each operation that its caller may see."""

    def __init__(
        self, registry: Registry, replay: Replay, tokens: Tokens, pages: Pages | None
    ) -> None:
        self._registry = registry
        self._replay = replay
        self._tokens = tokens
        self._pages = pages

    def status(
        self, operation: Operation, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        """GET: 202 while it is pending, 200 when it is over, 304. DELETE: cancel."""
        handlers = {
            "GET": partial(self._waited, operation, self._look),
            "DELETE": partial(self._cancel, operation),
        }
        return by_method(handlers, environ, start_response)

    def response(
        self, operation: Operation, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        """GET: the final response; while there is none, what `status` answers."""
        handlers = {"GET": partial(self._waited, operation, self._look_at_response)}
        return by_method(handlers, environ, start_response)

    def job(
        self, operation: Operation, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        """GET: 200 with what `OC-JobStatus-Location` promises ownCloud's clients."""

        def look(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            content = _content(describe_job(operation))
            return Document(200, JSON, content).send(environ, start_response)

        return by_method({"GET": look}, environ, start_response)

    def _waited(
        self,
        operation: Operation,
        look: Callable[[Operation, Environ, StartResponse], Iterable[bytes]],
        environ: Environ,
        start_response: StartResponse,
    ) -> Iterable[bytes]:
        """Look at once, or when it is over or the time is up for who prefers to wait."""
        seconds = seconds_of(environ)
        answer = partial(look, operation, environ, start_response)
        if not seconds or operation.state.is_over:
            return answer()
        # What is malformed is refused before anybody waits.
        refuse_malformed(environ)
        return hold(environ, operation, seconds, answer)

    def _look(
        self, operation: Operation, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        return self._document(operation, environ).send(environ, start_response)

    def _document(self, operation: Operation, environ: Environ) -> Document:
        applied = _applied(environ)
        status = status_of(operation, self._registry.lanes.now())
        pending = status["status"] is None
        code = 202 if pending else 200
        fields = (*applied, *([("Retry-After", str(retry_after(status)))] if pending else []))
        pages = wanted(self._pages, environ)
        if pages is None:
            return Document(code, JSON, _content(status), fields)
        page = pages.of_operation(environ["davkeep.caller"], operation)
        return page.document(code, *fields)

    def _look_at_response(
        self, operation: Operation, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        outcome = operation.outcome
        if outcome is None:
            return self._look(operation, environ, start_response)
        if environ["REQUEST_METHOD"] == "GET":
            self._note_delivery(operation, environ)

        def start(line: str, fields: list[Field], *more: Any) -> Any:
            return start_response(line, [*fields, *CACHING, *_applied(environ)], *more)

        return self._replay(outcome, environ["REQUEST_METHOD"], start)

    def _note_delivery(self, operation: Operation, environ: Environ) -> None:
        """Its own user has its answer then, so the same request again is a new one."""
        if environ["davkeep.caller"].account == operation.account:
            delivered = partial(self._registry.delivered, operation)
            environ["davkeep.exchange"].when_delivered(delivered)

    def _cancel(
        self, operation: Operation, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        """202, also where it is undone by now; Failure 403, and 409 where it is too late.

        412 and 400 as `check`, for the entity tag that GET would tell. What is refused anyway is so
        whatever the conditions say (RFC 9110 13.2.1).
        """
        require_same_origin(environ, self._tokens)
        if operation.is_cancellable:
            check(environ, self._document(operation, environ).etag)
        if not operation.cancel():
            raise Failure(409, _why_too_late(operation))
        status = status_of(operation, self._registry.lanes.now())
        return Document(202, JSON, _content(status)).send_unconditionally(environ, start_response)


def _content(status: dict[str, Any]) -> bytes:
    return json.dumps(status, indent=2).encode() + b"\n"


def _applied(environ: Environ) -> tuple[Field, ...]:
    seconds = seconds_of(environ)
    return () if seconds is None else (("Preference-Applied", f"wait={seconds}"),)


def _why_too_late(operation: Operation) -> str:
    state, outcome = operation.standing
    if outcome is not None:
        return f"The operation is over: {state.value}."
    if operation.answered:
        return "The operation was answered at its effective point; what is left is being purged."
    return "The operation has taken effect; what was replaced is being purged."
