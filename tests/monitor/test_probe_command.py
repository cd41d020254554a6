"""``davkeep probe``, directly and through stand-ins for proxies."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from harness.commands import run
from harness.server import RunningServer, Serve

from .conftest import StandIn, fails_at, swallows, takes_for_final


def davkeep(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return run("probe", *arguments, **environ)


def verdict(url: str, *arguments: str) -> dict[str, Any]:
    """What it reports, quickly."""
    done = davkeep(url, "--json", "--seconds", "0.1", "--count", "100", *arguments)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_directly(server: RunningServer) -> None:
    """Nothing is between, and everything arrives."""
    found = verdict(server.url)
    assert (found["between"], found["interim"], found["passed"]) == (False, "forwarded", 100)
    assert found["behindProxy"] == "none"


@pytest.mark.parametrize(
    ("habit", "expected"),
    [
        (None, (None, "forwarded", 100, None, "haproxy")),
        (swallows, (None, "swallowed", 0, None, "envoy")),
        (fails_at(1, b"503 No", b"Varnish"), ("varnish", "broken", 0, 1, "varnish")),
        (fails_at(6, b"502 No", b"Caddy"), ("caddy", "forwarded", 5, 6, "caddy")),
        (fails_at(8, b"502 No", b"new"), (None, "forwarded", 7, 8, "caddy")),
        (fails_at(10, b"502 No", b"Apache/2.4"), ("apache", "forwarded", 9, 10, "apache")),
        (fails_at(4, b"502 No", b"Apache/2.4"), ("apache", "forwarded", 3, 4, "varnish")),
        (takes_for_final, ("nginx", "broken", 0, 1, "nginx")),
    ],
    ids=["forwards", "swallows", "fails-1", "fails-6", "fails-8", "fails-10", "worse", "final"],
)
def test_through_a_proxy(
    server: RunningServer,
    stand_in: Callable[..., StandIn],
    habit: Any,
    expected: tuple[Any, ...],
) -> None:
    """The exact number that passes, and the proxy for which davkeep does what is safe there."""
    proxy = stand_in(server, habit) if habit else stand_in(server)
    found = verdict(proxy.url.replace("127.0.0.1", "localhost"))
    names = ("proxy", "interim", "passed", "failed", "behindProxy")
    assert tuple(found[name] for name in names) == expected
    assert found["between"]


def test_through_http_1_0(guarded: RunningServer, stand_in: Callable[..., StandIn]) -> None:
    """No 102 is sent; that is nginx, unless something else is said."""
    proxy = stand_in(guarded, version=b"HTTP/1.0", added=b"Connection: close\r\n")
    done = davkeep(
        proxy.url, "--seconds", "0.1", "--user", "anna", "--json", DAVKEEP_PASSWORD="one"
    )
    found = json.loads(done.stdout)
    assert (found["interim"], found["behindProxy"]) == ("not sent", "nginx")


def test_what_it_says(server: RunningServer, stand_in: Callable[..., StandIn]) -> None:
    """In plain words, a line for each finding; the last one is what to configure."""
    proxy = stand_in(server, fails_at(6, b"502 No", b"Caddy"))
    done = davkeep(proxy.url, "--seconds", "0.1", "--patience", "0.1")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith("There seems to be caddy between (responses hold server: Caddy")
    assert lines[1:3] == [
        "102 arrives; 5 for one request do, 6 break it.",
        "A silence of 0.15 s passes: its timeout is longer.",
    ]
    assert lines[-1] == "Configure davkeep.keepalive.behind_proxy: caddy (now: auto)."


def test_credentials_come_from_where_others_cannot_read(
    guarded: RunningServer, tmp_path: Path
) -> None:
    """The environment or ~/.netrc; without a password, one line says where to put it."""
    quick = (guarded.url, "--seconds", "0.05", "--count", "2")
    assert davkeep(*quick, "--user", "anna", DAVKEEP_PASSWORD="one").returncode == 0
    assert davkeep(*quick, "--user", "josé", DAVKEEP_PASSWORD="pä:ß").returncode == 0
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login anna password one\n")
    (tmp_path / ".netrc").chmod(0o600)
    assert davkeep(*quick, HOME=str(tmp_path)).returncode == 0
    for arguments, environ, told in (
        (("--user", "anna"), {}, "DAVKEEP_PASSWORD"),
        (("--user", "anna"), {"DAVKEEP_PASSWORD": "two"}, "401"),
        (("--user", "bert"), {"DAVKEEP_PASSWORD": "two"}, "403"),
        ((), {}, "401"),
    ):
        done = davkeep(*quick, *arguments, **environ)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        assert told in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["ftp://localhost/"], 1),
        (["http://"], 1),
        (["http://[/"], 1),
        (["http://a b/"], 1),
        (["http://localhost/\xe9"], 1),
        (["http://anna:one@localhost/"], 1),
        (["http://127.0.0.1:1/"], 1),
        (["https://127.0.0.1:1/", "--cafile", "/nonexistent"], 1),
        ([], 2),
        (["http://localhost/", "--count", "201"], 2),
        (["http://localhost/", "--count", "x"], 2),
        (["http://localhost/", "--seconds", "0"], 2),
        (["http://localhost/", "--patience", "nan"], 2),
        (["http://localhost/", "--password", "x"], 2),
    ],
)
def test_what_cannot_be_asked(arguments: list[str], status: int) -> None:
    """One line on standard error; 2 for a wrong command line, 1 for a server without an answer."""
    done = davkeep(*arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (status, "", 1)
    assert done.stderr.startswith("davkeep: ")


def test_tls(serve: Serve, tmp_path: Path) -> None:
    """The certificate is checked, by a file of authorities where one is given, or not at all."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    chain, key, trusted = (tmp_path / name for name in ("chain.pem", "key.pem", "ca.pem"))
    issued.cert_chain_pems[0].write_to_path(chain)
    issued.private_key_pem.write_to_path(key)
    authority.cert_pem.write_to_path(trusted)
    server = serve(top={"ssl_certificate": str(chain), "ssl_private_key": str(key)})
    assert davkeep(server.url).returncode == 1
    for option in (["--insecure"], ["--cafile", str(trusted)]):
        assert verdict(server.url, *option)["behindProxy"] == "none"
