"""The configuration as WsgiDAV itself takes it."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, SecretStr

from davkeep.words.configuration.file import Configuration
from davkeep.words.configuration.users import BASIC_ONLY

#: Keys that WsgiDAV does not get: davkeep's own, the server's, and those that davkeep replaces.
_KEPT_BACK = frozenset(
    {
        "davkeep",
        "provider_mapping",
        "server",
        "server_args",
        "ssl_private_key",
        "ssl_certificate_chain",
        "ssl_adapter",
        "lock_storage",
        "property_manager",
        "middleware_stack",
        "mount_path",
        "error_printer",
        "honor_mtime_header",
    }
)


def wsgidav_settings(configuration: Configuration) -> dict[str, Any]:
    """WsgiDAV's dictionary, less `provider_mapping` and the keys that davkeep replaces.

    Passwords are in clear, for WsgiDAV compares them.
    """
    settings = {name: _plain(value) for name, value in configuration if name not in _KEPT_BACK}
    if configuration.http_authenticator.domain_controller in BASIC_ONLY:
        # WsgiDAV refuses to start with these two on and a domain controller that knows no digests.
        settings["http_authenticator"] |= {"accept_digest": False, "default_to_digest": False}
    if "*" in configuration.cors.allow_origin:
        settings["cors"]["allow_origin"] = "*"
    return settings


def _plain(value: Any) -> Any:
    match value:
        case SecretStr():
            return value.get_secret_value()
        case BaseModel():
            return {name: _plain(part) for name, part in value}
        case Mapping():
            return {name: _plain(part) for name, part in value.items()}
        case tuple():
            return [_plain(part) for part in value]
        case _:
            return value
