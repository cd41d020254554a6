"""The resources below `/.davkeep/` that are for users who are known."""

import time
from collections.abc import Callable

from davkeep.monitor import probe
from davkeep.monitor.documents import Resource
from davkeep.monitor.html import HtmlPages
from davkeep.monitor.listing import Listing
from davkeep.monitor.lookup import Lookup, OfOperation
from davkeep.monitor.pages import Pages
from davkeep.monitor.status_monitor import Replay, StatusMonitor
from davkeep.monitor.streams import EVENTS, HEARTBEAT, Streams
from davkeep.monitor.tokens import Tokens
from davkeep.monitor.uploads import Unfinished, UploadList
from davkeep.operations import Registry
from davkeep.operations.description import JOB
from davkeep.operations.statuses import RESPONSE
from davkeep.words.configuration import Configuration
from davkeep.words.urls import UPLOADS, Segments

#: What is about operations is here, and below.
OPERATIONS: Segments = (".davkeep", "operations")


class Resources:
    """Finds the resource of a URL path."""

    def __init__(
        self,
        configuration: Configuration,
        registry: Registry,
        replay: Replay,
        uploads: Unfinished,
        *,
        tokens: Tokens | None = None,
        pages: Pages | None = None,
        heartbeat: float = HEARTBEAT,
    ) -> None:
        """`replay` sends the final response of an operation; `uploads` are those to list.

        `pages` stand in for the server's own, which put `tokens` into what they make; `heartbeat`
        is that of event streams, in seconds.
        """
        lookup = Lookup(registry)
        tokens = tokens or Tokens()
        self._streams = Streams(registry, lookup, time.monotonic, heartbeat=heartbeat)
        pages = pages or HtmlPages(
            registry, tokens, self._streams, kept=configuration.davkeep.operations.keep_results
        )
        monitor = StatusMonitor(registry, replay, tokens, pages)
        listing = Listing(registry, lookup, pages)

        def about(answer: OfOperation) -> Callable[[str], Resource]:
            return lambda id: lookup.resource(answer, id)

        #: By whole paths.
        self._fixed: dict[Segments, Resource] = {
            probe.SEGMENTS: probe.Probe(configuration.davkeep.keepalive.behind_proxy),
            OPERATIONS: listing,
            (*OPERATIONS, EVENTS): self._streams.of_all,
            UPLOADS: UploadList(uploads, tokens),
        }
        #: By what follows the identifier of an operation.
        self._below: dict[Segments, Callable[[str], Resource]] = {
            (): about(monitor.status),
            (RESPONSE,): about(monitor.response),
            (JOB,): about(monitor.job),
            (EVENTS,): about(self._streams.of_one),
        }

    def find(self, segments: Segments) -> Resource | None:
        """The resource; None for a name that is none of ours."""
        if segments in self._fixed:
            return self._fixed[segments]
        if segments[:2] != OPERATIONS or len(segments) < 3:
            return None
        make = self._below.get(segments[3:])
        return None if make is None else make(segments[2])

    def stop(self) -> None:
        """End what would go on without an end; the operations are over by then."""
        self._streams.stop()
