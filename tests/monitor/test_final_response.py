"""``/.davkeep/operations/{id}/response``: the final response, as its client got it."""

from pathlib import Path
from typing import Any

import pytest

from davkeep.operations import MemberFailure, Outcome
from harness.dav import condition, failed
from harness.inside import Inside, Start
from harness.onlooker import OPERATIONS, Onlooker
from harness.server import Serve
from harness.trees import plant
from harness.waiting import until

OUTCOMES = [
    Outcome(201, fields=(("ETag", '"x"'),)),
    Outcome(204),
    Outcome(207, (MemberFailure("/a/x", 403), MemberFailure("/a/y%20", 507))),
    Outcome(403, explanation="Permission denied"),
    Outcome(409, explanation="It was cancelled.", condition="operation-cancelled"),
    Outcome(423, fields=(("Retry-After", "2"),)),
    Outcome(507),
]


@pytest.fixture
def server(inside: Start) -> Inside:
    """A server in this process."""
    return inside()


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda each: str(each.status))
def test_a_replay_is_framed_as_any_response(server: Inside, outcome: Outcome) -> None:
    """Status, fields and content; after it, and after HEAD, the connection is good for more."""
    path = f"{OPERATIONS}/{server.ended(outcome=outcome).operation.id}/response"
    with server.wire() as wire:
        answers = [wire.ask(method, path) for method in ("GET", "HEAD", "GET")]
        assert wire.ask("GET", OPERATIONS).status == 200
    for answer in answers:
        assert answer.status == outcome.status
        assert set(outcome.fields) <= {
            (name.replace("Etag", "ETag"), value) for name, value in answer.fields.items()
        }
        assert answer.fields["Cache-Control"] == "no-store"
        assert "Transfer-Encoding" not in answer.fields
    assert answers[0].body == answers[2].body
    assert answers[1].body == b""
    if outcome.status == 204:
        assert "Content-Length" not in answers[0].fields
    else:
        length = str(len(answers[0].body))
        assert [answer.fields["Content-Length"] for answer in answers] == [length] * 3
    if outcome.failures:
        assert failed(answers[0]) == {each.href: each.status for each in outcome.failures}
    if outcome.condition:
        assert condition(answers[0]) == ("operation-cancelled", [])


def test_while_there_is_none(server: Inside) -> None:
    """202 and the status monitor's own words."""
    user, held = Onlooker(server.url), server.begin()
    answer = user.look(held.operation.id, "/response")
    assert (answer.status_code, answer.json()["state"]) == (202, "running")
    assert "Retry-After" in answer.headers
    held.end()
    assert user.look(held.operation.id, "/response").status_code == 201


@pytest.mark.parametrize(
    ("method", "there", "status"),
    [("COPY", False, 201), ("COPY", True, 204), ("MOVE", False, 201), ("DELETE", False, 204)],
)
def test_it_is_what_the_client_got(
    serve: Serve, root: Path, wire: Any, method: str, there: bool, status: int
) -> None:
    """The same bytes, but for the fields of the moment."""
    plant(root / "a", 3)
    if there:
        plant(root / "b", 1)
    server = serve()
    with wire(server) as client:
        got = client.ask(method, "/a", {"Destination": f"{server.url}b"})
        id = Onlooker(server.url).list()[0]["id"]
        again = client.ask("GET", f"{OPERATIONS}/{id}/response")
    assert (got.status, again.status, again.body) == (status, status, got.body)
    ours = {"Date", "Cache-Control", "Vary"}
    assert {name: value for name, value in again.fields.items() if name not in ours} == {
        name: value for name, value in got.fields.items() if name not in ours
    }


def test_a_put_has_its_entity_tag(serve: Serve, wire: Any) -> None:
    """What a client needs to go on with is in the replay as well."""
    server = serve()
    with wire(server) as client:
        got = client.ask("PUT", "/file", {}, b"1")
        id = Onlooker(server.url).list()[0]["id"]
        again = client.ask("GET", f"{OPERATIONS}/{id}/response")
    assert again.status == got.status == 201
    assert again.fields.get("Etag") == got.fields.get("Etag")


def test_who_got_a_replay_has_got_the_answer(serve: Serve, root: Path, wire: Any) -> None:
    """A client that lost its connection and asks for the response is told; a repeat is new then."""
    plant(root / "a", 150)
    server = serve(
        keepalive={"first_after": 0.1, "interval": 0.1},
        operations={"max_members_per_second": 100, "grace": 0},
    )
    user = Onlooker(server.url)
    with wire(server) as client:
        client.send("COPY", "/a", {"Destination": f"{server.url}b", "Overwrite": "F"})
        assert client.interim() == 102
    server.wait_for_log("has gone while waiting")
    (told,) = user.list()
    assert user.look(told["id"], "/response", Prefer="wait=60").status_code == 201
    assert user.look(told["id"]).json()["state"] == "succeeded"
    with wire(server) as client:

        def is_new() -> bool:
            fields = {"Destination": f"{server.url}b", "Overwrite": "F"}
            return client.ask("COPY", "/a", fields).status == 412

        until(is_new, "the replay was acknowledged")
