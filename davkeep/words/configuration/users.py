"""WsgiDAV's keys that say who is let in: `http_authenticator` and the domain controllers."""

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    PlainValidator,
    SecretStr,
    Tag,
)

from davkeep.words.configuration.bounds import Block, Text, Texts, refused

SIMPLE = "wsgidav.dc.simple_dc.SimpleDomainController"
HTPASSWD = "wsgidav.dc.htpasswd_dc.HtpasswdDomainController"
HTDIGEST = "wsgidav.dc.htdigest_dc.HtdigestDomainController"
PAM = "wsgidav.dc.pam_dc.PAMDomainController"
NT = "wsgidav.dc.nt_dc.NTDomainController"

#: Domain controllers with neither a password nor its digest at hand: only Basic works with them.
BASIC_ONLY = frozenset({HTPASSWD, PAM})


def _simple_if_true(given: Any) -> Any:
    return None if given is True else given


def _class_path(name: str) -> str:
    if name == NT:
        raise refused("a domain controller that works on Linux: simple, htpasswd, htdigest or pam")
    module, _, last = name.rpartition(".")
    if not module or not all(part.isidentifier() for part in (*module.split("."), last)):
        raise refused(f"the dotted name of a class, such as {HTPASSWD}, or null")
    return name


class HttpAuthenticator(Block):
    """How users prove who they are."""

    #: The dotted name of a class; None (and `true`): `simple_dc`.
    domain_controller: Annotated[
        Annotated[str, AfterValidator(_class_path)] | None, BeforeValidator(_simple_if_true)
    ] = None
    accept_basic: bool = True
    #: Off, as the next one, where the domain controller knows no digests.
    accept_digest: bool = True
    default_to_digest: bool = True
    #: WSGI's name of a header field that a trusted proxy fills with the user's name.
    trusted_auth_header: Text | None = None


class User(Block):
    """A user of `simple_dc`."""

    password: SecretStr
    description: str = ""
    roles: Texts = ()


def _filled(users: dict[str, User]) -> dict[str, User]:
    if not users:
        raise refused("true for anonymous access, or a mapping of at least one user name")
    return users


def _anonymous(given: Any) -> bool:
    if given is not True:
        raise refused("true for anonymous access, or a mapping of user names to passwords")
    return True


def _kind_of_realm(given: Any) -> str:
    return "<users>" if isinstance(given, dict) else "<anonymous>"


#: The users of one share: everybody (true), or those of a mapping.
Realm = Annotated[
    Annotated[bool, PlainValidator(_anonymous), Tag("<anonymous>")]
    | Annotated[dict[str, User], AfterValidator(_filled), Tag("<users>")],
    Discriminator(_kind_of_realm),
]


def _empty_if_none(given: Any) -> Any:
    return {} if given is None else given


class SimpleDc(Block):
    """Users that are written down in the configuration file itself."""

    #: Shares, or "*" for all others, and who may use them.
    user_mapping: Annotated[dict[str, Realm], BeforeValidator(_empty_if_none)] = Field(
        default_factory=dict
    )


class HtpasswdDc(Block):
    """Users in a file of Apache's htpasswd."""

    htpasswd_file: Text | None = None


class HtdigestDc(Block):
    """Users in a file of Apache's htdigest; their realms are the share's paths."""

    htdigest_file: Text | None = None


def _everybody_or_names(given: Any) -> str | tuple[str, ...]:
    if isinstance(given, list | tuple) and all(isinstance(name, str) for name in given):
        return tuple(given)
    if isinstance(given, str) and given in ("all", "current"):
        return given
    raise refused("all, current, or a list of user names")


class PamDc(Block):
    """The users of the machine."""

    service: Text = "login"
    encoding: Text = "utf-8"
    resetcreds: bool = True
    #: "all", "current" (whoever runs the server), or names.
    allow_users: Annotated[str | tuple[str, ...], PlainValidator(_everybody_or_names)] = "all"
    deny_users: Texts = ()


class NtDc(Block):
    """Accepted because WsgiDAV's sample has it; its domain controller works on Windows only."""

    preset_domain: str | None = None
    preset_server: str | None = None
