"""The early multi-status: a 207 whose content begins before its operation ends.

For clients that parse the content and have no patience that 102s could renew. It departs from
RFC 4918, where a 201 belongs in the status line and not in a 207. Only the end tag ends a success:
whatever cuts the content short is an error to its reader.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from lxml import etree

from davkeep.dav.answers import XML
from davkeep.dav.multistatus import EPILOGUE, PROLOGUE, response
from davkeep.dav.request import Request
from davkeep.keepalive import Waiting
from davkeep.operations import Operation, Outcome
from davkeep.words.proxies import UNBUFFERED
from davkeep.words.status import reason

#: What is sent while there is nothing to say; white space between elements means nothing in XML.
WHITE_SPACE = b"\n"


@dataclass(frozen=True)
class EarlyMultistatus:
    """The answer to ``request``, of which the end is not known yet.

    ``outcome`` tells how the operation ended, None while it runs, and raises NoAnswer for one of
    which nothing can be told; ``waiting`` makes what the connection waits for, from what follows.
    """

    operation: Operation
    outcome: Callable[[], Outcome | None]
    waiting: Callable[[Callable[[], Iterable[bytes]]], Waiting]

    def send(self, request: Request) -> Iterable[bytes]:
        """Begin the response, and hold the connection until there is more to say."""
        request.start_response(f"207 {reason(207)}", [("Content-Type", XML), UNBUFFERED])
        return self._hold(request, PROLOGUE)

    def _hold(self, request: Request, said: bytes) -> Iterable[bytes]:
        request.exchange.hold(self.waiting(partial(self._go_on, request)))
        return (said,)

    def _go_on(self, request: Request) -> Iterable[bytes]:
        outcome = self.outcome()
        if outcome is None:
            return self._hold(request, WHITE_SPACE)
        return (*_responses(self.operation, outcome), EPILOGUE)


def _responses(operation: Operation, outcome: Outcome) -> Iterable[bytes]:
    """The elements that tell the outcome; one for the whole of it, unless members failed."""
    if outcome.failures:
        for failure in outcome.failures:
            yield etree.tostring(response(failure.href, failure.status))
        return
    href = operation.destination or operation.source
    yield etree.tostring(
        response(href, outcome.status, condition=outcome.condition, explanation=outcome.explanation)
    )
