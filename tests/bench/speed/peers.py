"""Who is measured: davkeep, the others, and the plain tools, each over a share of its own."""

import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from bench.servers import Daemon, Davkeep, Server, Stock
from bench.speed import peer_files
from harness.ports import free_port
from harness.programs import lookup

#: Whom Apache serves as when it is started by root, which is the one user that it refuses to be.
APACHE_USER = "www-data"

#: The folder below a peer's own that it serves; what it writes besides lies beside it.
SHARE = "root"

#: Starts a peer over a folder. The plain tools are no server.
Start = Callable[[Path], AbstractContextManager[Server | None]]


@dataclass(frozen=True, slots=True)
class Peer:
    """One of those who are compared."""

    name: str
    #: What a table's head says.
    title: str
    start: Start
    #: Rows that it does not do, by their keys.
    skips: frozenset[str] = frozenset()
    #: Who has to own its share; None: whoever starts it.
    user: str | None = None

    @property
    def is_server(self) -> bool:
        """Whether it is one; the plain tools are not."""
        return self.name != "plain"

    def hand_over(self, top: Path) -> None:
        """Let it change a tree."""
        if self.user is None or os.geteuid() != 0:
            return
        for above, _, names in os.walk(top):
            for each in (above, *(os.path.join(above, name) for name in names)):
                shutil.chown(each, self.user, self.user)


def davkeep(fsync: bool) -> Start:
    """davkeep with its defaults, but for ``fsync``."""

    def start(folder: Path) -> AbstractContextManager[Server]:
        return Davkeep(folder, fsync=fsync)

    return start


def _stock(folder: Path) -> Daemon:
    return Stock(folder / SHARE, folder)


def _apache(folder: Path) -> Daemon:
    user = f"User {APACHE_USER}\nGroup {APACHE_USER}" if os.geteuid() == 0 else ""
    port, file = _configure(peer_files.APACHE, folder, "/usr/lib/apache2/modules", user=user)
    return Daemon([_find("apache2"), "-f", file, "-D", "FOREGROUND"], port, folder)


def _nginx(folder: Path) -> Daemon:
    port, file = _configure(peer_files.NGINX, folder, "/usr/lib/nginx/modules")
    return Daemon([_find("nginx"), "-p", str(folder), "-e", "stderr", "-c", file], port, folder)


def _lighttpd(folder: Path) -> Daemon:
    port, file = _configure(peer_files.LIGHTTPD, folder, "/usr/lib/lighttpd")
    return Daemon([_find("lighttpd"), "-D", "-f", file], port, folder)


def _configure(text: str, folder: Path, modules: str, **more: str) -> tuple[int, str]:
    port, file = free_port(), folder / "server.conf"
    file.write_text(
        text.format(port=port, share=folder / SHARE, folder=folder, modules=modules, **more)
    )
    return port, str(file)


def _find(program: str) -> str:
    found = lookup(program)
    if found is None:
        raise SystemExit(f"{program} is missing: install {PACKAGES[program]}, or name --peers")
    return found


#: Debian's packages.
PACKAGES = {
    "apache2": "apache2-bin",
    "nginx": "nginx-light libnginx-mod-http-dav-ext",
    "lighttpd": "lighttpd lighttpd-mod-webdav",
}

#: What no plain tool does.
_SERVED = frozenset(
    {
        *("copy over", "out of sight", "infinity", "allprop", "named"),
        *("put", "get", "puts", "gets", "deletes", "copies", "options", "empty"),
    }
)
#: What flushing does not change.
_READ = frozenset({"infinity", "allprop", "named", "get", "gets", "options", "empty"})

#: By name, in the order of the tables.
PEERS = {
    peer.name: peer
    for peer in (
        Peer("davkeep", "davkeep", davkeep(fsync=False)),
        Peer("davkeep-fsync", "davkeep, fsync", davkeep(fsync=True), skips=_READ),
        Peer("stock", "stock WsgiDAV", _stock),
        Peer("apache", "Apache mod_dav", _apache, user=APACHE_USER),
        # It answers 403 to `Depth: infinity`.
        Peer("nginx", "nginx + dav-ext", _nginx, skips=frozenset({"infinity"})),
        Peer("lighttpd", "lighttpd", _lighttpd),
        Peer("plain", "plain tool", lambda folder: nullcontext(), skips=_SERVED),
    )
}
