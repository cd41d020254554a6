"""Which methods a resource has."""

from collections.abc import Iterable, Mapping

from davkeep.monitor.documents import Environ, Resource, StartResponse
from davkeep.words.failure import Failure
from davkeep.words.status import reason


def by_method(
    handlers: Mapping[str, Resource], environ: Environ, start_response: StartResponse
) -> Iterable[bytes]:
    """Answer by the handler of the request's method; GET's answers HEAD as well.

    OPTIONS tells which methods there are; any other one raises Failure 405, which tells it too.
    """
    method = environ["REQUEST_METHOD"]
    handler = handlers.get("GET" if method == "HEAD" else method)
    if handler is not None:
        return handler(environ, start_response)
    known = [name for each in handlers for name in ((each, "HEAD") if each == "GET" else (each,))]
    allow = ("Allow", ", ".join([*known, "OPTIONS"]))
    if method != "OPTIONS":
        raise Failure(405, fields=[allow])
    start_response(f"200 {reason(200)}", [allow, ("Content-Length", "0")])
    return ()
