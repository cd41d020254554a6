"""Where a server is: a URL taken apart."""

import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit


class CannotAsk(Exception):
    """A server cannot be asked; the text says why, to the person who wants to."""


@dataclass(frozen=True)
class Address:
    """A server, and how to reach it."""

    #: The host's name or address, without brackets.
    host: str
    port: int
    #: What goes into the Host field.
    authority: str
    #: Percent-encoded path of the URL, with a slash at its end.
    path: str
    #: None: plain HTTP.
    tls: ssl.SSLContext | None = None


def parse_url(url: str, tls: ssl.SSLContext) -> Address:
    """The address of `http://` or `https://`; `tls` is for the latter. Raises CannotAsk."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if not host or parts.scheme not in ("http", "https") or parts.query or parts.fragment:
        raise CannotAsk(f"{url} is no URL of a server; allowed: http:// or https:// and a host")
    if not (url.isascii() and url.isprintable()) or " " in url:
        raise CannotAsk(f"{url!a} is no URL; encode what is not ASCII")
    if parts.username is not None:
        raise CannotAsk("a URL with credentials can be read by others; use --user")
    secure = parts.scheme == "https"
    authority = parts.netloc
    path = parts.path if parts.path.endswith("/") else f"{parts.path}/"
    return Address(host, port or (443 if secure else 80), authority, path, tls if secure else None)


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
