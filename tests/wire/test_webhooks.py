"""Webhooks of a real server, told to real receivers."""

import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.ports import LOOPBACK, refusing_ports
from harness.receiver import SECRET, receiving
from harness.server import DEADLINE, RunningServer, Serve
from harness.talking import request_of, talking
from harness.trees import contents, plant
from harness.waiting import until

#: Seconds within which a request that waits for nobody is answered on a busy machine.
PROMPT = 4.0


def test_an_end_is_told_once_and_signed(serve: Serve, root: Path, wire: Any) -> None:
    """A COPY's receiver gets one signed request that says what a client could have asked."""
    plant(root / "a b", 20)
    with receiving() as receiver:
        server = serve(webhooks=[receiver.row()])
        with wire(server) as client:
            answer = client.ask("COPY", "/a%20b/", {"Destination": f"{server.url}c/"})
            assert answer.status == 201
            (told,) = receiver.wait_for(1)
            assert client.ask("DELETE", "/c/").status == 204
        assert receiver.wait_for(2)[1].operation["method"] == "DELETE"
        assert server.stop() == 0
        assert len(receiver.told) == 2
    assert told.path == "/told?by=davkeep"
    assert told.fields["Content-Type"] == "application/json"
    assert told.is_signed()
    assert not told.is_signed("another secret")
    assert abs(int(told.fields["Webhook-Timestamp"]) - time.time()) < DEADLINE
    operation = told.operation
    assert told.fields["Webhook-Id"] == operation["id"]
    assert (operation["method"], operation["owner"]) == ("COPY", "")
    assert (operation["source"], operation["destination"]) == ("/a%20b", "/c")
    assert (operation["state"], operation["status"]) == ("succeeded", 201)
    assert (operation["members_done"], operation["errors"]) == (21, [])
    assert operation["estimatedSeconds"] is None
    assert operation["statusUrl"] == f"/.davkeep/operations/{operation['id']}"
    assert {"created", "members_total", "bytes_done", "bytes_total"} <= operation.keys()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a file that cannot be removed")
def test_failed_members_are_told(serve: Serve, root: Path, wire: Any) -> None:
    """The 207 of a client is the receiver's list of errors; the filter keeps out all else."""
    plant(root / "a", 3)
    with receiving() as receiver, ExitStack() as undo:
        subprocess.run(["chattr", "+i", root / "a" / "00001"], check=True)
        undo.callback(subprocess.run, ["chattr", "-i", root / "a" / "00001"], check=True)
        server = serve(webhooks=[receiver.row(methods=["DELETE"], states=["failed"])])
        with wire(server) as client:
            assert client.ask("COPY", "/a/", {"Destination": f"{server.url}b/"}).status == 201
            assert client.ask("DELETE", "/b/").status == 204
            assert client.ask("DELETE", "/a/").status == 207
        (told,) = receiver.wait_for(1)
    operation = told.operation
    assert (operation["state"], operation["status"]) == ("failed", 207)
    assert operation["errors"] == [{"href": "/a/00001", "status": 403}]
    assert operation["errors_total"] == 1


def test_a_receiver_that_fails_is_asked_again(serve: Serve, root: Path, wire: Any) -> None:
    """Two errors and then a success: three requests with one identifier, and no more."""
    plant(root / "a", 2)
    with receiving(500, 500, 200) as receiver:
        server = serve(webhooks=[receiver.row()])
        with wire(server) as client:
            client.ask("MOVE", "/a/", {"Destination": f"{server.url}b/"})
        told = receiver.wait_for(3)
        server.wait_for_log("webhook 0 .* was told of operation")
        assert server.stop() == 0
    assert len({each.fields["Webhook-Id"] for each in told}) == 1
    assert len({each.body for each in told}) == 1
    assert all(each.is_signed() for each in told)
    assert len(receiver.told) == 3


def test_a_receiver_that_always_fails_is_given_up(serve: Serve, root: Path, wire: Any) -> None:
    """After the last attempt the log warns, and shows neither URL nor secret."""
    plant(root / "a", 2)
    with receiving(500) as receiver:
        server = serve(webhooks=[receiver.row(attempts=2)])
        with wire(server) as client:
            client.ask("DELETE", "/a/")
        server.wait_for_log("WARNING .* given up after attempt 2: status 500")
        assert len(receiver.told) == 2
    assert SECRET not in server.log
    assert "by=davkeep" not in server.log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_could_not_be_told_outlives_the_server(
    serve: Serve, root: Path, wire: Any, number: signal.Signals
) -> None:
    """Whoever got a 201 can rely on it: stopped or killed right after, it is told after a start."""
    plant(root / "a", 2)
    with refusing_ports(1) as (port,):
        row = {"url": f"http://{LOOPBACK}:{port}/told", "secret": SECRET, "pause": 0.5}
        server = serve(webhooks=[row])
        with wire(server) as client:
            assert client.ask("COPY", "/a/", {"Destination": f"{server.url}b/"}).status == 201
            server.stop(number)
    with receiving(port=port) as receiver:
        server.start()
        (told,) = receiver.wait_for(1)
        server.wait_for_log("webhook 0 .* was told of operation")
        assert server.stop() == 0
        server.start()
        with wire(server) as client:
            client.ask("DELETE", "/b/")
        assert [each.operation["method"] for each in receiver.wait_for(2)] == ["COPY", "DELETE"]
    assert told.operation["destination"] == "/b"
    assert told.is_signed()


