"""The ready-to-use pairs of `config/`: each proxy's own file in front of davkeep's.

Only ports, paths and the host's name are replaced, and what Debian has around a proxy's file stands
here.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import trustme
import yaml

from harness import programs
from harness.ports import free_port
from harness.proxies import APACHE_MODULES
from harness.server import RunningServer
from harness.trees import contents, plant

CONFIG = Path(__file__).parents[2] / "config"
HOST, FOLDER = "files.example.org", "/etc/ssl/davkeep"
USER, PASSWORD = "anna", "s3cret"

#: What nginx's main file has around those of conf.d.
NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log stderr; events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {file};
}}
"""
#: What Debian's apache2.conf, ports.conf and a2enmod do.
APACHE = """
ServerRoot {folder}
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
PidFile {folder}/pid
ErrorLog /dev/stderr
Mutex file:{folder} default
User www-data
Group www-data
{modules}
Include {file}
"""
MODULES = [
    "mpm_event",
    "authz_core",
    "env",
    "socache_shmcb",
    "ssl",
    "headers",
    "proxy",
    "proxy_http",
]
#: Caddy's options, without which it listens on port 80 as well.
CADDY = "{{\n\tadmin off\n\tauto_https disable_redirects\n}}\n\n{text}"


@dataclass(frozen=True)
class Pair:
    """A proxy's file in `config/`, and how the proxy is run with it."""

    program: str
    file: str
    #: What Debian has around it; `{file}` or `{text}` is the file itself.
    around: str
    arguments: tuple[str, ...]
    #: The address that the file listens on, and what stands in its place here.
    listens: tuple[str, str]


PAIRS = {
    "nginx": Pair(
        "nginx",
        "nginx.conf",
        NGINX,
        ("-p", "{folder}", "-e", "stderr", "-c", "{main}"),
        ("listen 443", "listen 127.0.0.1:{port}"),
    ),
    "apache": Pair(
        "apache2",
        "apache.conf",
        APACHE,
        ("-f", "{main}", "-D", "FOREGROUND"),
        ("*:443", "127.0.0.1:{port}"),
    ),
    "haproxy": Pair(
        "haproxy",
        "haproxy.cfg",
        "global\n    maxconn 200\n\n{text}",
        ("-db", "-f", "{main}"),
        ("bind :443", "bind 127.0.0.1:{port}"),
    ),
    "caddy": Pair(
        "caddy",
        "Caddyfile",
        CADDY,
        ("run", "--config", "{main}", "--adapter", "caddyfile"),
        (f"{HOST} {{", f"{HOST}:{{port}} {{"),
    ),
}


@dataclass(frozen=True)
class Front:
    """A proxy and davkeep that run, seen from outside."""

    root: Path
    url: str
    server: RunningServer
    curl: Callable[..., str]


