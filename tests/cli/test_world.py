"""Commands, each a process of its own, in a world that is not as it should be."""

import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from harness.commands import DAVKEEP, environment, run
from harness.inside import Inside, Start
from harness.saying import answer, saying
from harness.server import DEADLINE

SHOWING = (["--version"], ["--help"], ["serve", "--help"], ["profiles"], ["profiles", "--json"])


@pytest.fixture
def server(inside: Start) -> Inside:
    """A server with an operation to show."""
    started = inside()
    started.ended()
    return started


def shell(line: str, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    """Run a line of a shell, in which "$@" is a command of davkeep's."""
    command = ["/bin/bash", "-c", line, "bash", *DAVKEEP, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=DEADLINE, env=environment(**environ)
    )


# Streams


@pytest.mark.parametrize(
    ("line", "status", "told"),
    [
        ('"$@" >/dev/full', 1, "standard output cannot be written: No space left on device"),
        ('"$@" >&-', 1, "standard output cannot be written: Bad file descriptor"),
        ('"$@" >/dev/full 2>/dev/full', 1, None),
        ('"$@" >&- 2>&- <&-', 1, None),
    ],
)
@pytest.mark.parametrize(
    "arguments", [SHOWING[0], SHOWING[3], ["ops"], ["ops", "--watch"]], ids=str
)
def test_output_that_is_lost(
    server: Inside, line: str, status: int, told: str | None, arguments: list[str]
) -> None:
    """One line that says so, and status 1."""
    words = [*arguments, server.url] if arguments[0] == "ops" else arguments
    done = shell(line, *words)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr == ("" if told is None else f"davkeep: {told}\n")


@pytest.mark.parametrize(
    "arguments", [*SHOWING, ["ops"], ["ops", "--json"], ["ops", "--watch"]], ids=str
)
def test_output_that_nobody_reads(server: Inside, arguments: list[str]) -> None:
    """A pipe whose reader has gone (`| head`) ends it without a word, as SIGPIPE would."""
    words = [*arguments, server.url] if arguments[0] == "ops" else arguments
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer) as unread:
        command = [*DAVKEEP, *words]
        done = subprocess.run(command, stdout=unread, stderr=subprocess.PIPE, env=environment())
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


@pytest.mark.parametrize("arguments", [["unknown"], ["ops", "ftp://h/"], ["serve", "/nonexistent"]])
@pytest.mark.parametrize("line", ['"$@" 2>/dev/full', '"$@" 2>&-'])
def test_problems_that_nobody_can_be_told(line: str, arguments: list[str]) -> None:
    """The exit status is what it is otherwise."""
    done = shell(line, *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (run(*arguments).returncode, "", "")


@pytest.mark.parametrize("streams", [">/dev/full 2>/dev/full", ">&- 2>&- <&-", ">/dev/full"])
def test_what_serves_needs_no_streams(tmp_path: Path, streams: str) -> None:
    """A server that can tell nobody serves, and stops with status 0."""
    config = tmp_path / "davkeep.yaml"
    config.write_text(f"davkeep: {{state: {tmp_path / 'state'}}}")
    (tmp_path / "root").mkdir()
    line = f'"$@" {streams} & pid=$!; until [ -S {tmp_path}/state/control ]; do :; done;'
    words = ["serve", "-p", "0", "-c", str(config), str(tmp_path / "root")]
    done = shell(f"{line} kill $pid; wait $pid", *words)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)


@pytest.mark.parametrize(
    "environ",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii"},
    ],
    ids=["C", "ascii"],
)
def test_a_locale_that_cannot_write_a_name(environ: dict[str, str]) -> None:
    """Names of resources, users and files are written by their codes."""
    name = {"source": "/%C3%A9\u0436", "owner": "jö", "state": "running", "status": None}
    told = json.dumps([name]).encode()
    with saying(answer(told)) as url:
        done = run("ops", url, **environ)
    assert (done.returncode, done.stderr) == (0, "")
    assert r"/\xe9\u0436" in done.stdout
    missing = run("serve", "/nonexistent/é\udcff", **environ)
    assert (missing.returncode, missing.stderr.count("\n")) == (2, 1)
    assert "Traceback" not in missing.stderr


# Signals


#: Modules at whose import Ctrl-C comes: of the first moments, and later ones.
MOMENTS = ("argparse", "davkeep.terminal", "davkeep.cli", "davkeep.client.wire", "h11")


@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_in_the_first_moments(moment: str) -> None:
    """It ends by the signal, and says nothing, also before the command has begun."""
    command = [sys.executable, "-X", "importtime", *DAVKEEP[1:], "ops", "http://192.0.2.1/"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment()) as process:
        lines = _stderr(process)
        assert any(line.rpartition("|")[2].strip() == moment for line in lines)
        process.send_signal(signal.SIGINT)
        rest = [line for line in lines if not line.startswith("import time:")]
        assert process.wait(DEADLINE) == -signal.SIGINT
    assert rest == []


def _stderr(process: "subprocess.Popen[str]") -> Iterator[str]:
    stream = process.stderr
    assert stream is not None
    return iter(stream)


def on_terminal(*arguments: str, **environ: str) -> tuple[int, "subprocess.Popen[bytes]"]:
    """A command on a terminal of its own; the descriptor is the other side of that."""
    leader, follower = pty.openpty()

    def take_terminal() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    streams: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), follower)
    process = subprocess.Popen(
        [*DAVKEEP, *arguments], **streams, preexec_fn=take_terminal, env=environment(**environ)
    )
    os.close(follower)
    return leader, process


