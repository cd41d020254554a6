"""The resources below `/.davkeep/` that are for users who are known."""

from collections.abc import Callable

from davkeep.monitor import probe
from davkeep.monitor.documents import Resource
from davkeep.monitor.listing import Listing
from davkeep.monitor.lookup import Lookup, OfOperation
from davkeep.monitor.pages import Pages
from davkeep.monitor.status_monitor import Replay, StatusMonitor
from davkeep.monitor.statuses import RESPONSE
from davkeep.monitor.tokens import Tokens
from davkeep.operations import Registry
from davkeep.operations.description import JOB
from davkeep.words.configuration import Configuration
from davkeep.words.urls import Segments

#: What is about operations is here, and below.
OPERATIONS: Segments = (".davkeep", "operations")


class Resources:
    """Finds the resource of a URL path."""

    def __init__(
        self,
        configuration: Configuration,
        registry: Registry,
        replay: Replay,
        *,
        tokens: Tokens | None = None,
        pages: Pages | None = None,
    ) -> None:
        """`replay` sends the final response of an operation. Without `pages`, all is JSON; they
        put the same `tokens` into what they make.
        """
        lookup = Lookup(registry)
        monitor = StatusMonitor(registry, replay, tokens or Tokens(), pages)
        listing = Listing(registry, lookup, pages)

        def about(answer: OfOperation) -> Callable[[str], Resource]:
            return lambda id: lookup.resource(answer, id)

        #: By whole paths.
        self._fixed: dict[Segments, Resource] = {
            probe.SEGMENTS: probe.Probe(configuration.davkeep.keepalive.behind_proxy),
            OPERATIONS: listing,
        }
        #: By what follows the identifier of an operation.
        self._below: dict[Segments, Callable[[str], Resource]] = {
            (): about(monitor.status),
            (RESPONSE,): about(monitor.response),
            (JOB,): about(monitor.job),
        }

    def find(self, segments: Segments) -> Resource | None:
        """The resource; None for a name that is none of ours."""
        if segments in self._fixed:
            return self._fixed[segments]
        if segments[:2] != OPERATIONS or len(segments) < 3:
            return None
        make = self._below.get(segments[3:])
        return None if make is None else make(segments[2])
