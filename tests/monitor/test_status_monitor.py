"""``/.davkeep/operations/{id}``: each state as it is told, over real sockets."""

import pytest

from davkeep.operations import MemberFailure, Operation, Outcome, State
from davkeep.operations.outcome import interrupted
from harness.inside import Inside, Start
from harness.onlooker import OPERATIONS, Onlooker
from harness.waiting import until

#: What every status monitor says at least (the design, section 4), and what else this one does.
MEMBERS = {
    *("id", "method", "source", "destination", "state", "created", "members_done"),
    *("members_total", "bytes_done", "bytes_total", "estimatedSeconds", "status", "errors"),
    "statusUrl",
    *("owner", "ended", "explanation", "left_behind", "errors_total", "members_per_second"),
    *("bytes_per_second", "cancelling", "cancellable", "responseUrl"),
}
FAILURES = (MemberFailure("/a/x", 403), MemberFailure("/a/y", 500))


@pytest.fixture
def server(inside: Start) -> Inside:
    """A server on which the anonymous user of this machine is an administrator."""
    return inside()


@pytest.fixture
def user(server: Inside) -> Onlooker:
    """That one."""
    return Onlooker(server.url)


# States


def test_pending(server: Inside, user: Onlooker) -> None:
    """202 with what was asked for, and when to look again; nothing is known of the rest."""
    operation = server.admit().operation
    answer = user.look(operation.id)
    assert answer.status_code == 202
    assert answer.headers["Content-Type"] == "application/json"
    assert int(answer.headers["Retry-After"]) >= 1
    told = answer.json()
    assert told.keys() == MEMBERS
    assert (told["id"], told["state"], told["method"]) == (operation.id, "pending", "COPY")
    assert (told["source"], told["destination"], told["owner"]) == ("/a0", "/b", "")
    assert [told[name] for name in ("status", "ended", "members_total", "estimatedSeconds")] == [
        None
    ] * 4
    assert (told["members_done"], told["errors"]) == (0, [])
    assert (told["cancellable"], told["cancelling"]) == (True, False)
    assert told["statusUrl"] == f"{OPERATIONS}/{operation.id}"
    assert told["responseUrl"] == f"{OPERATIONS}/{operation.id}/response"


def test_running(server: Inside, user: Onlooker) -> None:
    """Counters and totals are those of the work."""
    held = server.begin()
    held.operation.progress.members_done = 3
    held.operation.progress.members_total = 9
    told = user.look(held.operation.id)
    assert told.status_code == 202
    assert told.json()["state"] == "running"
    assert (told.json()["members_done"], told.json()["members_total"]) == (3, 9)
    assert "Retry-After" in told.headers


def test_succeeded(server: Inside, user: Onlooker) -> None:
    """200, the final status and the moment of the end; there is nothing to come back for."""
    answer = user.look(server.ended().operation.id)
    told = answer.json()
    assert (answer.status_code, told["state"], told["status"]) == (200, "succeeded", 201)
    assert told["ended"] >= told["created"]
    assert "Retry-After" not in answer.headers
    assert (told["cancellable"], told["members_per_second"], told["estimatedSeconds"]) == (
        False,
        0,
        None,
    )


def test_failed_with_members(server: Inside, user: Onlooker) -> None:
    """A 207 is a failure whose members are named."""
    answer = user.look(server.ended(outcome=Outcome(207, FAILURES)).operation.id)
    told = answer.json()
    assert (answer.status_code, told["state"], told["status"]) == (200, "failed", 207)
    assert told["errors"] == [{"href": "/a/x", "status": 403}, {"href": "/a/y", "status": 500}]
    assert told["errors_total"] == 2


def test_failed_as_a_whole(server: Inside, user: Onlooker) -> None:
    """One status, and why."""
    outcome = Outcome(507, explanation="No space left on device")
    told = user.look(server.ended(outcome=outcome).operation.id).json()
    assert (told["state"], told["status"], told["errors"]) == ("failed", 507, [])
    assert told["explanation"] == "No space left on device"


def test_very_many_failed_members(server: Inside, user: Onlooker) -> None:
    """The first thousand are named, and how many there are; the final response has them all."""
    many = tuple(MemberFailure(f"/a/{number}", 403) for number in range(1500))
    id = server.ended(outcome=Outcome(207, many)).operation.id
    told = user.look(id).json()
    assert (len(told["errors"]), told["errors_total"]) == (1000, 1500)
    assert user.look(id, "/response").text.count("<D:href>") == 1500