def read_until(descriptor: int, text: bytes | None) -> bytes:
    """What is written up to some text, or up to the end."""
    read = b""
    with suppress(OSError):
        while text is None or text not in read:
            piece = os.read(descriptor, 4096)
            if not piece:
                break
            read += piece
    return read


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_cursor_comes_back(inside: Start, number: signal.Signals) -> None:
    """A watch that a signal ends shows the cursor again, and ends by it (Ctrl-C: 0)."""
    server = inside()
    server.begin()
    leader, process = on_terminal("ops", "--watch", server.url)
    read_until(leader, b"running")
    process.send_signal(number)
    rest = read_until(leader, None)
    assert process.wait(DEADLINE) == (0 if number == signal.SIGINT else -number)
    os.close(leader)
    assert b"\x1b[?25h" in rest
    assert b"Traceback" not in rest


def test_the_cursor_while_it_is_stopped(inside: Start) -> None:
    """Ctrl-Z shows it, and going on hides it again.

    A process without a shell above it goes on at once (POSIX: its process group is orphaned).
    """
    server = inside()
    held = server.begin()
    leader, process = on_terminal("ops", "--watch", server.url)
    read_until(leader, b"running")
    process.send_signal(signal.SIGTSTP)
    assert b"\x1b[?25h\x1b[?25l" in read_until(leader, b"\x1b[?25h\x1b[?25l")
    held.end()
    assert b"succeeded" in read_until(leader, None)
    assert process.wait(DEADLINE) == 0
    os.close(leader)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_echo_comes_back(number: signal.Signals) -> None:
    """A signal at the prompt leaves the terminal as it was."""
    leader, process = on_terminal("ops", "--user", "jö\x1b[2J", "http://127.0.0.1:1/")
    before = termios.tcgetattr(leader)
    prompt = read_until(leader, b"127.0.0.1: ")
    assert b"\x1b" not in prompt
    assert not termios.tcgetattr(leader)[3] & termios.ECHO
    process.send_signal(number)
    assert process.wait(DEADLINE) == -number
    after = termios.tcgetattr(leader)
    os.close(leader)
    assert after == before


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (b"\x04", b"davkeep: no password was given"),
        (b"a\x00b\n", b"the password holds characters"),
    ],
)
def test_odd_answers_at_the_prompt(typed: bytes, told: bytes) -> None:
    """Ctrl-D and control characters are one line and status 1."""
    leader, process = on_terminal("ops", "--user", "ann", "http://127.0.0.1:1/")
    read_until(leader, b"127.0.0.1: ")
    os.write(leader, typed)
    rest = read_until(leader, None)
    assert (process.wait(DEADLINE), told in rest, b"Traceback" in rest) == (1, True, False)
    os.close(leader)


# What is given


@pytest.mark.parametrize(
    "url",
    [
        f"http://{'x' * 64}/",
        f"https://{'x' * 64}.example/",
        "http://a..b/",
        "http://[fe80::1%25nosuch]/",
        "http://[::1/",
        "http://h:70000/",
        "http://h:0/",
        "http://h:x/",
        "http://ho st/",
        "http://h\n.example/",
        "http://é.example/",
        "http://ann:secret@h/",
        "http://ann:sec/ret@h/",
        "ann:secret?@h",
        "http://[::1%25\x1b]/",
    ],
)
def test_urls(url: str) -> None:
    """One line, status 1, no secret and no escape sequence."""
    for command in ("ops", "probe"):
        done = run(command, url)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
        assert "Traceback" not in done.stderr
        assert "sec" not in done.stderr.replace("secure", "")
        assert "\x1b" not in done.stderr


@pytest.mark.parametrize(
    "content",
    [
        b"\x00\xff\xfe\x80",
        b"machine 127.0.0.1 login ann password p\xe4ss",
        b"machine 127.0.0.1 login ann secret secret",
        b"machine",
        None,
    ],
    ids=["binary", "latin-1", "malformed", "short", "folder"],
)
def test_a_netrc_that_is_none(tmp_path: Path, content: bytes | None) -> None:
    """One line that repeats nothing of the file."""
    file = tmp_path / ".netrc"
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)
        file.chmod(0o600)
    done = run("ops", "http://127.0.0.1:1/", HOME=str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "secret" not in done.stderr
    if content != b"machine":
        assert "~/.netrc" in done.stderr


@pytest.mark.parametrize("scheme", ['Basic realm="x"', 'Digest realm="x", nonce="n", qop="auth"'])
@pytest.mark.parametrize("user", ["ann", "a\nb", "a\udcff", "j\u0436"])
@pytest.mark.parametrize("password", ["sec\nret", "sec\x7fret", "sec\udcffret", "sec\u0436ret"])
def test_odd_names_and_passwords(scheme: str, user: str, password: str) -> None:
    """They are sent as the bytes that they are or refused in a line; no line holds a password."""
    with saying(answer(b"", "401 No", f"WWW-Authenticate: {scheme}")) as url:
        done = run("ops", "--user", user, url, DAVKEEP_PASSWORD=password)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    for secret in ("sec", "Authorization", "Traceback"):
        assert secret not in done.stderr


@pytest.mark.parametrize("content", ["[" * 3000, "a: 2001-99-99", "port: " + "9" * 5000])
def test_a_configuration_that_is_beyond_reading(tmp_path: Path, content: str) -> None:
    """Depth, dates and numbers that there cannot be are one line and status 2."""
    file = tmp_path / "davkeep.yaml"
    file.write_text(content)
    done = run("profiles", "-c", str(file))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
