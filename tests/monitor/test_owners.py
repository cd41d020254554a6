"""Who sees and cancels which operation, and the list of all that one sees."""

from typing import Any

import pytest
from requests.auth import HTTPBasicAuth, HTTPDigestAuth

from davkeep.operations import MemberFailure, Outcome
from harness.inside import Inside, Start
from harness.onlooker import OPERATIONS, Onlooker

USERS = {name: {"password": f"{name}'s"} for name in ("ann", "bob", "carol")}
ANN, BOB, CAROL = ((name, f"{name}'s") for name in USERS)


@pytest.fixture(params=[HTTPBasicAuth, HTTPDigestAuth])
def scheme(request: pytest.FixtureRequest) -> Any:
    """How users prove who they are."""
    return request.param


@pytest.fixture
def guarded(inside: Start) -> Inside:
    """A server of users only, of whom Carol is an administrator."""
    top = {"simple_dc": {"user_mapping": {"*": USERS}}}
    return inside(top, administrators=["carol"])


@pytest.fixture
def mixed(inside: Start, tmp_path: Any) -> Inside:
    """A server with a share for everybody and one of users."""
    for name in ("open", "own"):
        (tmp_path / name).mkdir()
    top = {
        "provider_mapping": {"/": str(tmp_path / "open"), "/own": str(tmp_path / "own")},
        "simple_dc": {"user_mapping": {"/": True, "/own": USERS}},
    }
    return inside(top, administrators=["carol"])


def _seen(user: Onlooker) -> set[str]:
    return {each["id"] for each in user.list()}


def test_users_see_their_own(guarded: Inside, scheme: Any) -> None:
    """Others' are 404 in every respect; the administrator sees and cancels all."""
    anns, bobs = guarded.begin("ann").operation, guarded.begin("bob").operation
    ann, bob, carol = (Onlooker(guarded.url, scheme(*each)) for each in (ANN, BOB, CAROL))
    assert (_seen(ann), _seen(bob)) == ({anns.id}, {bobs.id})
    assert _seen(carol) == {anns.id, bobs.id}
    for method, below in (("GET", ""), ("DELETE", ""), ("OPTIONS", ""), ("GET", "/response")):
        foreign = bob.ask(method, f"{OPERATIONS}/{anns.id}{below}")
        unknown = bob.ask(method, f"{OPERATIONS}/{'0' * 32}{below}")
        assert (foreign.status_code, foreign.text) == (unknown.status_code, unknown.text)
        assert foreign.status_code == 404
    assert ann.look(anns.id).json()["owner"] == "ann"
    assert carol.look(bobs.id).json()["owner"] == "bob"
    assert not anns.is_cancel_due
    assert ann.cancel(anns.id).status_code == 202
    assert carol.cancel(bobs.id).status_code == 202


def test_strangers_are_asked_who_they_are(guarded: Inside) -> None:
    """401 before anything is told, for wrong passwords too."""
    id = guarded.begin("ann").operation.id
    for auth in (None, HTTPBasicAuth("ann", "wrong")):
        for path in (OPERATIONS, f"{OPERATIONS}/{id}", f"{OPERATIONS}/{'0' * 32}"):
            assert Onlooker(guarded.url, auth).ask("GET", path).status_code == 401


def test_users_where_everybody_may_come(mixed: Inside, scheme: Any) -> None:
    """Who sees nothing without a name is asked for it, so that clients of Digest can tell it."""
    held = mixed.begin("ann")
    ann, nobody = Onlooker(mixed.url, scheme(*ANN)), Onlooker(mixed.url)
    assert _seen(ann) == {held.operation.id}
    assert ann.look(held.operation.id).status_code == 202
    asked = nobody.look(held.operation.id)
    assert asked.status_code == 401
    assert 'realm="/own"' in asked.headers["WWW-Authenticate"]
    assert nobody.ask("GET", OPERATIONS).status_code == 401
    own = mixed.begin().operation.id
    assert _seen(nobody) == {own}
    assert nobody.look(own).status_code == 202
    assert nobody.cancel(held.operation.id).status_code == 401
    assert not held.operation.is_cancel_due


def test_anonymous_ones_are_told_apart_by_their_address(inside: Start) -> None:
    """Somebody who is no administrator (another Host: not a program of this machine)."""
    server = inside()
    own, foreign = server.begin().operation, server.begin(address="192.0.2.7").operation
    user, administrator = Onlooker(server.url, host="dav.example"), Onlooker(server.url)
    assert _seen(user) == {own.id}
    assert _seen(administrator) == {own.id, foreign.id}
    assert user.look(foreign.id).status_code == user.cancel(foreign.id).status_code == 404
    assert user.look(foreign.id, "/response").status_code == 404
    assert user.cancel(own.id).status_code == 202


def test_a_trusted_proxy_tells_who_it_is(inside: Start) -> None:
    """Behind one, everybody has the address that it tells; a client cannot take another's."""
    server = inside(trusted_proxies=["127.0.0.1"])
    id = server.begin(address="192.0.2.7").operation.id
    user = Onlooker(server.url)
    assert user.look(id, X_Forwarded_For="192.0.2.7").status_code == 202
    assert user.look(id, X_Forwarded_For="192.0.2.7, 192.0.2.8").status_code == 404
    assert user.look(id).status_code == 404


# The list


def test_the_newest_comes_first(inside: Start) -> None:
    """Running ones and those that are over in one order; each as its monitor tells it."""
    server = inside()
    user = Onlooker(server.url)
    assert user.list() == []
    admitted = [server.ended(), server.begin(), server.ended(outcome=Outcome(403)), server.admit()]
    found = user.list()
    assert [each["id"] for each in found] == [each.operation.id for each in admitted[::-1]]
    assert [each["state"] for each in found] == ["pending", "failed", "running", "succeeded"]
    assert found[3] == user.look(admitted[0].operation.id).json()


def test_the_list_names_few_failed_members(inside: Start) -> None:
    """Their number is whole; the monitor itself names them."""
    server = inside()
    failures = tuple(MemberFailure(f"/a/{number}", 403) for number in range(50))
    server.ended(outcome=Outcome(207, failures))
    (told,) = Onlooker(server.url).list()
    assert (len(told["errors"]), told["errors_total"]) == (3, 50)


def test_how_the_list_is_sent(inside: Start) -> None:
    """HEAD, 304, OPTIONS and 405, as for one operation."""
    server = inside()
    user, held = Onlooker(server.url), server.ended()
    looked = user.ask("GET", OPERATIONS)
    assert looked.headers["Content-Type"] == "application/json"
    assert looked.headers["Cache-Control"] == "no-store"
    head = user.ask("HEAD", OPERATIONS)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["ETag"] == looked.headers["ETag"]
    same = user.ask("GET", OPERATIONS, If_None_Match=looked.headers["ETag"])
    assert (same.status_code, same.content) == (304, b"")
    server.begin()
    assert user.ask("GET", OPERATIONS, If_None_Match=looked.headers["ETag"]).status_code == 200
    assert user.ask("GET", f"{OPERATIONS}/").json()[-1]["id"] == held.operation.id
    for method in ("DELETE", "POST", "PUT", "PROPFIND", "MKCOL", "COPY"):
        answer = user.ask(method, OPERATIONS)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
    answer = user.ask("OPTIONS", OPERATIONS)
    assert (answer.status_code, answer.headers["Allow"]) == (200, "GET, HEAD, OPTIONS")
