"""Who may come in: whom the configuration file or --auth names, else this machine's users."""

import os

from davkeep.settings.change import changed
from davkeep.words.configuration import Configuration, ConfigurationError
from davkeep.words.configuration.problems import dotted
from davkeep.words.configuration.users import HTDIGEST, HTPASSWD, PAM

#: The keys that a kind of --auth FILE sets: the domain controller and where it finds its file.
_FILES = {
    "htpasswd": (HTPASSWD, "htpasswd_dc.htpasswd_file"),
    "htdigest": (HTDIGEST, "htdigest_dc.htdigest_file"),
}

_CONTROLLER = "http_authenticator.domain_controller"

ALLOWED = "anonymous, htpasswd:FILE, htdigest:FILE or pam"


def let_in(configuration: Configuration, auth: str | None) -> Configuration:
    """The configuration with the users that `auth` (the value of --auth) names.

    Anonymous access is the default only on loopback. Raises ConfigurationError where nobody is
    named elsewhere, where file and command line both name somebody, and for an `auth` that is none.
    """
    if auth is not None:
        return _as_said(configuration, auth)
    if configuration.names_users:
        return _with_known_shares(configuration)
    if configuration.on_loopback:
        return _anonymous(configuration)
    raise ConfigurationError(
        [
            f"host: {configuration.host} can be reached from other machines, and nobody is named "
            "who may come in; configure users, or ask for anonymous access with --auth anonymous"
        ]
    )


def _as_said(configuration: Configuration, auth: str) -> Configuration:
    if configuration.names_users:
        raise ConfigurationError(
            ["--auth: not allowed, for the configuration file says who may come in"]
        )
    if auth == "anonymous":
        return _anonymous(configuration)
    if auth == "pam":
        return changed(configuration, _CONTROLLER, PAM)
    kind, _, file = auth.partition(":")
    if kind not in _FILES or not file:
        raise ConfigurationError([f"--auth: {auth} is not allowed; allowed: {ALLOWED}"])
    return _from_file(configuration, kind, file)


def _anonymous(configuration: Configuration) -> Configuration:
    return changed(configuration, "simple_dc.user_mapping", {"*": True})


def _from_file(configuration: Configuration, kind: str, file: str) -> Configuration:
    path = os.path.abspath(os.path.expanduser(file))
    if not os.path.isfile(path):
        raise ConfigurationError([f"--auth: {file} is no file"])
    controller, key = _FILES[kind]
    return changed(changed(configuration, _CONTROLLER, controller), key, path)


def _with_known_shares(configuration: Configuration) -> Configuration:
    """The same; users of a share that there is not are an error, for they could never come in."""
    shares = list(configuration.provider_mapping) or ["/"]
    unknown = configuration.simple_dc.user_mapping.keys() - {"*", *shares}
    if unknown:
        allowed = ", ".join(["*", *shares])
        raise ConfigurationError(
            f"{dotted(('simple_dc', 'user_mapping', share))}: no such share; allowed: {allowed}"
            for share in sorted(unknown)
        )
    return configuration
