"""Debian's litmus passes every test without a warning, whatever is sent before the answers."""

import re
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme

from harness.server import RunningServer

SUITES = ["basic", "copymove", "props", "locks", "http"]
#: How the server is reached; litmus takes whatever certificate it is shown.
WAYS = ["plain", "tls", "basic", "digest"]
#: At default settings, and so that nearly every operation of several members is kept alive.
PACES: dict[str, dict[str, Any]] = {
    "default": {},
    "slow": {
        "keepalive": {"first_after": 0.02, "interval": 0.02},
        "operations": {"grace": 0, "max_members_per_second": 10},
    },
}
#: litmus does not try 100-continue over TLS, and says so; nothing else is ever skipped.
SKIPPED_OVER_TLS = ["expect100............. SKIPPED (skipping for SSL server)"]
#: Seconds that a run may take: about 12 alone, and eight run at a time.
PATIENCE = 120


@dataclass(frozen=True)
class Run:
    """One run of all suites: what litmus printed, and what the server logged."""

    status: int
    output: str
    log: str

    @property
    def results(self) -> list[str]:
        """Name and result of each test, in order."""
        lines = re.split(r"[\r\n]+", self.output)
        return [
            found[1] for line in lines if (found := re.fullmatch(r"\s*\d+\. (\S+ +\S.*)", line))
        ]

    def interims(self, method: str) -> int:
        """Interim responses that were sent to requests of a method."""
        return len(re.findall(rf"102 Processing to \S+, {method} /litmus", self.log))


def _settings(way: str, certificate: Path) -> tuple[dict[str, Any], list[str]]:
    """Keys of the top level, and what litmus is told after the URL."""
    if way == "plain":
        return {}, []
    if way == "tls":
        return {"ssl_certificate": str(certificate), "ssl_private_key": str(certificate)}, []
    is_digest = way == "digest"
    top = {
        "http_authenticator": {
            "accept_basic": not is_digest,
            "accept_digest": is_digest,
            "default_to_digest": is_digest,
        },
        "simple_dc": {"user_mapping": {"*": {"anna": {"password": "s3cret"}}}},
    }
    return top, ["anna", "s3cret"]


def _run(litmus: str, folder: Path, certificate: Path, way: str, pace: str) -> Run:
    folder.mkdir()
    (root := folder / "root").mkdir()
    top, credentials = _settings(way, certificate)
    with closing(RunningServer(folder, root, {**top, "davkeep": PACES[pace]})) as server:
        done = subprocess.run(
            [litmus, "--keep-going", server.url, *credentials],
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
    return Run(done.returncode, done.stdout + done.stderr, server.log)


@pytest.fixture(scope="module")
def runs(
    client: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], Run]:
    """All runs, made at the same time, each with a server of its own."""
    litmus = client("litmus")
    folder = tmp_path_factory.mktemp("litmus")
    certificate = folder / "certificate.pem"
    trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
    keys = [(way, pace) for way in WAYS for pace in PACES]
    with ThreadPoolExecutor(len(keys)) as threads:
        made = threads.map(
            lambda key: _run(litmus, folder / "-".join(key), certificate, *key), keys
        )
        return dict(zip(keys, made, strict=True))


@pytest.mark.parametrize("pace", PACES)
@pytest.mark.parametrize("way", WAYS)
def test_every_test_passes(runs: dict[tuple[str, str], Run], way: str, pace: str) -> None:
    """All tests of all suites pass, without a warning."""
    run = runs[way, pace]
    assert run.status == 0, run.output
    assert re.findall(r"summary for `(\w+)'.*, 0 failed\. 100\.0%", run.output) == SUITES
    assert not re.search(r"WARNING|FAIL|XFAIL", run.output), run.output
    others = [result for result in run.results if not result.endswith(" pass")]
    assert others == (SKIPPED_OVER_TLS if way == "tls" else [])
    assert len(run.results) == 104


@pytest.mark.parametrize(("method", "least"), [("COPY", 50), ("MOVE", 2), ("DELETE", 50)])
@pytest.mark.parametrize("way", WAYS)
def test_the_slow_run_was_kept_alive(
    runs: dict[tuple[str, str], Run], way: str, method: str, least: int
) -> None:
    """Interim responses really were sent during it, for each method that can take long."""
    assert runs[way, "slow"].interims(method) >= least


@pytest.mark.parametrize("way", WAYS)
def test_the_default_run_was_answered_at_once(runs: dict[tuple[str, str], Run], way: str) -> None:
    """At default settings nothing takes so long that an interim response is due."""
    assert "102 Processing" not in runs[way, "default"].log


@pytest.mark.parametrize("pace", PACES)
@pytest.mark.parametrize("way", ["basic", "digest"])
def test_users_came_in_by_name(runs: dict[tuple[str, str], Run], way: str, pace: str) -> None:
    """Nothing but the challenge was answered without a name."""
    requests = re.findall(r'davkeep\.access: \S+ (\S+) "\S+ \S+" (\d+)', runs[way, pace].log)
    assert ("anna", "201") in requests
    assert {status for name, status in requests if name != "anna"} == {"401"}
