"""``GET /.davkeep/health``: whether the server can serve."""

from collections.abc import Callable, Iterable
from typing import Any

#: The resource, for load balancers and service supervisors.
PATH = "/.davkeep/health"


def health(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer 200 while requests are taken; whoever is not let in learns nothing more."""
    body = b"ok\n"
    if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
        start_response("405 Method Not Allowed", [("Allow", "GET, HEAD"), ("Content-Length", "0")])
        return []
    fields = [("Content-Type", "text/plain"), ("Cache-Control", "no-store")]
    start_response("200 OK", [*fields, ("Content-Length", str(len(body)))])
    return [body]