def test_what_a_stop_interrupts_is_told_after_the_start(
    serve: Serve, root: Path, wire: Any
) -> None:
    """An operation that ended with its server is told of as interrupted."""
    plant(root / "a", 1000)
    with receiving() as receiver:
        server = serve(
            {"server_args": {"shutdown_timeout": 1}},
            operations={"max_members_per_second": 50},
            keepalive={"first_after": 0.1},
            webhooks=[receiver.row()],
        )
        with wire(server) as client:
            client.send("COPY", "/a", {"Destination": f"{server.url}b"})
            assert client.interim() == 102
            assert server.stop() == 0
        server.start()
        (told,) = receiver.wait_for(1)
    assert told.operation["state"] == "interrupted"
    assert "Traceback" not in server.log


def test_a_black_hole_delays_nobody(serve: Serve, root: Path, wire: Any) -> None:
    """A receiver that never answers delays neither operations, nor other receivers, nor the end."""
    planted = plant(root / "a", 5)
    with receiving(None) as hole, receiving() as receiver:
        server = serve(webhooks=[hole.row(timeout=60), receiver.row()])
        began = time.monotonic()
        with wire(server) as client:
            for number in range(10):
                destination = {"Destination": f"{server.url}b{number}/"}
                assert client.ask("COPY", "/a/", destination).status == 201
        receiver.wait_for(10)
        hole.wait_for(1)
        assert time.monotonic() - began < PROMPT
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < PROMPT
    assert contents(root / "b9") == planted
    assert len(receiver.told) == 10
    assert "Traceback" not in server.log


def test_a_receiver_that_is_away_delays_nobody(serve: Serve, root: Path, wire: Any) -> None:
    """Nobody listens where one is told, and the other is told as fast as ever."""
    plant(root / "a", 5)
    with receiving() as receiver, refusing_ports(1) as (port,):
        dead = {"url": f"http://{LOOPBACK}:{port}/", "secret": SECRET}
        server = serve(webhooks=[dead, receiver.row()])
        began = time.monotonic()
        with wire(server) as client:
            assert client.ask("COPY", "/a/", {"Destination": f"{server.url}b/"}).status == 201
        receiver.wait_for(1)
        assert time.monotonic() - began < PROMPT
        server.wait_for_log("webhook 0 .* was not told .* ConnectionRefusedError")


def test_clients_cannot_choose_the_url(serve: Serve, root: Path, wire: Any) -> None:
    """Nothing that a request carries makes the server call anybody, nor changes where it calls."""
    plant(root / "a", 2)
    with receiving() as receiver, receiving() as foreign:
        server = serve(webhooks=[receiver.row()])
        named = {
            "Destination": f"{server.url}b/",
            "Callback": foreign.url,
            "Webhook-Url": foreign.url,
            "X-Webhook-Url": foreign.url,
            "Notification-Type": "Update",
            "Call-Back": f"<{foreign.url}>",
            "Referer": foreign.url,
            "Origin": foreign.url,
            "Forwarded": f"host=127.0.0.1:{foreign.server_port}",
            "X-Forwarded-Host": f"127.0.0.1:{foreign.server_port}",
            "Prefer": f'respond-async, callback="{foreign.url}"',
        }
        with wire(server) as client:
            assert client.ask("COPY", "/a/", named).status in (201, 202)
            path = f"/c?webhook={foreign.url}"
            client.ask("COPY", path, {"Destination": f"{server.url}d/"})
            client.ask("PUT", "/.davkeep/webhooks", {}, foreign.url.encode())
        told = receiver.wait_for(1)
        assert {each.path for each in told} == {"/told?by=davkeep"}
        assert server.stop() == 0
        assert foreign.told == []


def test_a_redirection_of_the_receiver_is_not_followed(serve: Serve, root: Path, wire: Any) -> None:
    """A receiver cannot pass the server on to another address either."""
    plant(root / "a", 2)
    with receiving() as foreign, receiving((307, {"Location": foreign.url})) as receiver:
        server = serve(webhooks=[receiver.row(attempts=2)])
        with wire(server) as client:
            client.ask("DELETE", "/a/")
        server.wait_for_log("given up after attempt 2: status 307")
        assert foreign.told == []


def test_a_url_that_left_the_configuration_is_not_told(serve: Serve, root: Path, wire: Any) -> None:
    """After a change of the file, what was for the old URL is dropped, and the log says so."""
    plant(root / "a", 2)
    with refusing_ports(1) as (port,):
        server = serve(webhooks=[{"url": f"http://{LOOPBACK}:{port}/", "secret": SECRET}])
        with wire(server) as client:
            client.ask("DELETE", "/a/")
        assert server.stop() == 0
    file = server.folder / "davkeep.yaml"
    config = yaml.safe_load(file.read_text())
    config["davkeep"]["webhooks"] = []
    file.write_text(yaml.safe_dump(config))
    server.start()
    server.wait_for_log("1 deliveries to URLs that are not configured are dropped")


