"""The last of WsgiDAV's middleware: finds the method's handler and sends what it replies."""

import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar

from wsgidav.mw.base_mw import BaseMiddleware

from davkeep.dav.answers import Answer, Pending, Reply, failure_answer, failure_of
from davkeep.dav.methods import (
    copy_move,
    delete,
    get,
    lock,
    mkcol,
    options,
    patch,
    propfind,
    proppatch,
    put,
    unlock,
)
from davkeep.dav.request import Recipient, Request, StartResponse
from davkeep.dav.site import Site
from davkeep.store.database import StoreError
from davkeep.words.failure import Failure

_log = logging.getLogger("davkeep.dav")

Handler = Callable[[Site, Request], Reply]

ReplyT = TypeVar("ReplyT", bound=Reply)

HANDLERS: Mapping[str, Handler] = {
    "OPTIONS": options.options,
    "GET": get.get,
    "HEAD": get.get,
    "PROPFIND": propfind.propfind,
    "PROPPATCH": proppatch.proppatch,
    "MKCOL": mkcol.mkcol,
    "PUT": put.put,
    "PATCH": patch.patch,
    "DELETE": delete.delete,
    "COPY": copy_move.copy_move,
    "MOVE": copy_move.copy_move,
    "LOCK": lock.lock,
    "UNLOCK": unlock.unlock,
}


class RequestHandler(BaseMiddleware):  # type: ignore[misc]
    """Answers every request that came through authentication."""

    def __init__(self, wsgidav_app: Any, next_app: Any, config: dict[str, Any]) -> None:
        """``wsgidav_app`` carries the site; there is no next application."""
        super().__init__(wsgidav_app, next_app, config)
        self._site: Site = wsgidav_app.site

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request, or hold its connection."""
        try:
            provider, segments = environ["davkeep.target"]
            request = Request(environ, start_response, provider, segments)
            handler = HANDLERS.get(request.method)
            if handler is None:
                raise not_allowed()
        except Failure as failure:
            return send_failure(failure, environ, start_response)
        reply = answered(partial(handler, self._site, request))
        if isinstance(reply, Pending):
            if (settle := environ.get("davkeep.settle")) is not None:
                settle()
            return _Held(request.recipient, reply.then).hold(reply)
        return reply.send(request)


class _Held:
    """A request that waits, of which thousands may: what it was asked by is let go."""

    __slots__ = ("_recipient", "_then")

    def __init__(self, recipient: Recipient, then: Callable[[], Reply]) -> None:
        self._recipient = recipient
        self._then = then

    def hold(self, reply: Pending) -> Iterable[bytes]:
        """Hold the connection until ``reply`` has what it waits for."""
        self._recipient.exchange.hold(reply.waiting(self.resume))
        return ()

    def resume(self) -> Iterable[bytes]:
        """Take the next step and send its answer, or hold the connection once more."""
        reply = answered(self._then)
        if isinstance(reply, Pending):
            self._then = reply.then
            return self.hold(reply)
        return reply.send(self._recipient)


def answered(step: Callable[[], ReplyT]) -> ReplyT | Answer:
    """The reply of ``step``, where a failure is an answer as well.

    An error of the file system that no handler expected gets its status from the one table.
    """
    try:
        return step()
    except Failure as failure:
        return failure_answer(failure)
    except ConnectionError:
        raise
    except OSError as error:
        refused = failure_of(error)
        if isinstance(error, StoreError):
            _log.error("the state failed: %s", error.__cause__ or error)
        elif refused.status == 500:
            _log.error("the file system failed: %s", _in_full(error))
        return failure_answer(refused)


def _in_full(error: OSError) -> str:
    """What it says, and what it says of what it came from."""
    return f"{error} ({error.__cause__})" if error.__cause__ else str(error)


def send_failure(
    failure: Failure, environ: dict[str, Any], start_response: StartResponse
) -> Iterable[bytes]:
    """Send a failure that was found before there was a Request."""
    answer: Answer = failure_answer(failure)
    return answer.send_as(environ["REQUEST_METHOD"], start_response)


def not_allowed() -> Failure:
    """405 for a method that is not known here (RFC 9110 15.5.6)."""
    return Failure(405, fields=[("Allow", ", ".join(HANDLERS))])
