"""WsgiDAV's authentication, with what it gets wrong put right."""

import base64
import binascii
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any

from wsgidav.http_authenticator import HTTPAuthenticator

from davkeep.dav.request import StartResponse


class Authenticator(HTTPAuthenticator):  # type: ignore[misc]
    """Basic and Digest; a malformed field is answered as a wrong password is (defect 21)."""

    def __init__(self, wsgidav_app: Any, next_app: Any, config: dict[str, Any]) -> None:
        """``wsgidav_app`` carries the site."""
        super().__init__(wsgidav_app, next_app, config)
        self._trusted = wsgidav_app.site.configuration.davkeep.trusted_proxies

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Let the request in, or ask for credentials."""
        if self.trusted_auth_header and not self._is_trusted(environ.get("REMOTE_ADDR", "")):
            # Anybody could send the field; it counts only from a proxy (defect 32).
            environ.pop(self.trusted_auth_header, None)
        answer: Iterable[bytes] = super().__call__(environ, start_response)
        return answer

    def handle_basic_auth_request(
        self, environ: dict[str, Any], start_response: StartResponse
    ) -> Iterable[bytes]:
        """Check user name and password."""
        if not _is_well_formed(environ["HTTP_AUTHORIZATION"]):
            refused: Iterable[bytes] = self.send_basic_auth_response(environ, start_response)
            return refused
        answer: Iterable[bytes] = super().handle_basic_auth_request(environ, start_response)
        return answer

    def _is_trusted(self, address: str) -> bool:
        try:
            peer = ip_address(address)
        except ValueError:
            return False
        return any(peer in network for network in self._trusted)


def _is_well_formed(field: str) -> bool:
    """Whether Basic credentials are what WsgiDAV and its domain controllers can take apart."""
    try:
        text = base64.b64decode(field[len("Basic ") :].strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return False
    return ":" in text and "\0" not in text
