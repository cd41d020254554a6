"""The list of all operations that a caller may see."""

import json
import re
from collections.abc import Iterable, Sequence

from davkeep.monitor.documents import JSON, Document, Environ, StartResponse
from davkeep.monitor.lookup import Lookup, challenged
from davkeep.monitor.methods import by_method
from davkeep.monitor.pages import Pages, wanted
from davkeep.operations import Operation, Registry
from davkeep.operations.statuses import MOST_ERRORS_LISTED, status_of

#: ``?limit=N``: how many are listed at most.
_LIMIT = re.compile(r"(?:^|&)limit=([0-9]{1,9})(?:&|$)", re.ASCII)


class Listing:
    """The resource."""

    def __init__(self, registry: Registry, lookup: Lookup, pages: Pages | None) -> None:
        self._registry = registry
        self._lookup = lookup
        self._pages = pages

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """GET: 200, 304; 401 for one without a name who has nothing to see where there are users,
        since he may have a name after all.
        """
        return by_method({"GET": self._get}, environ, start_response)

    def _get(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        caller = environ["davkeep.caller"]
        operations = self._lookup.visible(caller)
        asked = None if operations else challenged(environ, start_response)
        if asked is not None:
            return asked
        pages = wanted(self._pages, environ)
        total = ("X-Total-Count", str(len(operations)))
        document = (
            Document(200, JSON, self._content(_limited(operations, environ)), (total,))
            if pages is None
            else pages.of_operations(caller, operations).document(200)
        )
        return document.send(environ, start_response)

    def _content(self, operations: Sequence[Operation]) -> bytes:
        """An array with a line for each, which is ten times faster than with indentation."""
        now = self._registry.lanes.now()
        told = (status_of(each, now, MOST_ERRORS_LISTED) for each in operations)
        return b"[\n" + b",\n".join(json.dumps(each).encode() for each in told) + b"\n]\n"


def _limited(operations: Sequence[Operation], environ: Environ) -> Sequence[Operation]:
    """So many as are asked for, in their order: those that are not over first, and the newest.

    A limit that is no number is none.
    """
    asked = _LIMIT.search(environ.get("QUERY_STRING", ""))
    if asked is None or len(operations) <= (most := int(asked[1])):
        return operations
    # Sorting keeps the order of equals.
    kept = set(sorted(operations, key=lambda each: each.state.is_over)[:most])
    return [each for each in operations if each in kept]
