"""The server's own resources that need to know who asks: they come after authentication.

What they are is not known here: the assembly hands them over. They find the `Caller` as
`davkeep.caller` in their environ, and as `davkeep.challenge` what asks an anonymous one for
credentials (None where there are no users).
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from wsgidav.mw.base_mw import BaseMiddleware

from davkeep.dav.request import StartResponse
from davkeep.words.callers import Administrators, Caller, is_local
from davkeep.words.configuration import Configuration
from davkeep.words.proxies import fields_of
from davkeep.words.urls import Segments

Environ = dict[str, Any]

#: An application of the server's own.
Resource = Callable[[Environ, StartResponse], Iterable[bytes]]

#: Finds the resource of a URL path; None where there is none.
FindOwn = Callable[[Segments], Resource | None]


class OwnResources(BaseMiddleware):  # type: ignore[misc]
    """Answers requests for own resources, and leaves the others to the next application."""

    def __init__(self, wsgidav_app: Any, next_app: Any, config: dict[str, Any]) -> None:
        """``wsgidav_app`` carries the site."""
        super().__init__(wsgidav_app, next_app, config)
        self._callers = Callers(wsgidav_app.site.configuration)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Hand over to the resource that the way in has found, if it has."""
        own: Resource | None = environ["davkeep.own"]
        if own is None:
            answer: Iterable[bytes] = self.next_app(environ, start_response)
            return answer
        authenticator = environ["wsgidav.app"].http_authenticator
        environ["davkeep.caller"] = self._callers.of(environ)
        environ["davkeep.challenge"] = (
            partial(authenticator.challenge, environ) if authenticator.guarded(environ) else None
        )
        return own(environ, start_response)


class Callers:
    """Tells who sends a request that came through authentication."""

    def __init__(self, configuration: Configuration) -> None:
        """By what is configured of administrators and proxies."""
        self._administrators = administrators_of(configuration)
        behind = configuration.davkeep.keepalive.behind_proxy
        self._has_proxy = behind not in ("auto", "none")

    def of(self, environ: Environ) -> Caller:
        """The caller of a request."""
        user = environ["wsgidav.auth.user_name"] or ""
        local = not user and self._is_local(environ)
        return self._administrators.caller(user, environ["REMOTE_ADDR"], is_local=local)

    def _is_local(self, environ: Environ) -> bool:
        """Whether a program on this machine asks, and no proxy on it for somebody else."""
        if not environ["davkeep.told_address"] and (
            self._has_proxy
            or environ["davkeep.peer_is_trusted"]
            # No program that has a reason to come here speaks it; nginx does to those behind it.
            or environ["davkeep.http_version"] < (1, 1)
            or fields_of(environ)
        ):
            return False
        return is_local(environ["REMOTE_ADDR"], environ.get("HTTP_HOST", ""))


def administrators_of(configuration: Configuration) -> Administrators:
    """The named ones; and the anonymous user where only this machine is served, and all of it."""
    users = configuration.simple_dc.user_mapping.values()
    is_open = configuration.http_authenticator.domain_controller is None and all(
        each is True for each in users
    )
    return Administrators(
        frozenset(configuration.davkeep.administrators),
        local_users=configuration.on_loopback and is_open,
    )
