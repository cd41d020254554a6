"""WsgiDAV's authentication, with what it gets wrong put right."""

import contextlib
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from wsgidav.http_authenticator import HTTPAuthenticator

from davkeep.dav.authorisation import may_use, realm_in
from davkeep.dav.credentials import basic_credentials, digest_realm
from davkeep.dav.request import StartResponse
from davkeep.dav.shares import Provider
from davkeep.words.urls import Segments

#: A digest that is none, on which WsgiDAV's comparison would fail.
_NOT_A_DIGEST = re.compile(r'response="?[^",]*[^\x00-\x7f]')


class Authenticator(HTTPAuthenticator):  # type: ignore[misc]
    """Basic and Digest; a malformed field is answered as a wrong password is (defect 21)."""

    def __init__(self, wsgidav_app: Any, next_app: Any, config: dict[str, Any]) -> None:
        """``wsgidav_app`` carries the site."""
        super().__init__(wsgidav_app, next_app, config)
        self._shares = wsgidav_app.site.shares

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Let the request in, or ask for credentials."""
        if self.trusted_auth_header and not environ["davkeep.peer_is_trusted"]:
            # Anybody could send the field; it counts only from a proxy (defect 32).
            environ.pop(self.trusted_auth_header, None)
        if environ["wsgidav.provider"] is None:
            self._stand_in(environ)
        answer: Iterable[bytes] = super().__call__(environ, start_response)
        return answer

    def _stand_in(self, environ: dict[str, Any]) -> None:
        """Above all shares, have the user authenticated for one of those that are his."""
        environ["wsgidav.auth.user_name"] = ""
        if environ["davkeep.own"] is not None:
            environ["wsgidav.provider"] = self._share_for_own(environ)
            return
        shares = self._shares.visible_below(environ["davkeep.target"][1])
        shares = shares or self._shares.visible_below(())
        own = (share for share in shares if may_use(environ, share))
        environ["wsgidav.provider"] = next(own, shares[0] if shares else None)

    def guarded(self, environ: dict[str, Any]) -> dict[Provider, str]:
        """The shares that have users, and their realms."""
        found = {}
        for share in self._shares.visible:
            asked = {**environ, "wsgidav.provider": share, "PATH_INFO": "/"}
            realm = realm_in(self.domain_controller, asked)
            if self.domain_controller.require_authentication(realm, asked):
                found[share] = realm
        return found

    def _share_for_own(self, environ: dict[str, Any]) -> Provider | None:
        """The share for which the user of an own resource is authenticated.

        One whose users the credentials fit, else one that is anybody's, else one that asks.
        """
        guarded, told = self.guarded(environ), digest_realm(environ)
        for share, realm in guarded.items():
            if told == realm or may_use(environ, share):
                return share
        free = (share for share in self._shares.visible if share not in guarded)
        return next(free, None) or next(iter(guarded), None)

    def challenge(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Ask the user of an own resource for credentials: 401 for a share that has users."""
        asked = {**environ, "wsgidav.provider": next(iter(self.guarded(environ)))}
        is_digest = self.accept_digest and self.default_to_digest
        send = self.send_digest_auth_response if is_digest else self.send_basic_auth_response
        answer: Iterable[bytes] = send(asked, start_response)
        return answer

    def handle_basic_auth_request(
        self, environ: dict[str, Any], start_response: StartResponse
    ) -> Iterable[bytes]:
        """Check user name and password."""
        if basic_credentials(environ) is None:
            refused: Iterable[bytes] = self.send_basic_auth_response(environ, start_response)
            return refused
        answer: Iterable[bytes] = super().handle_basic_auth_request(environ, start_response)
        return answer

    def handle_digest_auth_request(
        self, environ: dict[str, Any], start_response: StartResponse
    ) -> Iterable[bytes]:
        """Check the digest; a user name beyond ASCII is taken as UTF-8 where it can be."""
        field = environ["HTTP_AUTHORIZATION"]
        if _NOT_A_DIGEST.search(field):
            refused: Iterable[bytes] = self.send_digest_auth_response(environ, start_response)
            return refused
        with contextlib.suppress(UnicodeDecodeError):
            environ["HTTP_AUTHORIZATION"] = field.encode("latin-1").decode()
        answer: Iterable[bytes] = super().handle_digest_auth_request(environ, start_response)
        return answer

    def send_digest_auth_response(
        self, environ: dict[str, Any], start_response: StartResponse
    ) -> Iterable[bytes]:
        """Ask for a digest; WsgiDAV makes the nonce from a path that has to be UTF-8."""
        sent = {**environ, "PATH_INFO": ascii(environ["PATH_INFO"])}
        answer: Iterable[bytes] = super().send_digest_auth_response(sent, start_response)
        return answer

    def _is_digest_uri_valid(self, req_uri: str | None, environ: dict[str, Any]) -> bool:
        """As WsgiDAV, whose comparison loses bytes of names that are not UTF-8."""
        try:
            parts = urlsplit(req_uri or "")
        except ValueError:
            return False
        if super()._is_digest_uri_valid(req_uri, environ):
            return True
        if not req_uri:
            return False
        whole: Segments = environ["davkeep.above"] + environ["davkeep.target"][1]
        path = unquote_to_bytes(parts.path).decode("utf-8", "surrogateescape")
        is_same = tuple(part for part in path.split("/") if part) == whole
        return is_same and parts.query == environ.get("QUERY_STRING", "")
