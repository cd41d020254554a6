"""Where a server is: a URL taken apart."""

import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from davkeep.http import Origin
from davkeep.words.command_failed import CommandFailed
from davkeep.words.urls import can_be_host


class CannotAsk(CommandFailed):
    """A server cannot be asked; the text says why, to the person who wants to."""


@dataclass(frozen=True)
class Address:
    """A server; `path` is the percent-encoded one of its URL, with a slash at its end."""

    origin: Origin
    path: str


def parse_url(url: str, tls: ssl.SSLContext) -> Address:
    """The address of `http://` or `https://`; `tls` is for the latter. Raises CannotAsk, whose
    text holds no password of the URL.
    """
    if "@" in (url.partition("://")[2] or url).partition("/")[0]:
        raise CannotAsk("a URL with credentials can be read by others; use --user")
    shown = "what is given" if "@" in url else ascii(url)[1:-1]
    # Before it is taken apart, for that drops some control characters.
    if not (url.isascii() and url.isprintable()) or " " in url:
        raise CannotAsk(f"{shown} is no URL; encode what is not ASCII")
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if not host or parts.scheme not in ("http", "https") or parts.query or parts.fragment:
        raise CannotAsk(f"{shown} is no URL of a server; allowed: http:// or https:// and a host")
    if port == 0 or not can_be_host(host):
        raise CannotAsk(f"{shown} is no URL of a server: there can be no such host or port")
    path = parts.path if parts.path.endswith("/") else f"{parts.path}/"
    return Address(Origin.of(parts, tls), path)


def tls_context(cafile: str | None, insecure: bool) -> ssl.SSLContext:
    """How the server's certificate is checked: against the system's authorities, against those in
    `cafile`, or not at all. Raises CannotAsk.
    """
    try:
        context = ssl.create_default_context(cafile=cafile)
    except OSError as error:
        raise CannotAsk(f"{cafile} holds no certificates: {error}") from None
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context