def test_webhooks_are_not_said_to_be_without_effect(serve: Serve) -> None:
    """They have one."""
    with receiving() as receiver:
        server = serve(webhooks=[receiver.row()])
        assert server.stop() == 0
    assert "has no effect" not in server.log


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"url": "http://127.0.0.1/"}, "davkeep.webhooks.0.secret: "),
        ({"url": "file:///etc/passwd", "secret": "s"}, "davkeep.webhooks.0.url: "),
        (
            {"url": "http://127.0.0.1/", "secret_file": "missing"},
            "davkeep.webhooks.0.secret_file: ",
        ),
        (
            {"url": "http://127.0.0.1/", "secret": "s", "attempts": 0},
            "davkeep.webhooks.0.attempts: ",
        ),
    ],
)
def test_a_wrong_row_is_refused_at_start(
    tmp_path: Path, root: Path, row: dict[str, Any], said: str
) -> None:
    """Exit status 2 and one line that names the key, before anything is served."""
    file = tmp_path / "davkeep.yaml"
    file.write_text(json.dumps({"davkeep": {"webhooks": [row], "state": str(tmp_path / "state")}}))
    command = [sys.executable, "-m", "davkeep", "serve", str(root), "-p", "0", "-c", str(file)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_many_ends_are_all_told(serve: Serve, root: Path, wire: Any) -> None:
    """Each of fifty uploads is told once, with its own identifier."""
    with receiving() as receiver:
        server = serve(webhooks=[receiver.row(methods=["PUT"])])
        with wire(server) as client:
            for number in range(50):
                assert client.ask("PUT", f"/{number}", {}, b"x").status == 201
        told = receiver.wait_for(50)
        until(lambda: len(receiver.told) == 50, "all are told")
        assert server.stop() == 0
    assert len({each.fields["Webhook-Id"] for each in told}) == len(receiver.told) == 50
    assert {each.operation["source"] for each in told} == {f"/{number}" for number in range(50)}


def _put_many(server: Any, wire: Any, first: int, count: int) -> float:
    """The seconds that so many small PUTs take."""
    began = time.monotonic()
    with wire(server) as client:
        for number in range(first, first + count):
            assert client.ask("PUT", f"/{number}", {}, b"x").status == 201
    return time.monotonic() - began


def test_receivers_that_refuse_cost_the_work_little(tmp_path: Path, wire: Any) -> None:
    """PUTs beside ten of them take less than twice as long as beside none, in one run.

    How much less is a figure of the benchmark; one transaction for each event and receiver made it
    ten times as long.
    """
    with ExitStack() as opened:
        ports = opened.enter_context(refusing_ports(10))
        rows = [{"url": f"http://{LOOPBACK}:{port}/", "secret": SECRET} for port in ports]
        servers = []
        for name, webhooks in (("none", []), ("ten", rows)):
            root = tmp_path / name / "root"
            root.mkdir(parents=True)
            server = RunningServer(root.parent, root, {"davkeep": {"webhooks": webhooks}})
            opened.callback(server.close)
            servers.append(server)
        seconds: list[list[float]] = [[], []]
        for turn in range(5):
            for server, taken in zip(servers, seconds, strict=True):
                taken.append(_put_many(server, wire, turn * 100, 100))
    without, beside = (statistics.median(each) for each in seconds)
    assert beside < 2 * without


def test_what_many_have_to_tell_outlives_a_stop(serve: Serve, root: Path, wire: Any) -> None:
    """SIGTERM right after the last of two hundred answers: all are told after the start."""
    with refusing_ports(1) as (port,):
        server = serve(webhooks=[{"url": f"http://{LOOPBACK}:{port}/told", "secret": SECRET}])
        _put_many(server, wire, 0, 200)
        assert server.stop() == 0
    with receiving(port=port) as receiver:
        server.start()
        told = receiver.wait_for(200)
    # A busy receiver's threads may swap some.
    assert sorted(each.operation["source"] for each in told) == sorted(f"/{n}" for n in range(200))


def test_interim_responses_of_a_receiver_are_not_its_answer(
    serve: Serve, root: Path, wire: Any
) -> None:
    """102 and 103 before the 200: it is told once."""
    asked: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        while request := request_of(connection):
            asked.append(request)
            for status in (102, 103, 102):
                connection.sendall(b"HTTP/1.1 %d Wait\r\n\r\n" % status)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with talking(talk) as (host, port):
        row = {"url": f"http://{host}:{port}/", "secret": SECRET, "pause": 0.05}
        server = serve(webhooks=[row])
        _put_many(server, wire, 0, 1)
        server.wait_for_log("webhook 0 .* was told of operation")
        assert server.stop() == 0
    assert len(asked) == 1