def _certificate(folder: Path) -> Path:
    """A folder as the proxies' files name it; returns the authority's certificate."""
    authority = trustme.CA()
    issued = authority.issue_cert(HOST)
    issued.cert_chain_pems[0].write_to_path(folder / "certificate.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    issued.private_key_and_cert_chain_pem.write_to_path(folder / "certificate-and-key.pem")
    authority.cert_pem.write_to_path(folder / "authority.pem")
    return folder / "authority.pem"


def _davkeep(folder: Path, root: Path, name: str) -> RunningServer:
    """davkeep with its half of the pair, a user, and operations that take a second."""
    config: dict[str, Any] = yaml.safe_load((CONFIG / f"behind-{name}.yaml").read_text())
    users = folder / config["htpasswd_dc"]["htpasswd_file"]
    users.write_text(f"{USER}:{bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()}\n")
    config["htpasswd_dc"]["htpasswd_file"] = str(users)
    config["davkeep"]["operations"] = {"max_members_per_second": 30}
    return RunningServer(folder, root, config)


def _proxy(pair: Pair, folder: Path, server: int) -> programs.Daemon:
    """The proxy with its half of the pair."""
    port, main, file = free_port(), folder / "main", folder / pair.file
    text = (CONFIG / pair.file).read_text()
    for old, new in (
        (pair.listens[0], pair.listens[1].replace("{port}", str(port))),
        ("127.0.0.1:8080", f"127.0.0.1:{server}"),
        (FOLDER, str(folder)),
    ):
        assert old in text, f"{old} is not in {pair.file}"
        text = text.replace(old, new)
    file.write_text(text)
    modules = "\n".join(
        f"LoadModule {name}_module {APACHE_MODULES}/mod_{name}.so" for name in MODULES
    )
    main.write_text(
        pair.around.format(folder=folder, file=file, text=text, port=port, modules=modules)
    )
    arguments = [each.format(folder=folder, main=main) for each in pair.arguments]
    home = {"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    return programs.Daemon([programs.find(pair.program), *arguments], port, folder, home)


@pytest.fixture(scope="module", params=PAIRS)
def front(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Front]:
    """Each pair in turn."""
    program, folder = programs.find("curl"), tmp_path_factory.mktemp(request.param)
    for name in ("davkeep", "proxy", "home", "root"):
        (folder / name).mkdir()
    authority = _certificate(folder / "proxy")
    with ExitStack() as opened:
        server = _davkeep(folder / "davkeep", folder / "root", request.param)
        opened.callback(server.close)
        proxy = _proxy(PAIRS[request.param], folder / "proxy", server.port)
        port = opened.enter_context(proxy).port

        def curl(*arguments: str | Path, user: str | None = f"{USER}:{PASSWORD}") -> str:
            common = ["-sS", "--cacert", authority, "--resolve", f"{HOST}:{port}:127.0.0.1"]
            who = ["-u", user] if user else []
            done = programs.run(program, *common, *who, *arguments, home=folder / "home")
            assert done.returncode == 0, done.stderr
            return done.stdout

        yield Front(folder / "root", f"https://{HOST}:{port}/", server, curl)


def test_copy(front: Front) -> None:
    """A COPY is answered 201, though the Destination names the proxy, and encrypted."""
    before = plant(front.root / "tree", 30)
    to = f"Destination: {front.url}copied"
    status = front.curl("-w", "%{http_code}", "-X", "COPY", "-H", to, f"{front.url}tree")
    assert status == "201"
    assert contents(front.root / "copied") == before


@pytest.mark.parametrize("framing", [[], ["-H", "Transfer-Encoding: chunked"]])
def test_a_large_upload(front: Front, tmp_path: Path, framing: list[str]) -> None:
    """It arrives whole, of a length that was told or not."""
    (front.root / "large").unlink(missing_ok=True)
    content = bytes(range(256)) * 2**17
    (tmp_path / "large").write_bytes(content)
    status = front.curl(
        *("-w", "%{http_code}", *framing, "-T", tmp_path / "large", f"{front.url}large")
    )
    assert status == "201"
    assert (front.root / "large").read_bytes() == content


def test_names_that_proxies_like_to_decode(front: Front) -> None:
    """Percent signs, spaces, colons and plus signs in names mean what they meant to the client."""
    (front.root / "100 % + a:b%2F").write_bytes(b"sure")
    assert front.curl(f"{front.url}100%20%25%20+%20a:b%252F") == "sure"


def test_nobody_comes_in_without_a_name(front: Front) -> None:
    """The proxy is on this machine, and still what it passes on is not trusted for that."""
    status = front.curl("-o", "/dev/null", "-w", "%{http_code}", front.url, user=None)
    assert status == "401"


def test_a_client_cannot_say_where_it_comes_from(front: Front) -> None:
    """Forwarding fields that the client made up do not reach davkeep's log."""
    made_up = ["X-Forwarded-For: 192.0.2.66", "Forwarded: for=192.0.2.66"]
    fields = [part for field in made_up for part in ("-H", field)]
    front.curl("-o", "/dev/null", *fields, front.url)
    front.server.wait_for_log(rf'davkeep\.access: 127\.0\.0\.1 {USER} "GET')
    assert not re.search(r"192\.0\.2\.66", front.server.log)
