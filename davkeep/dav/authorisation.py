"""Whether the user of a request may use a share other than the one that the request addresses.

WsgiDAV authenticates for the share of the request target alone. A Destination field, or a URL in an
If field, may name another one, which has users of its own.
"""

import hmac
from collections.abc import Mapping
from typing import Any

from wsgidav.dc.simple_dc import SimpleDomainController

from davkeep.dav.credentials import basic_credentials, scheme_of
from davkeep.dav.shares import Provider

Environ = dict[str, Any]


def may_use(environ: Environ, provider: Provider) -> bool:
    """Whether the user of an authenticated request may use the share of ``provider`` as well.

    A share without users is anybody's. Otherwise the same credentials have to be good for it; the
    proof that Digest gives holds for one realm only, so both have to have the same password then.
    """
    if provider is environ["wsgidav.provider"]:
        return True
    authenticator = environ["wsgidav.app"].http_authenticator
    controller = authenticator.domain_controller
    # A copy, for controllers leave in it what they find out about the user.
    asked: Environ = {**environ, "wsgidav.provider": provider, "PATH_INFO": "/"}
    realm = realm_in(controller, asked)
    if not controller.require_authentication(realm, asked):
        return True
    trusted = authenticator.trusted_auth_header
    if trusted and environ.get(trusted):
        return True
    scheme = scheme_of(environ)
    if scheme == "basic" and authenticator.accept_basic:
        credentials = basic_credentials(environ)
        return credentials is not None and bool(
            controller.basic_auth_user(realm, *credentials, asked)
        )
    user = environ["wsgidav.auth.user_name"]
    if scheme == "digest" and user and isinstance(controller, SimpleDomainController):
        return _has_one_password(controller.user_map, environ["wsgidav.auth.realm"], realm, user)
    return False


def realm_in(controller: Any, asked: Environ) -> str:
    """The realm whose users may use the share that ``asked`` names."""
    realm: str = controller.get_domain_realm("/", asked)
    return realm


def _has_one_password(users: Mapping[str, Any], proven: str, realm: str, user: str) -> bool:
    known, wanted = _password(users, proven, user), _password(users, realm, user)
    if known is None or wanted is None:
        return False
    return hmac.compare_digest(known.encode(), wanted.encode())


def _password(users: Mapping[str, Any], realm: str, user: str) -> str | None:
    """The password of a user of ``simple_dc``, whose "*" stands for realms that it does not name.

    None where there is no such user.
    """
    entry = users.get(realm, users.get("*"))
    found = entry.get(user) if isinstance(entry, Mapping) else None
    return None if found is None else found.get("password")
