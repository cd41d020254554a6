"""Requests of pages from other origins: WsgiDAV's `cors`, and what it leaves out."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from wsgidav.mw.cors import Cors as StockCors

from davkeep.dav.answers import Field
from davkeep.dav.request import StartResponse
from davkeep.words.configuration import Configuration, wsgidav_settings
from davkeep.words.heads import begin, replacing

Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]

#: The response fields that say something to a script, but for those that it may read anyway (Fetch
#: standard, CORS-safelisted response-header name).
EXPOSED = (
    "Accept-Patch",
    "Accept-Ranges",
    "Allow",
    "Content-Range",
    "DAV",
    "Date",
    "ETag",
    "Link",
    "Location",
    "Lock-Token",
    "MS-Author-Via",
    "OC-JobStatus-Location",
    "Preference-Applied",
    "Retry-After",
    "Upload-Complete",
    "Upload-Length",
    "Upload-Limit",
    "Upload-Offset",
    "WWW-Authenticate",
    "X-OC-Mtime",
    "X-Total-Count",
)


class Cors(StockCors):  # type: ignore[misc]
    """Exposes davkeep's fields beside the configured ones, and keeps the Vary of what it lets out.

    WsgiDAV's own writes into the list of fields that it is given, which may be used again for
    others, puts its Vary in the place of another one, and warns of every request without Origin.
    """

    def __init__(self, wsgidav_app: Any, next_app: Application, config: dict[str, Any]) -> None:
        """``config``: WsgiDAV's settings."""
        cors = config["cors"]
        exposed = dict.fromkeys((*cors["expose_headers"], *EXPOSED))
        super().__init__(
            wsgidav_app, next_app, {**config, "cors": {**cors, "expose_headers": list(exposed)}}
        )

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer a preflight; add to every other response what lets its origin read it."""
        asked = environ.get("HTTP_ACCESS_CONTROL_REQUEST_METHOD")
        if environ["REQUEST_METHOD"] == "OPTIONS" and asked is not None:
            preflight: Iterable[bytes] = super().__call__(environ, start_response)
            return preflight
        rule = partial(replacing, self._fields_for(environ.get("HTTP_ORIGIN")))
        answer: Iterable[bytes] = self.next_app(environ, partial(begin, rule, start_response))
        return answer

    def _fields_for(self, origin: str | None) -> list[Field]:
        if self.allow_origins == "*":
            return [("Access-Control-Allow-Origin", "*"), *self.non_preflight_headers]
        # Also where there is no origin, or one that is not let in: a cache keeps that answer too.
        varies = ("Vary", "Origin")
        if origin not in self.allow_origins:
            return [varies]
        return [varies, ("Access-Control-Allow-Origin", origin), *self.non_preflight_headers]


def across_origins(configuration: Configuration, application: Application) -> Application:
    """The same for an application that is not WsgiDAV's; itself where `cors` is off."""
    cors = Cors(None, application, wsgidav_settings(configuration))
    return application if cors.is_disabled() else cors
