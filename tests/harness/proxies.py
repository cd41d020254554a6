"""Real proxies on loopback, each in front of one davkeep and with a patience of its own."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness import proxy_files
from harness.ports import free_port
from harness.programs import Daemon, find

#: Debian's folder of Apache's modules.
APACHE_MODULES = "/usr/lib/apache2/modules"

#: The arguments of a proxy's program, from its file, its folder and its port.
Arguments = Callable[[Path, Path, int], list[str]]


@dataclass(frozen=True)
class Proxy:
    """A kind of proxy and how it is run."""

    name: str
    program: str
    #: davkeep's `behind_proxy` for it.
    behind: str
    #: The setting that says how long it waits for davkeep, as its documentation calls it.
    setting: str
    #: How long it waits by itself.
    waits: str
    text: str
    arguments: Arguments
    #: What the text is filled in with besides.
    more: dict[str, str] = field(default_factory=dict)

    def start(self, folder: Path, server: int, patience: int) -> Daemon:
        """Start one in front of davkeep's port; `folder` is made for what it writes."""
        folder.mkdir(parents=True)
        port = free_port()
        file = folder / "proxy.conf"
        filled = {"port": port, "server": server, "patience": patience, "folder": folder}
        file.write_text(self.text.format(**filled, **self.more))
        command = [find(self.program), *self.arguments(file, folder, port)]
        return Daemon(
            command, port, folder, {"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
        )


def _nginx(name: str, upstream: str) -> Proxy:
    return Proxy(
        name,
        program="nginx",
        behind="nginx",
        setting="proxy_read_timeout",
        waits="60 s",
        text=proxy_files.NGINX,
        arguments=lambda file, folder, port: ["-p", str(folder), "-e", "stderr", "-c", str(file)],
        more={"upstream": upstream},
    )


def _varnish(file: Path, folder: Path, port: int) -> list[str]:
    where = ["-a", f"127.0.0.1:{port}", "-n", str(folder / "work")]
    return ["-F", "-j", "none", "-f", str(file), *where, "-s", "malloc,1m"]


#: By name, in the order of the documentation.
PROXIES = {
    proxy.name: proxy
    for proxy in (
        _nginx("nginx-http1.0", proxy_files.UPSTREAM_10),
        _nginx("nginx-http1.1", proxy_files.UPSTREAM_11),
        Proxy(
            "Apache",
            program="apache2",
            behind="apache",
            setting="ProxyTimeout",
            waits="60 s; 300 s by Debian's file",
            text=proxy_files.APACHE,
            arguments=lambda file, folder, port: ["-f", str(file), "-D", "FOREGROUND"],
            more={"modules": APACHE_MODULES},
        ),
        Proxy(
            "HAProxy",
            program="haproxy",
            behind="haproxy",
            setting="timeout server",
            waits="50 s by Debian's file",
            text=proxy_files.HAPROXY,
            arguments=lambda file, folder, port: ["-db", "-f", str(file)],
        ),
        Proxy(
            "Squid",
            program="squid",
            behind="squid",
            setting="read_timeout",
            waits="15 min",
            text=proxy_files.SQUID,
            arguments=lambda file, folder, port: ["-N", "-f", str(file)],
        ),
        Proxy(
            "Varnish",
            program="varnishd",
            behind="varnish",
            setting="first_byte_timeout",
            waits="60 s",
            text=proxy_files.VARNISH,
            arguments=_varnish,
        ),
        Proxy(
            "Caddy",
            program="caddy",
            behind="caddy",
            setting="response_header_timeout",
            waits="for ever",
            text=proxy_files.CADDY,
            arguments=lambda file, folder, port: [
                *("run", "--config", str(file), "--adapter", "caddyfile")
            ],
        ),
        Proxy(
            "lighttpd",
            program="lighttpd",
            behind="lighttpd",
            setting='"read-timeout" of proxy.server',
            waits="60 s",
            text=proxy_files.LIGHTTPD,
            arguments=lambda file, folder, port: ["-D", "-f", str(file)],
        ),
    )
}
