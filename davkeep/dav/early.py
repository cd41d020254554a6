"""The early multi-status: a 207 whose content begins before its operation ends.

For clients that parse the content and have no patience that 102s could renew. It departs from
RFC 4918, where a 201 belongs in the status line and not in a 207. Only the end tag ends a success:
whatever cuts the content short is an error to its reader.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lxml import etree

from davkeep.dav.answers import XML
from davkeep.dav.multistatus import PROLOGUE, failure_responses, in_blocks, response
from davkeep.dav.request import Recipient
from davkeep.keepalive import Waiting
from davkeep.operations import Operation, Outcome
from davkeep.words.later import Later
from davkeep.words.proxies import UNBUFFERED
from davkeep.words.status import reason

#: What is sent while there is nothing to say; white space between elements means nothing in XML.
WHITE_SPACE = b"\n"


@dataclass(frozen=True, slots=True)
class EarlyMultistatus:
    """The answer to a request, of which the end is not known yet.

    ``outcome`` tells how the operation ended, None while it runs, and raises NoAnswer for one of
    which nothing can be told; ``waiting`` makes what the connection waits for, from what follows.
    """

    operation: Operation
    outcome: Callable[[], Outcome | None]
    waiting: Callable[[Callable[[], Iterable[bytes]]], Waiting]

    def send(self, recipient: Recipient) -> Iterable[bytes]:
        """Begin the response, and hold the connection until there is more to say."""
        recipient.start_response(f"207 {reason(207)}", [("Content-Type", XML), UNBUFFERED])
        return self._hold(recipient, PROLOGUE)

    def _hold(self, recipient: Recipient, said: bytes) -> Iterable[bytes]:
        recipient.exchange.hold(self.waiting(Later(self._go_on, recipient)))
        return (said,)

    def _go_on(self, recipient: Recipient) -> Iterable[bytes]:
        outcome = self.outcome()
        if outcome is None:
            return self._hold(recipient, WHITE_SPACE)
        return in_blocks(_responses(self.operation, outcome))


def _responses(operation: Operation, outcome: Outcome) -> Iterable[str]:
    """The elements that tell the outcome; one for the whole of it, unless members failed."""
    if outcome.failures:
        return failure_responses((each.href, each.status) for each in outcome.failures)
    href = operation.destination or operation.source
    whole = response(
        href, outcome.status, condition=outcome.condition, explanation=outcome.explanation
    )
    return (etree.tostring(whole, encoding="unicode"),)
