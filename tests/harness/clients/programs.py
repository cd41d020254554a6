"""curl, wget, cadaver, litmus and Node's fetch, each as one process."""

import json
import re
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from harness.clients.words import DEADLINE, HELLO, Errand, Told
from harness.programs import find, run

FETCH = Path(__file__).with_name("fetch.mjs")
_WGET_STATUS = re.compile(r"^  HTTP/1\.1 (\d+)", re.MULTILINE)


def _run(name: str, *arguments: str | Path, home: Path, **more: Any) -> CompletedProcess[str]:
    return run(find(name), *arguments, home=home, deadline=DEADLINE, **more)


def curl(errand: Errand) -> Told:
    """Two requests in one call; it waits for ever."""
    common = ["-sS", "-w", r"%{http_code} %{num_connects}\n", "-m", f"{DEADLINE - 5:g}"]
    copied = ["-X", "COPY", "-H", f"Destination: {errand.url}copied", f"{errand.url}tree"]
    following = ["--next", *common, "-o", str(errand.home / "hello"), f"{errand.url}hello"]
    done = _run("curl", *common, "-o", "/dev/null", *copied, *following, home=errand.home)
    (status, _), (following_status, opened) = map(str.split, done.stdout.splitlines())
    has_own = following_status == "200" and (errand.home / "hello").read_bytes() == HELLO
    return Told(status == "201", f"{status} {done.stderr}".strip(), has_own, opened == "0")


def wget(errand: Errand) -> Told:
    """Two DELETEs in one call, for one call has one method; the second one's URL is nothing."""
    options = ["-S", "--tries=1", "-O", "-", "--method=DELETE"]
    if errand.patience is not None:
        options.append(f"--read-timeout={errand.patience:g}")
    urls = [f"{errand.url}tree", f"{errand.url}nothing"]
    done = _run("wget", *options, *urls, home=errand.home)
    # What stands behind each URL: the statuses, or why there is none.
    _, first, second = re.split(r"^--.*--  http.*$", done.stderr, maxsplit=2, flags=re.MULTILINE)
    statuses = _WGET_STATUS.findall(first)
    said = statuses[-1] if statuses else first.strip().splitlines()[-1]
    reused = "Reusing existing connection" in done.stderr
    return Told(said == "204", said, _WGET_STATUS.findall(second) == ["404"], reused)


def cadaver(errand: Errand) -> Told:
    """Two commands of one session."""
    commands = "copy tree copied\ncat hello\nquit\n"
    done = _run("cadaver", errand.url, home=errand.home, stdin=commands)
    said = " ".join(re.split(r"^dav:.*> .*\n", done.stdout, flags=re.MULTILINE)[1].split())
    return Told(said.endswith("succeeded."), said, HELLO.decode() in done.stdout)


def litmus(errand: Errand) -> Told:
    """The basic suite, whose first request removes the collection `litmus`."""
    done = _run("litmus", "-k", errand.url, home=errand.home, env={"TESTS": "basic"})
    begun = re.search(r" 1\. begin\.+ (\w.*)", done.stdout)
    said = begun[1].strip() if begun else done.stdout + done.stderr
    return Told(said == "pass", said, done.returncode == 0 if said == "pass" else None)


def fetch(errand: Errand) -> Told:
    """Node's fetch, twice."""
    patience = "" if errand.patience is None else f"{errand.patience:g}"
    done = _run("node", FETCH, errand.url, patience, home=errand.home)
    told = json.loads(done.stdout)
    has_own, reused = told["hello"] == HELLO.decode(), told["connections"] == 1
    return Told(told["copied"] == 201, str(told["copied"]), has_own, reused)
