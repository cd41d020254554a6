"""The resources below `/.davkeep/` that are for users who are known."""

from collections.abc import Callable, Iterable
from typing import Any

from davkeep.monitor.probe import SEGMENTS, Probe
from davkeep.words.configuration import Configuration
from davkeep.words.urls import Segments

Resource = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Resources:
    """Finds the resource of a URL path."""

    def __init__(self, configuration: Configuration) -> None:
        self._resources: dict[Segments, Resource] = {
            SEGMENTS: Probe(configuration.davkeep.keepalive.behind_proxy)
        }

    def find(self, segments: Segments) -> Resource | None:
        """The resource; None for a name that is none of ours."""
        return self._resources.get(segments)
