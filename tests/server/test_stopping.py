"""The server's end: in order, in bounded time, from anywhere."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from davkeep.server import Server
from davkeep.words.threads import ThreadRefusedError


def test_stop_with_parked_and_busy_connections(open_house):
    """stop() takes about its time with a parked client (reset), an upload (cut), and an idle
    client (closed).
    """
    house = open_house()
    gate = house.gate(beat=None)
    reading = threading.Event()

    def upload(environ, start_response):
        reading.set()
        environ["wsgi.input"].read()
        start_response("204 No Content", [])
        return []

    house.route("/up", upload)
    idle = house.connect()
    assert idle.is_open()
    parked = house.connect().send("COPY /slow HTTP/1.1", "Host: x")
    house.connect().send("PUT /up HTTP/1.1", "Host: x", "Content-Length: 9")
    assert gate.parked.wait(10)
    assert reading.wait(10)
    began = time.monotonic()
    house.server.stop(0.3)
    assert time.monotonic() - began < 3
    with pytest.raises(ConnectionResetError):
        parked.rest()
    assert idle.rest() == b""
    assert gate.departures == 0
    with pytest.raises(ConnectionRefusedError):
        house.raw()


def test_stop_delivers_what_drain_ends(open_house):
    """What the application ends while it drains is still delivered, when nothing new is accepted
    any more.
    """
    told = []

    def drain(seconds):
        told.append(seconds)
        with contextlib.suppress(OSError), house.raw():
            told.append("accepted")
        gate.open()

    house = open_house(drain=drain)
    gate = house.gate(beat=None)
    wire = house.connect().send("COPY /slow HTTP/1.1", "Host: x")
    assert gate.parked.wait(10)
    house.server.stop(5)
    assert wire.answer().status == 201
    assert wire.rest() == b""
    assert len(told) == 1
    assert 0 < told[0] < 5


def test_stop_twice(open_house):
    """A second stop, at the same time or later, waits for the first one and does nothing."""
    drained = []
    house = open_house(drain=drained.append)
    threads = [threading.Thread(target=house.server.stop) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    house.server.stop()
    assert len(drained) == 1


def test_stop_before_serving(open_house):
    """A server that was prepared and never served can be stopped, and serve() then returns."""
    house = open_house()
    house.server.stop()
    house.thread.join(10)
    house.server.serve()


@pytest.mark.parametrize("signals", [1, 2])
def test_stop_in_a_signal_handler(signals):
    """SIGTERM during serve(), once or twice, ends the process in order."""
    program = textwrap.dedent(
        """
        import signal
        from davkeep.server import Server

        def app(environ, start_response):
            start_response("204 No Content", [])
            return []

        server = Server(("127.0.0.1", 0), app, drain=lambda seconds: print("drained", flush=True))
        server.prepare()
        signal.signal(signal.SIGTERM, lambda *_: server.stop())
        print(server.url, flush=True)
        server.serve()
        print("ended", flush=True)
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=os.environ | path()
    )
    with process:
        url = process.stdout.readline().strip()
        port = int(url.rstrip("/").rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), 10) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert sock.recv(12) == b"HTTP/1.1 204"
            for _ in range(signals):
                process.send_signal(signal.SIGTERM)
            assert process.communicate(timeout=20)[0] == "drained\nended\n"
    assert process.returncode == 0


def test_a_signal_needs_no_thread():
    """SIGTERM ends the process in order where the system starts no more threads."""
    program = textwrap.dedent(
        """
        import signal, threading
        from davkeep.server import Server

        def refuse(*_):
            raise RuntimeError("can't start new thread")

        server = Server(("127.0.0.1", 0), None, drain=lambda seconds: print("drained", flush=True))
        server.prepare()
        threading._start_new_thread = refuse
        signal.signal(signal.SIGTERM, lambda *_: server.stop())
        print(server.url, flush=True)
        server.serve()
        print("ended", flush=True)
        """
    )
    command, pipe = [sys.executable, "-c", program], subprocess.PIPE
    process = subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, env=os.environ | path()
    )
    with process:
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=20) == ("drained\nended\n", "")
    assert process.returncode == 0


@pytest.mark.parametrize("where", ["lot", "linger", "pool", "delivery"])
def test_a_server_without_its_threads_does_not_begin(refusing, until, where):
    """prepare() says which thread is refused, and ends those that it has started."""
    threads = set(threading.enumerate())
    refusing.begin(f"davkeep-{where}")
    server = Server(("127.0.0.1", 0), None)
    with pytest.raises(ThreadRefusedError, match=where):
        server.prepare()
    until(lambda: not set(threading.enumerate()) - threads)


def test_a_signal_before_it_serves():
    """A server that was asked to stop before it serves stops in order as soon as it does."""
    drained = []
    server = Server(("127.0.0.1", 0), None, drain=drained.append)
    server.prepare()
    server.ask_to_stop()
    assert drained == []
    server.serve()
    assert len(drained) == 1
    server.stop()


def path():
    """So that the program finds the package."""
    return {"PYTHONPATH": os.pathsep.join(sys.path)}


def test_descriptors_run_out(open_house, until, caplog):
    """Without descriptors left nothing is accepted for a while, the listener does not spin, and
    then it goes on.
    """
    house = open_house()
    accept = house.server._connections._listener
    refusing = _Refusing(accept)
    house.server._connections._listener = refusing
    wire = house.connect()
    assert wire.is_open()
    assert refusing.refused == 2
    assert sum("no connection can be accepted" in record.message for record in caplog.records) == 1


class _Refusing:
    """A listener for which descriptors run out twice."""

    def __init__(self, listener):
        self._listener = listener
        self.refused = 0

    def accept(self):
        if self.refused < 2:
            self.refused += 1
            raise OSError(24, "Too many open files")
        return self._listener.accept()

    def fileno(self):
        return self._listener.fileno()
