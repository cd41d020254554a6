"""Which operations a caller may see (the design, section 4): the own ones, administrators all."""

from collections.abc import Callable, Iterable
from functools import partial

from davkeep.monitor.documents import Environ, Resource, StartResponse
from davkeep.monitor.selection import in_order
from davkeep.operations import Operation, Registry
from davkeep.words.callers import Caller
from davkeep.words.failure import Failure

#: A resource that is about one operation, which its caller may see.
OfOperation = Callable[[Operation, Environ, StartResponse], Iterable[bytes]]


class Lookup:
    """Finds operations for those who ask."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def resource(self, answer: OfOperation, id: str) -> Resource:
        """The resource that is about the operation `id`."""
        return partial(self._answer, answer, id)

    def visible(self, caller: Caller) -> list[Operation]:
        """What the caller may see, in the order of lists."""
        return in_order(self._registry.visible(caller.may_see))

    def _answer(
        self, answer: OfOperation, id: str, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Raises Failure 404, also for what is somebody else's, and 410 for what has expired."""
        operation, caller = self._registry.get(id), environ["davkeep.caller"]
        if operation is not None and caller.may_see(operation.account):
            return answer(operation, environ, start_response)
        expired = self._registry.expired(id)
        if expired is not None and caller.may_see(expired):
            raise Failure(410, "The operation has ended, and is not remembered any more.")
        asked = challenged(environ, start_response)
        if asked is None:
            raise Failure(404, "There is no such operation.")
        return asked


def challenged(environ: Environ, start_response: StartResponse) -> Iterable[bytes] | None:
    """Ask one without a name for credentials: 401. None where nobody has any, or who asks has one.

    Many clients, all of Digest, send credentials only when they are asked for.
    """
    challenge = environ["davkeep.challenge"]
    if environ["davkeep.caller"].user or challenge is None:
        return None
    answer: Iterable[bytes] = challenge(start_response)
    return answer
