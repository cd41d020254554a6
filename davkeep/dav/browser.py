"""The page that a person sees of a collection: WsgiDAV's directory browser."""

from collections.abc import Iterable
from typing import Any

from wsgidav.dir_browser import WsgiDavDirBrowser

from davkeep.dav.answers import Answer
from davkeep.dav.request import StartResponse
from davkeep.dav.resources import CollectionResource
from davkeep.words.urls import quote_path


class Browser(WsgiDavDirBrowser):  # type: ignore[misc]
    """Asks for a resource only where it will show one, and redirects to the encoded URL."""

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Show a collection, or leave the request to the next application."""
        provider, segments = environ["davkeep.target"]
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD") or provider is None:
            answer: Iterable[bytes] = self.next_app(environ, start_response)
            return answer
        if not environ["davkeep.has_slash"] and self.dir_config.get("directory_slash"):
            found = provider.get_resource_inst(environ["PATH_INFO"], environ)
            if isinstance(found, CollectionResource):
                location = quote_path(provider.segments + segments, collection=True)
                redirect = Answer(301, (("Location", location),))
                return redirect.send_as(environ["REQUEST_METHOD"], start_response)
        page: Iterable[bytes] = super().__call__(environ, start_response)
        return page
