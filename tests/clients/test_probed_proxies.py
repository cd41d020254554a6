"""``davkeep probe`` through the real proxies: what it finds is what was measured of them."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from harness.programs import lookup, missing
from harness.proxies import PROXIES
from harness.server import DEADLINE, RunningServer, Serve

#: Seconds that a proxy waits: more than two tries take, and all that it takes to find out.
PATIENCE = 4

#: A server bears four, and one that a proxy has cut short counts until it would have ended.
AT_ONCE = 2

#: Behind a proxy nobody is an administrator without a name.
USER, PASSWORD = "anna", "one"

#: For each proxy: whether it is seen at all, what it does with 102, how many pass and how many do
#: not (None: all pass), whether one renews its timeout, and what is to be configured.
FOUND = {
    "nginx-http1.0": (True, "not sent", 0, None, None, "nginx"),
    "nginx-http1.1": (True, "broken", 0, 1, None, "nginx"),
    "Apache": (True, "forwarded", 9, 10, True, "apache"),
    "HAProxy": (True, "forwarded", 100, None, True, "haproxy"),
    "Squid": (True, "forwarded", 100, None, False, "squid"),
    "Varnish": (True, "broken", 0, 1, None, "varnish"),
    "Caddy": (True, "forwarded", 5, 6, False, "caddy"),
    "lighttpd": (True, "forwarded", 100, None, True, "lighttpd"),
}


@pytest.fixture
def guarded(serve: Serve) -> RunningServer:
    """A server whose administrator has a name."""
    users = {"*": {USER: {"password": PASSWORD}}}
    return serve({"simple_dc": {"user_mapping": users}}, administrators=[USER])


def _probe(url: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "davkeep", "probe", url, "--json", "--user", USER]
    command += ["--count", "100", "--seconds", "0.2", "--patience", str(PATIENCE)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=4 * DEADLINE,
        env={"DAVKEEP_PASSWORD": PASSWORD, "HOME": "/nonexistent"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _found(name: str, server: RunningServer, folder: Path) -> tuple[Any, ...]:
    with PROXIES[name].start(folder / name, server.port, PATIENCE) as running:
        found = _probe(f"http://127.0.0.1:{running.port}/")
    keys = ("between", "interim", "passed", "failed", "renewed", "behindProxy")
    return tuple(found[key] for key in keys)


def test_what_is_found(guarded: RunningServer, tmp_path: Path) -> None:
    """The number that passes, whether one renews the timeout, and the right setting."""
    for proxy in PROXIES.values():
        if lookup(proxy.program) is None:
            missing(proxy.program)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = {name: pool.submit(_found, name, guarded, tmp_path) for name in PROXIES}
        found = {name: future.result() for name, future in running.items()}
    assert found == FOUND
