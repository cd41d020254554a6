"""What a WSGI application gets to know of a request (PEP 3333)."""

import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from davkeep.server.request import Request
    from davkeep.server.server import Server


def environ_of(req: "Request") -> dict[str, Any]:
    """cheroot's environ, with what davkeep adds.

    `REQUEST_URI` is the raw path and query, byte for byte as Latin-1, without the scheme and
    authority of an absolute target; `RAW_URI` is the target as it was sent.
    """
    environ = dict(req.server.environ)
    environ["PATH_INFO"] = req.path.decode("latin-1")
    environ["QUERY_STRING"] = req.qs.decode("latin-1")
    environ["REMOTE_ADDR"] = req.conn.remote_addr or ""
    environ["REMOTE_PORT"] = str(req.conn.remote_port or "")
    environ["REQUEST_METHOD"] = req.method.decode("latin-1")
    environ["REQUEST_URI"] = req.uri.decode("latin-1")
    environ["RAW_URI"] = req.target.decode("latin-1")
    environ["SERVER_PROTOCOL"] = req.request_protocol.decode("ascii")
    environ["wsgi.input"] = req.rfile
    environ["davkeep.http_version"] = req.version
    for name, value in req.inheaders.items():
        environ[_key(name)] = value.decode("latin-1")
    if req.conn.ssl_env:
        environ.update(req.conn.ssl_env)
    return environ


def environ_of_server(server: "Server") -> dict[str, Any]:
    """What is the same for all requests."""
    has_port = not isinstance(server.bind_addr, str)
    return {
        "ACTUAL_SERVER_PROTOCOL": server.protocol,
        "SCRIPT_NAME": "",
        # cheroot has the Server field's value here; PEP 3333 asks for a host.
        "SERVER_NAME": server.host,
        "SERVER_PORT": str(server.bind_addr[1]) if has_port else "",
        "SERVER_SOFTWARE": server.software,
        "wsgi.errors": sys.stderr,
        "wsgi.input_terminated": True,
        "wsgi.multiprocess": False,
        "wsgi.multithread": True,
        "wsgi.run_once": False,
        "wsgi.url_scheme": "http" if server.ssl_adapter is None else "https",
        "wsgi.version": (1, 0),
        "davkeep.continues": 0,
    }


@lru_cache(maxsize=512)
def _key(name: bytes) -> str:
    """The name of a header field in an environ."""
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
