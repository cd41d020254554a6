"""The whole configuration file: WsgiDAV's own keys and the block `davkeep:`."""

from ipaddress import ip_address
from typing import Annotated, Any

from pydantic import Field, PlainValidator, ValidationError, model_validator

from davkeep.words.configuration.bounds import Block, Text, Texts, refused
from davkeep.words.configuration.davkeep_block import Davkeep
from davkeep.words.configuration.problems import ConfigurationError, problems_of
from davkeep.words.configuration.server import (
    Cors,
    DirBrowser,
    ErrorPrinter,
    FsDavProvider,
    Hotfixes,
    Logging,
    ServerArgs,
)
from davkeep.words.configuration.shares import Shares
from davkeep.words.configuration.users import (
    BASIC_ONLY,
    HTDIGEST,
    HTPASSWD,
    HtdigestDc,
    HtpasswdDc,
    HttpAuthenticator,
    NtDc,
    PamDc,
    SimpleDc,
)

#: WsgiDAV's own stack as its sample configuration writes it; what davkeep's own stands in for.
STOCK_STACK = (
    "wsgidav.mw.cors.Cors",
    "wsgidav.error_printer.ErrorPrinter",
    "wsgidav.http_authenticator.HTTPAuthenticator",
    "wsgidav.dir_browser.WsgiDavDirBrowser",
    "wsgidav.request_resolver.RequestResolver",
)


def _cheroot(given: Any) -> str:
    if given != "cheroot":
        raise refused("cheroot (no other server can hold a connection without a thread)")
    return "cheroot"


def _locks_are_kept(given: Any) -> bool:
    if given is not True:
        raise refused("true (davkeep keeps locks itself, in its own database)")
    return True


def _properties_are_kept(given: Any) -> bool | None:
    if given is not None and given is not True:
        raise refused("null or true (davkeep keeps dead properties itself, in its own database)")
    return True


def _stock_stack(given: Any) -> None:
    if given is not None and (not isinstance(given, list) or tuple(given) != STOCK_STACK):
        raise refused("null, or WsgiDAV's own stack (davkeep puts its own together)")


def _no_mount_path(given: Any) -> None:
    if given not in (None, ""):
        raise refused("null (give the shares in provider_mapping longer URL paths instead)")


def _builtin(given: Any) -> str:
    if given != "builtin":
        raise refused("builtin (the handshake is made with Python's own ssl module)")
    return "builtin"


class Configuration(Block):
    """Everything that can be configured. Attributes are named as the keys are, and none changes."""

    host: Text = "127.0.0.1"
    #: 0: a free one.
    port: Annotated[int, Field(ge=0, le=65_535, description="a whole number from 0 to 65535")] = (
        8080
    )
    server: Annotated[str, PlainValidator(_cheroot)] = "cheroot"
    server_args: ServerArgs = ServerArgs()
    ssl_certificate: Text | None = None
    ssl_private_key: Text | None = None
    ssl_certificate_chain: Text | None = None
    ssl_adapter: Annotated[str, PlainValidator(_builtin)] = "builtin"

    provider_mapping: Shares = Field(default_factory=dict)
    fs_dav_provider: FsDavProvider = FsDavProvider()
    mount_path: Annotated[None, PlainValidator(_no_mount_path)] = None

    http_authenticator: HttpAuthenticator = HttpAuthenticator()
    simple_dc: SimpleDc = SimpleDc()
    htpasswd_dc: HtpasswdDc = HtpasswdDc()
    htdigest_dc: HtdigestDc = HtdigestDc()
    pam_dc: PamDc = PamDc()
    nt_dc: NtDc = NtDc()

    #: Whether X-OC-Mtime sets the time of an uploaded file. WsgiDAV has it off.
    honor_mtime_header: bool = True
    add_header_MS_Author_Via: bool = True
    default_charset: Text | None = "utf-8"
    #: Bytes read or written at once in an upload or download.
    block_size: Annotated[
        int, Field(ge=512, le=8 * 2**20, description="a number of bytes from 512 to 8388608")
    ] = 65_536
    hotfixes: Hotfixes = Hotfixes()
    mutable_live_props: Texts = ()
    property_manager: Annotated[bool | None, PlainValidator(_properties_are_kept)] = True
    lock_storage: Annotated[bool, PlainValidator(_locks_are_kept)] = True
    middleware_stack: Annotated[None, PlainValidator(_stock_stack)] = None
    error_printer: ErrorPrinter = ErrorPrinter()

    #: 0: nothing, 2: warnings, 3: one line a request, 5: header fields too.
    verbose: Annotated[int, Field(ge=0, le=5, description="a whole number from 0 to 5")] = 3
    suppress_version_info: bool = False
    logging: Logging = Logging()
    dir_browser: DirBrowser = DirBrowser()
    cors: Cors = Cors()

    davkeep: Davkeep = Davkeep()

    @property
    def on_loopback(self) -> bool:
        """Whether `host` is an address that only this machine can reach."""
        if self.host.lower() == "localhost":
            return True
        try:
            return ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return False

    @property
    def tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.ssl_certificate is not None

    @property
    def names_users(self) -> bool:
        """Whether it says who may come in, anonymous access included."""
        return self.http_authenticator.domain_controller is not None or bool(
            self.simple_dc.user_mapping
        )

    @model_validator(mode="after")
    def _certificate_and_key_together(self) -> "Configuration":
        if (self.ssl_certificate is None) != (self.ssl_private_key is None):
            missing = "ssl_certificate" if self.ssl_certificate is None else "ssl_private_key"
            raise refused(
                "a file (ssl_certificate and ssl_private_key go together)", key=missing, given=None
            )
        return self

    @model_validator(mode="after")
    def _users_file_named(self) -> "Configuration":
        controller = self.http_authenticator.domain_controller
        if controller == HTPASSWD and self.htpasswd_dc.htpasswd_file is None:
            raise refused(
                "a file (the domain controller needs it)",
                key="htpasswd_dc.htpasswd_file",
                given=None,
            )
        if controller == HTDIGEST and self.htdigest_dc.htdigest_file is None:
            raise refused(
                "a file (the domain controller needs it)",
                key="htdigest_dc.htdigest_file",
                given=None,
            )
        return self

    @model_validator(mode="after")
    def _some_scheme_is_left(self) -> "Configuration":
        authenticator = self.http_authenticator
        if authenticator.domain_controller in BASIC_ONLY:
            wished = authenticator.model_fields_set & {"accept_digest", "default_to_digest"}
            for name in sorted(wished):
                if getattr(authenticator, name):
                    raise refused(
                        "false (the domain controller knows no digests)",
                        key=f"http_authenticator.{name}",
                        given=True,
                    )
        return self


def parse(given: Any) -> Configuration:
    """The configuration that a YAML document holds; None is an empty one.

    Raises ConfigurationError, with a line for each problem.
    """
    try:
        return Configuration.model_validate(given)
    except ValidationError as error:
        raise ConfigurationError(problems_of(error, Configuration)) from None