def test_interrupted(server: Inside, user: Onlooker) -> None:
    """What recovery remembers says what stands."""
    found = Operation(owner="", address="127.0.0.1", method="MOVE", source="/a", created=1.0)
    found.begin()
    found.end(State.INTERRUPTED, interrupted("Everything is where it was."))
    server.registry.remember(found)
    told = user.look(found.id).json()
    assert (told["state"], told["status"]) == ("interrupted", 503)
    assert told["explanation"] == "Everything is where it was."
    assert user.look(found.id, "/response").status_code == 503


# Cancelling


def test_cancelled_while_it_runs(server: Inside, user: Onlooker) -> None:
    """202 at once; then the state says that it is cancelled, and what is left."""
    id = server.begin().operation.id
    answer = user.cancel(id)
    assert answer.status_code == 202
    assert answer.json()["cancelling"] or answer.json()["state"] == "cancelled"
    assert answer.headers["Content-Type"] == "application/json"
    ended = user.look(id, Prefer="wait=30")
    assert ended.status_code == 200
    told = ended.json()
    assert (told["state"], told["status"], told["cancelling"]) == ("cancelled", 409, False)
    assert told["explanation"] == "The operation was cancelled. Nothing of the copy is left."


def test_cancelled_before_it_began(server: Inside, user: Onlooker) -> None:
    """It is over by the time of the answer, which is 202 as well."""
    answer = user.cancel(server.admit().operation.id)
    assert (answer.status_code, answer.json()["state"]) == (202, "cancelled")


def test_cancelled_twice(server: Inside, user: Onlooker) -> None:
    """Whoever cannot wait asks again: 202 while it is undone, 409 when it is."""
    held = server.begin()
    first = user.cancel(held.operation.id).status_code
    second = user.cancel(held.operation.id).status_code
    held.end()
    assert (first, second in (202, 409)) == (202, True)
    assert user.cancel(held.operation.id).status_code == 409


@pytest.mark.parametrize("outcome", [Outcome(201), Outcome(207, FAILURES)])
def test_too_late_when_over(server: Inside, user: Onlooker, outcome: Outcome) -> None:
    """409 that says why, and the result stays."""
    id = server.ended(outcome=outcome).operation.id
    refused = user.cancel(id)
    assert refused.status_code == 409
    assert f"over: {outcome.state.value}" in refused.text
    assert user.look(id).json()["status"] == outcome.status


def test_too_late_after_it_took_effect(server: Inside, user: Onlooker) -> None:
    """A COPY that is in its place is not taken back, though it still purges."""
    held = server.begin()
    held.operation.reach_effective_point()
    assert not user.look(held.operation.id).json()["cancellable"]
    refused = user.cancel(held.operation.id)
    assert (refused.status_code, "taken effect" in refused.text) == (409, True)
    held.end()
    assert user.look(held.operation.id).json()["state"] == "succeeded"


def test_too_late_once_answered(server: Inside, user: Onlooker) -> None:
    """A DELETE that its client was told of is done."""
    held = server.begin(method="DELETE", outcome=Outcome(204))
    held.operation.reach_effective_point(Outcome(204), cancellable=True)
    assert user.look(held.operation.id).json()["cancellable"]
    assert server.registry.answer_early(held.operation)
    refused = user.cancel(held.operation.id)
    assert (refused.status_code, "answered" in refused.text) == (409, True)


# Names, methods and conditions


@pytest.mark.parametrize("below", ["", "/response"])
def test_unknown(user: Onlooker, below: str) -> None:
    """404, whatever is asked of it."""
    for id in ("0" * 32, "x", "%00", "..%2F", "é" * 300):
        for method in ("GET", "DELETE", "OPTIONS", "PUT"):
            assert user.ask(method, f"{OPERATIONS}/{id}{below}").status_code in (404, 400, 414)
    assert user.look("0" * 32, below).status_code == 404


def test_other_names_below(server: Inside, user: Onlooker) -> None:
    """There is nothing else to an operation."""
    id = server.ended().operation.id
    for below in ("/x", "/response/x", "/Response"):
        assert user.look(id, below).status_code == 404
    assert user.look(id, "/").status_code == 200


@pytest.mark.parametrize(
    ("below", "allowed"),
    [("", "GET, HEAD, DELETE, OPTIONS"), ("/response", "GET, HEAD, OPTIONS")],
)
def test_methods(server: Inside, user: Onlooker, below: str, allowed: str) -> None:
    """405 and OPTIONS tell which there are."""
    path = f"{OPERATIONS}/{server.ended().operation.id}{below}"
    others = {"POST", "PUT", "PROPFIND", "COPY", "LOCK", "X"} | ({"DELETE"} if below else set())
    for method in others:
        answer = user.ask(method, path)
        assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)
    answer = user.ask("OPTIONS", path)
    assert (answer.status_code, answer.headers["Allow"], answer.text) == (200, allowed, "")


