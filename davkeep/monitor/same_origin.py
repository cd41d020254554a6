"""Whether a request that changes something may come from the page that it comes from.

Browsers send credentials along with what any page makes them send. So what a browser may have sent
has to come from a page of this server, and to carry that page's token; programs need neither.
"""

from typing import Any
from urllib.parse import urlsplit

from davkeep.monitor.tokens import Tokens
from davkeep.words.callers import Caller
from davkeep.words.failure import Failure
from davkeep.words.fields import Host, parse_host

Environ = dict[str, Any]

#: The field that carries a page's token. A page of another origin cannot set it unasked, either.
TOKEN_FIELD = "X-Davkeep-Token"

#: What browsers add to requests, as the environ calls it.
_ORIGIN, _SITE, _COOKIE = "HTTP_ORIGIN", "HTTP_SEC_FETCH_SITE", "HTTP_COOKIE"

_DEFAULT_PORTS = {"http": 80, "https": 443}


def require_same_origin(environ: Environ, tokens: Tokens) -> None:
    """Raise Failure 403 for what a page of another site may have sent.

    That is a request with `Origin`, `Sec-Fetch-Site` or `Cookie`, unless it is of this origin and
    has the token of its caller. The origin is that of scheme and host as the front corrected them.
    """
    if not any(field in environ for field in (_ORIGIN, _SITE, _COOKIE)):
        return
    if not (_is_own_origin(environ) and environ.get(_SITE, "same-origin") == "same-origin"):
        raise Failure(403, "Only a page of this server may ask for that.")
    caller: Caller = environ["davkeep.caller"]
    if not tokens.is_valid(caller, environ.get("HTTP_X_DAVKEEP_TOKEN")):
        raise Failure(
            403, f"The field {TOKEN_FIELD} has to hold the page's token; reload the page."
        )


def _is_own_origin(environ: Environ) -> bool:
    """Whether `Origin`, if there is one, names this server (RFC 6454 4)."""
    origin = environ.get(_ORIGIN)
    if origin is None:
        return True
    own = f"{environ['wsgi.url_scheme']}://{environ.get('HTTP_HOST', '')}"
    found = _parsed(origin)
    return found is not None and found == _parsed(own)


def _parsed(origin: str) -> tuple[str, Host] | None:
    """Scheme and host, the scheme's own port left out; None for `null` and what is malformed."""
    try:
        parts = urlsplit(origin)
        host = parse_host(parts.netloc)
    except (Failure, ValueError):
        return None
    if parts.path or parts.query or parts.fragment or parts.scheme not in _DEFAULT_PORTS:
        return None
    port = None if host.port == _DEFAULT_PORTS[parts.scheme] else host.port
    return parts.scheme, Host(host.name, port)
