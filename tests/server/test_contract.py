"""What davkeep overrides or uses of cheroot's internals. An upgrade that changes it fails here,
loudly.
"""

import inspect

import cheroot
import pytest
from cheroot import connections, server, wsgi
from cheroot.ssl.builtin import BuiltinSSLAdapter

from davkeep.server import Server, TlsAdapter
from davkeep.server.connection import Connection
from davkeep.server.gateway import Gateway
from davkeep.server.idle import IdleConnections
from davkeep.server.request import Request


def test_version():
    """The tried version."""
    assert cheroot.__version__.startswith("11.1.")


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (server.HTTPServer.__init__, ["bind_addr", "gateway"]),
        (server.HTTPServer.prepare, []),
        (server.HTTPServer.serve, []),
        (server.HTTPServer.stop, []),
        (server.HTTPServer.process_conn, ["conn"]),
        (server.HTTPServer.put_conn, ["conn"]),
        (server.HTTPServer.clear_stats, []),
        (server.HTTPServer.error_log, ["msg", "level", "traceback"]),
        (server.HTTPConnection.__init__, ["server", "sock", "makefile"]),
        (server.HTTPConnection.communicate, []),
        (server.HTTPConnection.close, []),
        (server.HTTPRequest.__init__, ["server", "conn"]),
        (server.HTTPRequest.parse_request, []),
        (server.HTTPRequest.send_headers, []),
        (server.HTTPRequest.ensure_headers_sent, []),
        (server.HTTPRequest.write, ["chunk"]),
        (server.HTTPRequest.simple_response, ["status", "msg"]),
        (connections.ConnectionManager.__init__, ["server"]),
        (connections.ConnectionManager.run, ["expiration_interval"]),
        (connections.ConnectionManager._run, ["expiration_interval"]),
        (connections.ConnectionManager._expire, ["threshold"]),
        (connections.ConnectionManager.put, ["conn"]),
        (connections.ConnectionManager.stop, []),
        (connections.ConnectionManager.close, []),
        (connections._ThreadsafeSelector.register, ["fileobj", "events", "data"]),
        (connections._ThreadsafeSelector.unregister, ["fileobj"]),
        (connections._ThreadsafeSelector.select, ["timeout"]),
        (wsgi.Gateway.__init__, ["req"]),
        (wsgi.Gateway.respond, []),
        (wsgi.Gateway.start_response, ["status", "headers", "exc_info"]),
        (wsgi.Gateway.write, ["chunk"]),
        (wsgi.Gateway_10.get_environ, []),
        (BuiltinSSLAdapter.wrap, ["sock"]),
        (BuiltinSSLAdapter.get_environ, ["sock"]),
        (BuiltinSSLAdapter.makefile, ["sock", "mode", "bufsize"]),
    ],
)
def test_signature(function, parameters):
    """It takes at least these parameters, in this order."""
    assert list(inspect.signature(function).parameters)[1 : len(parameters) + 1] == parameters


@pytest.mark.parametrize(
    ("own", "base"),
    [
        (Server, server.HTTPServer),
        (Connection, server.HTTPConnection),
        (Request, server.HTTPRequest),
        (Gateway, wsgi.Gateway_10),
        (IdleConnections, connections.ConnectionManager),
        (TlsAdapter, BuiltinSSLAdapter),
    ],
)
def test_overrides_override(own, base):
    """What davkeep defines under cheroot's names is still a name of cheroot's."""
    overridden = {
        (Server, server.HTTPServer): {"prepare", "serve", "stop", "process_conn", "put_conn"},
        (Connection, server.HTTPConnection): {"communicate", "close"},
        (Request, server.HTTPRequest): {"parse_request", "send_headers", "write"},
        (Gateway, wsgi.Gateway_10): {"get_environ", "respond", "start_response", "write"},
        (IdleConnections, connections.ConnectionManager): {"put", "stop", "close", "_run"},
        (TlsAdapter, BuiltinSSLAdapter): {"wrap", "makefile"},
    }[own, base]
    assert all(name in vars(own) and hasattr(base, name) for name in overridden)


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (server.HTTPServer.__init__, ["self.requests =", "self.clear_stats()"]),
        (
            server.HTTPServer.prepare,
            [
                "self.socket.listen(self.request_queue_size)",
                "self._connections =",
                "self.ready = True",
            ],
        ),
        (server.HTTPServer.prepare, ["self.requests.start()"]),
        (server.HTTPConnection.__init__, ["self.resolve_peer_creds =", "self.get_peer_creds ="]),
        (server.HTTPConnection.__init__, ["self.rfile = makefile(", "self.wfile = makefile("]),
        (
            server.HTTPRequest.ensure_headers_sent,
            ["self.sent_headers = True", "self.send_headers()"],
        ),
        (
            connections.ConnectionManager.__init__,
            ["self._stop_requested = False", "self._selector ="],
        ),
        (wsgi.Gateway.__init__, ["self.env = self.get_environ()", "self.started_response = False"]),
        (
            wsgi.Gateway_10.get_environ,
            [
                "req.path",
                "req.qs",
                "req.uri",
                "req.method",
                "req.inheaders",
                "req.rfile",
                "ssl_env",
            ],
        ),
        (wsgi.Gateway_10.get_environ, ["req.request_protocol", "req.scheme", "req.chunked_read"]),
    ],
)
def test_attributes(function, names):
    """The attributes through which cheroot's code and ours meet are still used where they were."""
    source = inspect.getsource(function)
    assert [name for name in names if name not in source] == []


def test_no_global_statistics(house):
    """Nothing is left in the logging module."""
    import logging

    assert house.connect().is_open()
    assert not getattr(logging, "statistics", {})
    assert house.server.stats["Worker Threads"] == {}


def test_settings_reach_cheroot(open_house):
    """The settings that cheroot's code reads are there."""
    house = open_house(request_queue_size=77, max_request_body_size=5)
    assert house.server.request_queue_size == 77
    assert house.server.max_request_body_size == 5
    assert house.server.keep_alive_conn_limit is None
