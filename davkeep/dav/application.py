"""WsgiDAV's application, with davkeep's own way in and its own middleware."""

import logging
import time
from collections.abc import Iterable
from typing import Any

from wsgidav.wsgidav_app import WsgiDAVApp

from davkeep.dav.authenticator import Authenticator
from davkeep.dav.browser import Browser
from davkeep.dav.cors import Cors
from davkeep.dav.handler import RequestHandler, send_failure
from davkeep.dav.own import FindOwn, OwnResources
from davkeep.dav.refusals import Refusals
from davkeep.dav.request import StartResponse
from davkeep.dav.shares import Provider, realm_of
from davkeep.dav.site import Site
from davkeep.dav.uploads.address import target_of
from davkeep.dav.uploads.resource import UploadResource
from davkeep.trees.share import Share
from davkeep.words.configuration import wsgidav_settings
from davkeep.words.failure import Failure
from davkeep.words.urls import UPLOADS, UrlPath, parse_path, quote_path

_access = logging.getLogger("davkeep.access")

Environ = dict[str, Any]

#: What the access log tells of a request: address, user, method and target.
LOGGED = ("REMOTE_ADDR", "wsgidav.auth.user_name", "REQUEST_METHOD", "REQUEST_URI")


class Application(WsgiDAVApp):  # type: ignore[misc]
    """The WSGI application: finds the share of a request and runs the middleware.

    Replaces WsgiDAV's own way in, which loses what is percent-encoded in a path, folds the case of
    share names and reads an unread body into memory (the stock stack's defects 3, 18, 26, 30).
    """

    def __init__(self, site: Site, find_own: FindOwn = lambda _: None) -> None:
        """Serve the shares of ``site``, and what ``find_own`` knows."""
        self.site = site
        self._find_own = find_own
        self._uploads = UploadResource(site)
        settings = wsgidav_settings(site.configuration)
        settings["logging"]["enable"] = False
        settings["provider_mapping"] = {
            quote_path(provider.segments): provider for provider in site.shares.providers
        }
        settings["simple_dc"]["user_mapping"] = {
            realm_of(share): users for share, users in settings["simple_dc"]["user_mapping"].items()
        }
        stack = [Cors, Refusals, Authenticator, OwnResources, Browser, RequestHandler]
        settings["middleware_stack"] = stack
        settings["lock_storage"] = False
        super().__init__(settings)

    def add_provider(self, share: str, provider: Any, *, readonly: bool = False) -> Provider:
        """Add a share: one of ours, or a folder that a middleware wants to serve."""
        ours = provider
        if not isinstance(ours, Provider):
            ours = Provider(parse_path(share).segments, Share(provider, readonly=readonly))
            self.site.shares.add(ours)
        ours.set_share_path(ours.realm)
        self.provider_map[share] = ours
        self.sorted_share_list = list(self.provider_map)
        return ours

    def resolve_provider(self, path: str) -> tuple[str | None, Provider | None]:
        """The share of a path, asked for at the start by the domain controllers."""
        found = self.site.shares.find(parse_path(path).segments)
        return (None, None) if found is None else (quote_path(found[0].segments), found[0])

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        logged = _logged(environ, start_response)
        try:
            path = _target(environ)
        except Failure as failure:
            return send_failure(failure, environ, logged)
        self._describe(environ, path)
        answer: Iterable[bytes] = self.application(environ, logged)
        return answer

    def _describe(self, environ: Environ, path: UrlPath) -> None:
        """Put into ``environ`` what WsgiDAV's middleware and our handler look for."""
        own, target = self._find_own(path.segments), path.segments
        upload = target_of(path.segments)
        if upload is not None:
            # Whoever may use the target's share asks for it.
            own, target = self._uploads, upload
        found = self.site.shares.find(target) if own in (None, self._uploads) else None
        provider, segments = found or (None, path.segments)
        slash = "/" if path.trailing_slash and segments else ""
        environ["PATH_INFO"] = "/" + "/".join(segments) + slash
        above = provider.segments if provider else ()
        if provider and own is not None:
            above = UPLOADS + above
        environ["SCRIPT_NAME"] = "".join(f"/{segment}" for segment in above)
        environ["davkeep.above"] = above
        environ["wsgidav.app"] = self
        environ["wsgidav.config"] = self.config
        environ["wsgidav.provider"] = provider
        environ["wsgidav.verbose"] = self.verbose
        environ["davkeep.own"] = own
        environ["davkeep.target"] = (provider, segments)
        environ["davkeep.has_slash"] = path.trailing_slash


def _target(environ: Environ) -> UrlPath:
    """The path of the request target; ``*`` is the root, of which only OPTIONS can be asked."""
    target = environ["REQUEST_URI"]
    if target == "*":
        return UrlPath((), True)
    return parse_path(target.partition("?")[0].encode("latin-1"))


def _logged(environ: Environ, start_response: StartResponse) -> StartResponse:
    """``start_response`` that writes the access log's line, if it is kept."""
    if not _access.isEnabledFor(logging.INFO):
        return start_response
    logged = _Logged(environ, start_response)
    environ["davkeep.settle"] = logged.settle
    return logged


class _Logged:
    """``start_response``, which writes the access log's line as well."""

    __slots__ = ("_begun", "_environ", "_start_response")

    def __init__(self, environ: Environ, start_response: StartResponse) -> None:
        self._environ = environ
        self._start_response = start_response
        self._begun = time.monotonic()

    def settle(self) -> None:
        """Nothing more is found out of the request: keep only what is in the line."""
        known = self._environ
        self._environ = {name: known[name] for name in LOGGED if name in known}

    def __call__(self, status: str, fields: list[tuple[str, str]], _: Any = None) -> Any:
        address, user, method, uri = map(self._environ.get, LOGGED)
        _access.info(
            '%s %s "%s %s" %s %.3f s',
            "-" if address is None else address,
            ascii(user or "-").strip("'"),
            method,
            uri,
            status[:3],
            time.monotonic() - self._begun,
        )
        return self._start_response(status, fields)
