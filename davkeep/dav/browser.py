"""The page that a person sees of a collection: WsgiDAV's directory browser."""

from collections.abc import Iterable
from functools import partial
from html import escape
from typing import Any

from markupsafe import Markup
from wsgidav.dir_browser import WsgiDavDirBrowser

from davkeep.dav.answers import Answer
from davkeep.dav.notices import notice, touching
from davkeep.dav.own import Callers
from davkeep.dav.request import StartResponse
from davkeep.words.heads import begin, replacing
from davkeep.words.urls import quote_path

#: Tells a browser's WebDAV client where to connect (RFC 4709 3).
DAVMOUNT = """<?xml version="1.0" encoding="utf-8"?>
<dm:mount xmlns:dm="http://purl.org/NET/webdav/mount">
  <dm:url>{url}</dm:url>
</dm:mount>
"""


#: The page is its user's own, and has no entity tag: it tells when it was made.
CACHING = ("Cache-Control", "private, no-cache")

#: Of a page that WsgiDAV lets caches keep for as long as they like.
_private = partial(replacing, [CACHING])


class Page:
    """WsgiDAV's template, with a notice above the list; a template of your own may place it."""

    #: Where it is put into WsgiDAV's.
    PLACE = '<table class="dir-listing"'

    def __init__(self, template: Any) -> None:
        """``template``: of jinja2."""
        self._template = template

    def render(self, operations: str, **context: Any) -> str:
        """The page; ``operations`` is the notice, as HTML."""
        page: str = self._template.render(operations=Markup(operations), **context)
        return page if operations in page else page.replace(self.PLACE, operations + self.PLACE, 1)


class Browser(WsgiDavDirBrowser):  # type: ignore[misc]
    """Shows a collection when the handler of GET has found that it is one."""

    template: Any

    def __init__(self, wsgidav_app: Any, next_app: Any, config: dict[str, Any]) -> None:
        """``wsgidav_app`` carries the site."""
        super().__init__(wsgidav_app, next_app, config)
        self._registry = wsgidav_app.site.registry
        self._callers = Callers(wsgidav_app.site.configuration)
        self.template = Page(self.template)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Leave the request to the next application, which may call ``davkeep.browse``."""
        environ["davkeep.browse"] = self._browse
        answer: Iterable[bytes] = self.next_app(environ, start_response)
        return answer

    def _browse(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Show a collection, or redirect to its encoded URL."""
        # Should it be a file by now, WsgiDAV calls the next application.
        del environ["davkeep.browse"]
        provider, segments = environ["davkeep.target"]
        method = environ["REQUEST_METHOD"]
        url = quote_path(provider.segments + segments, collection=True)
        if not environ["davkeep.has_slash"] and self.dir_config.get("directory_slash"):
            return Answer(301, (("Location", url),)).send_as(method, start_response)
        if self.dir_config.get("davmount") and "davmount" in environ.get("QUERY_STRING", ""):
            return _davmount(environ, url).send_as(method, start_response)
        page: Iterable[bytes] = super().__call__(environ, partial(begin, _private, start_response))
        return page

    def _get_context(self, environ: dict[str, Any], dav_res: Any) -> dict[str, Any]:
        provider, segments = environ["davkeep.target"]
        running = touching(
            self._registry.unfinished(),
            self._callers.of(environ),
            provider.segments + segments,
        )
        context: dict[str, Any] = super()._get_context(environ, dav_res)
        return {**context, "operations": notice(running)}


def _davmount(environ: dict[str, Any], url: str) -> Answer:
    """WsgiDAV's own fails on names that are not UTF-8, and escapes nothing."""
    host = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
    whole = f"{environ['wsgi.url_scheme']}://{host}{url}"
    fields = (("Content-Type", "application/davmount+xml"), CACHING)
    return Answer(200, fields, DAVMOUNT.format(url=escape(whole)).encode("utf-8", "replace"))
