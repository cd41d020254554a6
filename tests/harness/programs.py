"""Programs that the tests run: where they are, how they are started, and how they are ended."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn, Self

import pytest

from harness.ports import accepts
from harness.server import DEADLINE
from harness.waiting import until

#: Programs and the Debian packages that bring them; `run` installs these packages.
PACKAGES = {
    "apache2": "apache2-bin",
    "cadaver": "cadaver",
    "caddy": "caddy",
    "curl": "curl",
    "haproxy": "haproxy",
    "lighttpd": "lighttpd",
    "litmus": "litmus",
    "losetup": "mount",
    "lowntfs-3g": "ntfs-3g",
    "mkfs.exfat": "exfatprogs",
    "mkfs.ntfs": "ntfs-3g",
    "mount": "mount",
    "mount.davfs": "davfs2",
    "mount.exfat-fuse": "exfat-fuse",
    "nginx": "nginx-light",
    "node": "nodejs",
    "rclone": "rclone",
    "squid": "squid",
    "umount": "mount",
    "varnishd": "varnish",
    "wget": "wget",
}
#: Where Debian keeps programs for root, which are not on everybody's PATH.
SYSTEM_FOLDERS = ("/usr/sbin", "/sbin")


def missing(reason: str) -> NoReturn:
    """In CI what a test needs has to be there; elsewhere the test is skipped."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def lookup(name: str) -> str | None:
    """The path of a program."""
    where = os.pathsep.join([os.environ.get("PATH", os.defpath), *SYSTEM_FOLDERS])
    return shutil.which(name, path=where)


def find(name: str) -> str:
    """The path of a program; says how to get one that is missing."""
    program = lookup(name)
    if program is None:
        missing(f"{name} is missing; sudo apt-get install {PACKAGES[name]}")
    return program


def run(
    *command: str | Path,
    home: Path,
    stdin: str = "",
    deadline: float = DEADLINE,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program with a home and a working folder of its own, and no terminal."""
    return subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=deadline,
        check=False,
        cwd=home,
        env={**os.environ, "HOME": str(home), "LC_ALL": "C.UTF-8", **(env or {})},
    )


class Daemon:
    """A program in the foreground that listens on a port; use it as a context manager."""

    def __init__(
        self, command: list[str], port: int, folder: Path, env: Mapping[str, str] | None = None
    ) -> None:
        """Start it and wait until it accepts connections; what it says goes into a file."""
        self.port = port
        self._log = folder / "output"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **(env or {})},
            )
        try:
            until(lambda: self._is_up(), f"{command[0]} listens")
        except BaseException:
            self.close()
            raise

    def _is_up(self) -> bool:
        status = self._process.poll()
        assert status is None, f"it ended with {status}: {self.log}"
        return accepts(self.port)

    @property
    def log(self) -> str:
        """What it said so far."""
        return self._log.read_text(errors="replace")

    def __enter__(self) -> Self:
        """Return the running program itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.close()

    def close(self) -> None:
        """End it, politely first."""
        self._process.terminate()
        try:
            self._process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
