"""WsgiDAV's keys about the server: `server_args`, `hotfixes`, `logging`, `dir_browser`, `cors`."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainValidator, model_validator

from davkeep.words.configuration.bounds import (
    Block,
    PositiveSeconds,
    Seconds,
    Text,
    Texts,
    Threads,
    refused,
)

#: Bytes. 2**63 - 1, the largest file.
LARGEST = 2**63 - 1

#: cheroot's way of writing "no limit of its own" for the number of threads.
NO_LIMIT = -1


class ServerArgs(Block):
    """The HTTP server's limits. The first seven are cheroot's names, the others davkeep's own."""

    #: Threads that are always there.
    numthreads: Threads = 10
    #: Threads to which the pool grows under load. -1: the default, or `numthreads` if that is more.
    max: Annotated[
        int, Field(ge=-1, le=10_000, description="a whole number, numthreads or more, or -1")
    ] = 250
    #: Seconds without a byte, in either direction, after which what is in progress is given up.
    timeout: PositiveSeconds = 30.0
    #: The listener's backlog, in connections.
    request_queue_size: Annotated[
        int, Field(ge=1, le=65_535, description="a whole number from 1 to 65535")
    ] = 1024
    #: Seconds that stopping takes at most.
    shutdown_timeout: Seconds = 5.0
    #: Bytes of request line and header fields together.
    max_request_header_size: Annotated[
        int, Field(ge=1, le=2**30, description="a number of bytes from 1 to 1073741824")
    ] = 65_536
    #: Bytes of a request body; 0: no limit.
    max_request_body_size: Annotated[
        int, Field(ge=0, le=LARGEST, description="a number of bytes, or 0 for no limit")
    ] = 0
    #: Threads kept for delivering results.
    reserved: Threads = 4
    #: Seconds after which a thread above `numthreads` that found nothing to do ends.
    thread_idle: PositiveSeconds = 30.0
    #: Seconds within which a whole request head is to arrive.
    head_timeout: PositiveSeconds = 30.0
    #: Seconds within which a TLS handshake is to end.
    handshake_timeout: PositiveSeconds = 10.0
    #: Seconds for which a connection without a request is kept.
    idle_timeout: PositiveSeconds = 60.0

    @model_validator(mode="after")
    def _most_is_not_fewer(self) -> "ServerArgs":
        if self.max != NO_LIMIT and self.max < self.numthreads:
            raise refused("server_args.numthreads or more, or -1", key="max", given=self.max)
        return self


def _only(value: bool, reason: str) -> PlainValidator:
    """Accepts `value` only: WsgiDAV's switch of something that is not there to be switched."""

    def check(given: Any) -> bool:
        if given is not value:
            raise refused(f"{str(value).lower()} ({reason})")
        return bool(given)

    return PlainValidator(check)


class Hotfixes(Block):
    """Concessions to particular clients."""

    emulate_win32_lastmod: bool = False
    re_encode_path_info: Annotated[
        bool, _only(True, "davkeep decodes a path itself, once, as bytes")
    ] = True
    unquote_path_info: Annotated[bool, _only(False, "a path decoded twice names another file")] = (
        False
    )
    treat_root_options_as_asterisk: bool = False
    win_accept_anonymous_options: bool = False
    winxp_accept_root_share_login: bool = False
    digest_skip_uri_check: bool = False


class Logging(Block):
    """What is logged, and how."""

    #: None: as the server's command line does.
    enable: bool | None = None
    logger_date_format: str = "%H:%M:%S"
    logger_format: str = "%(asctime)s.%(msecs)03d - %(levelname)-8s: %(message)s"
    enable_loggers: Texts = ()
    debug_methods: Texts = ()
    debug_litmus: Texts = ()


def _switch_or_text(given: Any) -> bool | str:
    if not isinstance(given, bool | str):
        raise refused("true, false or HTML text")
    return given


class DirBrowser(Block):
    """The page that a browser gets for a collection."""

    enable: bool = True
    #: Redirect to the URL with a slash at its end.
    directory_slash: bool = True
    #: fnmatch patterns of names that the page leaves out.
    ignore: Texts = (".DS_Store", "._*", "Thumbs.db")
    icon: bool = True
    response_trailer: Annotated[bool | str, PlainValidator(_switch_or_text)] = True
    show_user: bool = True
    show_logout: bool = True
    davmount: bool = True
    davmount_links: bool = False
    ms_sharepoint_support: bool = True
    libre_office_support: bool = True
    htdocs_path: Text | None = None


def _nothing_if_false(given: Any) -> Any:
    return None if given is False else given


def _fields(given: Any) -> Any:
    return {} if given is None else given


class Cors(Block):
    """Cross-origin requests; off while `allow_origin` is empty."""

    allow_origin: Annotated[Texts, BeforeValidator(_nothing_if_false)] = ()
    allow_methods: Texts = ()
    allow_headers: Texts = ()
    expose_headers: Texts = ()
    allow_credentials: bool = False
    #: Seconds that a browser may keep the answer; None: as it likes.
    max_age: Annotated[
        int | None, Field(ge=0, description="a whole number of seconds, or null")
    ] = None
    #: Header fields of every response.
    add_always: Annotated[dict[str, str], BeforeValidator(_fields)] = Field(default_factory=dict)


class FsDavProvider(Block):
    """How folders are served."""

    #: URL paths answered with another file when they do not exist.
    shadow_map: Annotated[dict[str, Text], BeforeValidator(_fields)] = Field(default_factory=dict)
    follow_symlinks: bool = False


def _enabled(given: Any) -> bool:
    if given is False:
        raise refused("true (an error is always answered)")
    if given not in (True, None):
        raise refused("true or null")
    return True


class ErrorPrinter(Block):
    """Errors are always answered, so there is nothing to choose."""

    enable: Annotated[bool, PlainValidator(_enabled)] = True
