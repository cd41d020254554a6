"""The cheroot door: connections, requests, threads and TLS. It knows WSGI and nothing of WebDAV."""

from davkeep.server.server import Server
from davkeep.server.settings import ServerSettings
from davkeep.server.tls import TlsAdapter

__all__ = ["Server", "ServerSettings", "TlsAdapter"]
