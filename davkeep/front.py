"""What happens to every request before it reaches a door: whom it comes from, and which door."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from davkeep.monitor.health import PATH as HEALTH
from davkeep.words.caching import rule_of
from davkeep.words.forwarding import Networks, Origin, is_trusted, origin_of, shortest
from davkeep.words.heads import begin

Environ = dict[str, Any]
WsgiApplication = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

#: The fields that are believed from trusted proxies, by their names in an environ.
_FORWARDING = {
    "HTTP_FORWARDED": "forwarded",
    "HTTP_X_FORWARDED_FOR": "x-forwarded-for",
    "HTTP_X_FORWARDED_PROTO": "x-forwarded-proto",
    "HTTP_X_FORWARDED_HOST": "x-forwarded-host",
}


def front(
    application: WsgiApplication, health: WsgiApplication, trusted: Networks
) -> WsgiApplication:
    """Send each request to its door, with the address, scheme and host that the client used.

    Every response that is not the server's own passes here, and is told how it may be cached.
    """

    def route(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        rule = rule_of(environ["REQUEST_METHOD"], environ["PATH_INFO"])
        if rule is not None:
            start_response = partial(begin, rule, start_response)
        if environ["REQUEST_URI"].partition("?")[0] == HEALTH:
            return health(environ, start_response)
        place(environ, trusted)
        return application(environ, start_response)

    return route


def place(environ: Environ, trusted: Networks) -> None:
    """Correct `REMOTE_ADDR`, `wsgi.url_scheme` and `HTTP_HOST` by what a trusted peer says.

    The fields themselves stay. Decisions of trust go by what is added: `davkeep.peer`, the address
    of the connection; `davkeep.peer_is_trusted`; `davkeep.told_address`, whether `REMOTE_ADDR` is
    what such a peer said; and `davkeep.host`, the Host field as it was sent.
    """
    peer = environ.get("REMOTE_ADDR", "")
    believed = is_trusted(peer, trusted)
    environ["davkeep.peer"] = peer
    environ["davkeep.peer_is_trusted"] = believed
    environ["davkeep.told_address"] = False
    environ["davkeep.host"] = environ.get("HTTP_HOST")
    environ["REMOTE_ADDR"] = shortest(peer)
    if believed:
        fields = {name: environ[key] for key, name in _FORWARDING.items() if key in environ}
        _believe(origin_of(peer, fields, trusted), environ)


def _believe(origin: Origin, environ: Environ) -> None:
    if origin.address is not None:
        environ["davkeep.told_address"] = True
        environ["REMOTE_ADDR"] = origin.address
    if origin.scheme is not None:
        environ["wsgi.url_scheme"] = origin.scheme
    if origin.host is not None:
        environ["HTTP_HOST"] = origin.host