def test_head(server: Inside, user: Onlooker) -> None:
    """The fields of GET, and no content."""
    id = server.ended().operation.id
    looked, head = user.look(id), user.ask("HEAD", f"{OPERATIONS}/{id}")
    for name in ("ETag", "Content-Length", "Content-Type", "Cache-Control", "Vary"):
        assert head.headers[name] == looked.headers[name]
    assert (head.status_code, head.content) == (200, b"")


def test_caching(server: Inside, user: Onlooker) -> None:
    """Nothing keeps it, and what does all the same tells users and types apart."""
    fields = user.look(server.begin().operation.id).headers
    assert fields["Cache-Control"] == "no-store"
    assert {"Accept", "Authorization"} <= {each.strip() for each in fields["Vary"].split(",")}


def test_entity_tags(server: Inside, user: Onlooker) -> None:
    """304 as long as nothing has changed; another tag as soon as anything has."""
    held = server.admit()
    id = held.operation.id
    seen = [user.look(id).headers["ETag"]]
    for _ in range(2):
        same = user.look(id, If_None_Match=f'"x", W/{seen[0]}')
        assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", seen[0])
        assert same.headers["Cache-Control"] == "no-store"
    server.registry.begin(held.operation, 0.0)
    held.wait_until_begun()
    seen.append(user.look(id, If_None_Match=seen[0]).headers["ETag"])
    held.operation.progress.members_done += 1
    seen.append(user.look(id, If_None_Match=seen[1]).headers["ETag"])
    held.end()
    seen.append(user.look(id, If_None_Match=seen[2]).headers["ETag"])
    assert len(set(seen)) == 4
    assert all(tag.startswith('"') for tag in seen)
    assert user.look(id, If_None_Match="*").status_code == 304
    assert user.look(id, If_None_Match="x").status_code == 400


def test_expired(inside: Start) -> None:
    """410 once the time to read it is over, for everything that is about it."""
    server = inside(operations={"keep_results": 0.05})
    user = Onlooker(server.url)
    id = server.ended().operation.id
    until(lambda: user.look(id).status_code == 410, "it has expired")
    assert user.look(id, "/response").status_code == 410
    assert user.cancel(id).status_code == 410
    assert user.list() == []


# Conditions


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"If_Match": '"x"'}, 412),
        ({"If_Match": "{weak}"}, 412),
        ({"If_Match": "*", "If_None_Match": '"x", {etag}'}, 412),
        ({"If_None_Match": "*"}, 412),
        ({"If_Match": "x"}, 400),
        ({"If_None_Match": "{etag}, x"}, 400),
        ({"If_Match": '"x", {etag}'}, 202),
        ({"If_Match": "*"}, 202),
        ({"If_None_Match": '"x"'}, 202),
        # It has no date of modification, so there is nothing to compare these with.
        ({"If_Unmodified_Since": "Thu, 01 Jan 1970 00:00:00 GMT"}, 202),
        ({"If_Modified_Since": "Thu, 01 Jan 1970 00:00:00 GMT"}, 202),
    ],
)
def test_a_cancel_on_a_condition(
    server: Inside, user: Onlooker, fields: dict[str, str], status: int
) -> None:
    """With a false one, or a malformed one, nothing is cancelled (RFC 9110 13.1, 13.2.2)."""
    held = server.admit()
    etag = user.look(held.operation.id).headers["ETag"]
    filled = {name: text.format(etag=etag, weak=f"W/{etag}") for name, text in fields.items()}
    answer = user.cancel(held.operation.id, **filled)
    assert answer.status_code == status
    asked = held.operation.is_being_cancelled or held.operation.state is State.CANCELLED
    assert asked is (status == 202)


def test_a_condition_does_not_hide_what_is_refused_anyway(server: Inside, user: Onlooker) -> None:
    """Who is too late, or another site, is told so, whatever the conditions say (13.2.1)."""
    over = server.ended().operation.id
    assert user.cancel(over, If_Match='"x"').status_code == 409
    assert user.cancel(server.admit().operation.id, If_Match='"x"', Cookie="a=b").status_code == 403


@pytest.mark.parametrize("path", ["", "/{id}", "/{id}/job"])
def test_a_look_on_a_condition(server: Inside, user: Onlooker, path: str) -> None:
    """412 for another entity tag, which precedes If-None-Match; OPTIONS heeds none."""
    url = OPERATIONS + path.format(id=server.ended().operation.id)
    etag = user.ask("GET", url).headers["ETag"]
    assert user.ask("GET", url, If_Match='"x"', If_None_Match=etag).status_code == 412
    assert user.ask("GET", url, If_Match=etag, If_None_Match=etag).status_code == 304
    assert user.ask("HEAD", url, If_None_Match="*").status_code == 304
    assert user.ask("OPTIONS", url, If_Match='"x"').status_code == 200
