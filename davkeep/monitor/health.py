"""``GET /.davkeep/health``: whether the server can serve."""

from collections.abc import Callable, Iterable
from typing import Any

#: The resource, for load balancers and service supervisors.
PATH = "/.davkeep/health"


class Health:
    """The resource: 200 while ``can_serve`` says so, else 503 (the design, section 4)."""

    def __init__(self, can_serve: Callable[[], bool]) -> None:
        self._can_serve = can_serve

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer one request; whoever is not let in learns nothing more."""
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            fields = [("Allow", "GET, HEAD"), ("Content-Length", "0")]
            start_response("405 Method Not Allowed", fields)
            return []
        can_serve = self._can_serve()
        status = "200 OK" if can_serve else "503 Service Unavailable"
        body = b"ok\n" if can_serve else b"unavailable\n"
        fields = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
        start_response(status, fields)
        return [body]
