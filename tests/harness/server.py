"""A real davkeep in a process of its own, on loopback and a port of its own."""

import os
import re
import signal
import site
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from davkeep.trees.marker import MARKER
from davkeep.trees.names import is_hidden_name

#: Seconds after which a test gives up waiting; generous, for two cores that do other things too.
DEADLINE = 30.0


def interpreter_for_others() -> str:
    """A Python of this version that every user may run, which one below /root is not."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for path in (sys.executable, f"/usr/bin/{name}", f"/usr/local/bin/{name}"):
        real = Path(path).resolve()
        if real.exists() and all(above.stat().st_mode & 0o001 for above in (real, *real.parents)):
            return path
    raise FileNotFoundError(f"no {name} that other users may run")


class RunningServer:
    """`davkeep serve` under test: where it is, what it logs, and how it is stopped."""

    def __init__(
        self, folder: Path, root: Path | None, config: dict[str, Any], *, user: int | None = None
    ) -> None:
        """Start it with ``config`` (YAML keys); ``root`` is served at / unless shares are named.

        ``user``: the user and group id it runs as; ``folder`` has to be that user's then.
        """
        self.folder = folder
        #: The user and group id it runs as; None: those of the tests.
        self.user = user
        self.root = root
        block = {"state": str(folder / "state"), **config.get("davkeep", {})}
        #: Its state folder; of one with the default state, who starts it knows where that is.
        self.state = Path(block["state"] or os.devnull)
        self._config = folder / "davkeep.yaml"
        self._config.write_text(yaml.safe_dump({**config, "davkeep": block}))
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self.start()

    @property
    def command(self) -> list[str]:
        """What Python runs."""
        return ["-m", "davkeep"]

    @property
    def environment(self) -> dict[str, str]:
        """What is added to the environment."""
        return {}

    def start(self) -> None:
        """Start the process and wait for the line that says where it serves."""
        python, packages = sys.executable, self.environment
        if self.user is not None:
            python = interpreter_for_others()
            own = [path for path in [packages.get("PYTHONPATH")] if path]
            packages = {**packages, "PYTHONPATH": os.pathsep.join([*own, *site.getsitepackages()])}
        command = [python, *self.command, "serve", "-p", "0", "-c", str(self._config)]
        if self.root is not None:
            command += ["--root", str(self.root)]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env={**os.environ, "PYTHONUNBUFFERED": "1", **packages},
            user=self.user,
            group=self.user,
            extra_groups=None if self.user is None else [],
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._reader = threading.Thread(target=self._read, args=(self.process.stderr,), daemon=True)
        self._reader.start()
        line = self.process.stdout.readline()
        match = re.fullmatch(r"Serving .* at (https?://\S+/)\n", line)
        if match is None:
            status = self.process.wait(DEADLINE)
            self._reader.join(DEADLINE)
            ended = f"the server did not start, but ended with {status}: {line!r}"
            raise AssertionError(f"{ended}\n{self.log}")
        self.url = match[1]
        parts = urlsplit(self.url)
        self.host, self.port = str(parts.hostname), int(parts.port or 0)

    def _read(self, stream: Any) -> None:
        for line in stream:
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()

    @property
    def log(self) -> str:
        """Everything that was logged so far."""
        with self._changed:
            return "".join(self._lines)

    def wait_for_log(self, pattern: str, times: int = 1, deadline: float = DEADLINE) -> list[str]:
        """Wait until ``times`` lines match ``pattern`` and return those that do."""
        found: list[str] = []

        def enough() -> bool:
            found[:] = [line for line in self._lines if re.search(pattern, line)]
            return len(found) >= times

        with self._changed:
            done = self._changed.wait_for(enough, deadline)
        assert done, f"{len(found)} lines with {pattern!r}, not {times}:\n{self.log}"
        return found

    @property
    def threads(self) -> int:
        """Threads of the process at this moment."""
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    @property
    def descriptors(self) -> int:
        """Open descriptors of the process at this moment."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def staging(self, folder: Path | None = None) -> list[Path]:
        """Staging entries below ``folder`` (the root), which may vanish while this looks."""
        top = folder or self.root
        assert top is not None
        found: list[Path] = []
        for above, folders, files in os.walk(top):
            hidden = [name for name in (*folders, *files) if is_hidden_name(name)]
            found += [Path(above) / name for name in hidden if name != MARKER]
            folders[:] = [name for name in folders if name not in hidden]
        return sorted(found)

    def stop(self, number: int = signal.SIGTERM, deadline: float = DEADLINE) -> int:
        """Send a signal and return the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(deadline)
        self._reader.join(deadline)
        return status

    def close(self) -> None:
        """End it, whatever state it is in."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._reader.join(DEADLINE)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


#: Starts a server: serve(config={...}, root=..., **blocks of ``davkeep:``).
Serve = Callable[..., RunningServer]
