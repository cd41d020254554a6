"""Locks: granting, refreshing, ending, and what they keep from changing (RFC 4918 6, 7, 9.10)."""

import pytest
from lxml import etree

from harness.dav import DAV, LOCK, Place, condition, make, setting
from harness.waiting import until
from harness.wire import Response


@pytest.fixture
def tree(here: Place) -> Place:
    """A collection with something in it."""
    make(here.folder, {"file": b"old", "tmp": b"new", "tree": {"a": b"1", "sub": {"b": b"2"}}})
    return here


def if_(token: str, url: str | None = None) -> dict[str, str]:
    """The If field that submits a token; with ``url`` as a tagged list."""
    return {"If": f"<{url}> (<{token}>)" if url else f"(<{token}>)"}


def submitted(answer: Response) -> list[str]:
    """The hrefs of a 423 that asks for tokens."""
    assert answer.status == 423, answer
    name, hrefs = condition(answer)
    assert name == "lock-token-submitted"
    return hrefs


def test_what_a_new_lock_says(tree: Place) -> None:
    """In the answer to LOCK, and in lockdiscovery."""
    answer = tree.ask(
        "LOCK", "tree", {"Timeout": "Second-100"}, LOCK.format(scope="shared").encode()
    )
    assert answer.status == 200
    token = answer.fields["Lock-Token"].strip("<>")
    assert token.startswith("urn:uuid:")
    told = etree.fromstring(answer.body).find(f"{DAV}lockdiscovery/{DAV}activelock")
    found = tree.one("tree").properties[f"{DAV}lockdiscovery"][1]
    for active in (told, found.find(f"{DAV}activelock")):
        assert active is not None
        assert active.find(f"{DAV}lockscope/{DAV}shared") is not None
        assert active.find(f"{DAV}locktype/{DAV}write") is not None
        assert active.findtext(f"{DAV}depth") == "infinity"
        assert active.findtext(f"{DAV}owner") == "somebody"
        assert active.findtext(f"{DAV}timeout") in ("Second-100", "Second-99")
        assert active.findtext(f"{DAV}locktoken/{DAV}href") == token
        assert active.findtext(f"{DAV}lockroot/{DAV}href") == f"{tree.url}tree/"
    inherited = tree.one("tree/sub/b").properties[f"{DAV}lockdiscovery"][1]
    assert inherited.findtext(f"{DAV}activelock/{DAV}lockroot/{DAV}href") == f"{tree.url}tree/"
    assert len(tree.one("file").properties[f"{DAV}lockdiscovery"][1]) == 0


def test_a_locked_file_needs_its_token(tree: Place) -> None:
    """423 names the lock's URL; with the token all of it passes."""
    token = tree.lock("file")
    href = [f"{tree.url}file"]
    assert submitted(tree.ask("PUT", "file", {}, b"x")) == href
    assert submitted(tree.ask("PROPPATCH", "file", {}, setting(a="1"))) == href
    assert submitted(tree.ask("DELETE", "file")) == href
    assert submitted(tree.transfer("MOVE", "file", "new")) == href
    assert submitted(tree.transfer("COPY", "tmp", "file")) == href
    assert submitted(tree.transfer("MOVE", "tmp", "file")) == href
    assert tree.ask("GET", "file").body == b"old"
    assert tree.transfer("COPY", "file", "copy").status == 201
    assert tree.ask("PUT", "copy", {}, b"x").status == 204
    assert tree.ask("PUT", "file", if_(token), b"x").status == 204
    assert tree.ask("PROPPATCH", "file", if_(token), setting(a="1")).status == 207
    assert tree.ask("PUT", "file", if_("urn:uuid:other"), b"x").status == 412
    either = {"If": f"(<urn:uuid:other>) (<{token}>)"}
    assert tree.ask("PUT", "file", either, b"x").status == 204
    # The token is submitted by the second list, although the first one is what holds.
    negated = {"If": f"(Not <urn:uuid:other>) (<{token}>)"}
    assert tree.ask("PUT", "file", negated, b"x").status == 204
    assert tree.ask("PUT", "file", {"If": "(Not <DAV:no-lock>)"}, b"x").status == 423
    assert tree.ask("UNLOCK", "file", {"Lock-Token": f"<{token}>"}).status == 204
    assert tree.ask("PUT", "file", {}, b"x").status == 204


def test_exclusive_and_shared(tree: Place) -> None:
    """no-conflicting-lock names the lock in the way."""
    token = tree.lock("file")
    for scope in ("exclusive", "shared"):
        answer = tree.lock_answer("file", scope=scope)
        assert answer.status == 423
        assert condition(answer) == ("no-conflicting-lock", [f"{tree.url}file"])
    tree.ask("UNLOCK", "file", {"Lock-Token": f"<{token}>"})
    shared = [tree.lock("file", scope="shared") for _ in range(2)]
    assert tree.lock_answer("file").status == 423
    assert tree.ask("PUT", "file", {}, b"x").status == 423
    assert tree.ask("PUT", "file", if_(shared[1]), b"x").status == 204


def test_depth_infinity_covers_the_tree(tree: Place) -> None:
    """Its members, new ones too; and no lock can be taken above one that is in the way."""
    token = tree.lock("tree")
    href = [f"{tree.url}tree/"]
    assert submitted(tree.ask("PUT", "tree/sub/b", {}, b"x")) == href
    assert submitted(tree.ask("PUT", "tree/new", {}, b"x")) == href
    assert submitted(tree.ask("MKCOL", "tree/new")) == href
    assert submitted(tree.ask("DELETE", "tree/sub")) == href
    assert submitted(tree.transfer("COPY", "tmp", "tree/sub/b")) == href
    assert submitted(tree.transfer("MOVE", "tree/a", "a")) == href
    assert submitted(tree.lock_answer("tree/sub/new")) == href
    answer = tree.lock_answer("tree/sub/b")
    assert condition(answer) == ("no-conflicting-lock", href)
    assert condition(tree.lock_answer("")) == ("no-conflicting-lock", href)
    assert tree.ask("PUT", "tree/sub/b", if_(token), b"x").status == 204
    assert tree.ask("PUT", "tree/new", if_(token, tree.url + "tree"), b"x").status == 201
    assert tree.ask("UNLOCK", "tree/sub/b", {"Lock-Token": f"<{token}>"}).status == 204
    assert tree.ask("PUT", "tree/new", {}, b"x").status == 204


def test_depth_zero_covers_the_collection_and_its_membership(tree: Place) -> None:
    """Members may change, but none may come or go (RFC 4918 7.4)."""
    token = tree.lock("tree", Depth="0")
    href = [f"{tree.url}tree/"]
    assert tree.ask("PUT", "tree/a", {}, b"x").status == 204
    assert tree.ask("PUT", "tree/sub/new", {}, b"x").status == 201
    assert submitted(tree.ask("PUT", "tree/new", {}, b"x")) == href
    assert submitted(tree.ask("DELETE", "tree/a")) == href
    assert submitted(tree.transfer("MOVE", "tree/a", "a")) == href
    assert submitted(tree.transfer("MOVE", "tmp", "tree/new")) == href
    assert submitted(tree.transfer("COPY", "tmp", "tree/new")) == href
    assert submitted(tree.ask("PROPPATCH", "tree", {}, setting(a="1"))) == href
    tagged = if_(token, f"http://{tree.wire.host}{tree.url}tree/")
    assert tree.ask("PUT", "tree/new", tagged, b"x").status == 201
    assert tree.ask("DELETE", "tree/a", tagged).status == 204
    assert tree.lock_answer("tree/sub").status == 200


def test_delete_of_a_tree_with_a_locked_member_changes_nothing(tree: Place) -> None:
    """The stock server says 207 and deletes it (defect 2)."""
    token = tree.lock("tree/sub/b")
    href = [f"{tree.url}tree/sub/b"]
    assert submitted(tree.ask("DELETE", "tree")) == href
    assert submitted(tree.transfer("MOVE", "tree", "new")) == href
    assert submitted(tree.transfer("COPY", "tmp", "tree")) == href
    assert (tree.folder / "tree/sub/b").read_bytes() == b"2"
    assert tree.ask("DELETE", "tree", if_(token, f"{tree.url}tree/sub/b")).status == 204
    assert not (tree.folder / "tree").exists()


def test_move_of_a_collection_with_the_token_of_a_locked_member(tree: Place) -> None:
    """The stock server says 423 (defect 12); the lock ends with its URL (defect 11)."""
    token = tree.lock("tree/sub/b")
    fields = if_(token, f"http://{tree.wire.host}{tree.url}tree/sub/b")
    assert tree.transfer("MOVE", "tree", "new", **fields).status == 201
    assert tree.ask("PUT", "new/sub/b", {}, b"x").status == 204
    assert tree.ask("MKCOL", "tree").status == 201
    assert tree.ask("MKCOL", "tree/sub").status == 201
    assert tree.ask("PUT", "tree/sub/b", {}, b"x").status == 201
    unlock = tree.ask("UNLOCK", "tree/sub/b", {"Lock-Token": f"<{token}>"})
    assert unlock.status == 409


def test_locks_end_with_what_they_lock(tree: Place) -> None:
    """After MOVE and DELETE the old URL is free, and a copy is not locked (defect 11)."""
    token = tree.lock("file")
    assert tree.transfer("COPY", "file", "copy").status == 201
    assert tree.transfer("MOVE", "file", "moved", **if_(token)).status == 201
    for name in ("copy", "moved", "file"):
        assert tree.ask("PUT", name, {}, b"x").status in (201, 204)
    token = tree.lock("tree")
    assert tree.ask("DELETE", "tree", if_(token)).status == 204
    assert tree.ask("MKCOL", "tree").status == 201


@pytest.mark.parametrize("tagged", [False, True])
def test_the_save_of_windows_and_office(tree: Place, tagged: bool) -> None:
    """LOCK the original, PUT beside it, MOVE onto it with its token, UNLOCK (defect 8)."""
    token = tree.lock("file")
    assert tree.ask("PUT", "tmp", {}, b"saved").status == 204
    fields = if_(token, f"http://{tree.wire.host}{tree.url}file" if tagged else None)
    assert tree.transfer("MOVE", "tmp", "file", **fields).status == 204
    assert tree.ask("GET", "file").body == b"saved"
    assert tree.ask("PUT", "file", {}, b"x").status == 423
    assert tree.ask("PUT", "file", if_(token), b"again").status == 204
    assert tree.ask("UNLOCK", "file", {"Lock-Token": f"<{token}>"}).status == 204


def test_the_save_of_windows_with_a_locked_temporary_file(tree: Place) -> None:
    """The MOVE of a locked file onto the original with the token of the former (defect 8)."""
    token = tree.lock("tmp")
    assert tree.transfer("MOVE", "tmp", "file", **if_(token)).status == 204
    assert tree.ask("PUT", "file", {}, b"x").status == 204
    token, other = tree.lock("file"), tree.lock("new")
    both = {"If": f"(<{other}>) (<{token}>)"}
    assert tree.transfer("MOVE", "new", "file", **both).status == 204
    assert tree.ask("PUT", "file", {}, b"x").status == 423
    assert tree.ask("PUT", "new", {}, b"x").status == 201


def test_a_save_into_a_locked_collection(tree: Place) -> None:
    """The token of the destination's collection counts as well."""
    token = tree.lock("tree")
    assert tree.transfer("MOVE", "tmp", "tree/a", **if_(token)).status == 204
    assert tree.transfer("COPY", "file", "tree/new", **if_(token)).status == 201
    assert tree.ask("PUT", "tree/a", {}, b"x").status == 423


def test_tokens_of_elsewhere_hold_for_nothing(tree: Place) -> None:
    """The rule for saving is about the destination's locks only."""
    token = tree.lock("file")
    assert tree.transfer("COPY", "tmp", "new", **if_(token)).status == 412
    assert tree.ask("DELETE", "tmp", if_(token)).status == 412
    assert tree.ask("PUT", "tmp", if_(token), b"x").status == 412
    assert tree.transfer("MOVE", "tmp", "file", If=f'(<{token}> ["x"])').status == 412
    etag = tree.etag("tmp")
    assert tree.transfer("MOVE", "tmp", "file", If=f"(<{token}> [{etag}])").status == 204


def test_copy_with_the_entity_tag_of_its_source(tree: Place) -> None:
    """The stock server evaluates If-Match on the destination (defect 8)."""
    etag = tree.etag("tmp")
    assert tree.transfer("COPY", "tmp", "file", If_Match=etag).status == 204
    assert tree.transfer("COPY", "tmp", "file", If_Match='"x"').status == 412
    assert tree.transfer("COPY", "tmp", "file", If=f"([{etag}])").status == 204
    assert tree.transfer("COPY", "tmp", "file", If='(["x"])').status == 412


def test_a_tagged_list_is_about_its_url(tree: Place) -> None:
    """With a full URL too; the stock server ignores it (defect 6)."""
    etag = tree.etag("file")
    for url in (f"http://{tree.wire.host}{tree.url}file", f"{tree.url}file"):
        assert tree.ask("PUT", "file", {"If": f'<{url}> (["wrong"])'}, b"x").status == 412
        assert tree.ask("PUT", "tmp", {"If": f"<{url}> ([{etag}])"}, b"x").status == 204
    assert tree.ask("GET", "file").body == b"old"
    elsewhere = {"If": f"<http://other.example{tree.url}file> ([{etag}])"}
    assert tree.ask("PUT", "tmp", elsewhere, b"x").status == 412
    assert tree.ask("PUT", "new", {"If": '<http://other.example/> (Not ["x"])'}, b"x").status == 201


def test_unmapped_urls(tree: Place) -> None:
    """201 and an empty file; 409 without a collection above."""
    token = tree.lock("new", status=201)
    assert tree.ask("GET", "new").body == b""
    assert (tree.folder / "new").stat().st_mode & 0o777 == 0o644
    assert submitted(tree.ask("PUT", "new", {}, b"x")) == [f"{tree.url}new"]
    assert tree.ask("PUT", "new", if_(token), b"x").status == 204
    assert tree.lock_answer("missing/new").status == 409
    assert tree.lock_answer("file/new").status == 409


def test_refresh(tree: Place) -> None:
    """Starts the time anew, also below a lock of infinite depth, and changes nothing else."""
    token = tree.lock("tree", Timeout="Second-50")
    for name in ("tree", "tree/sub/b"):
        answer = tree.ask("LOCK", name, {**if_(token), "Timeout": "Second-1000"})
        assert answer.status == 200
        assert b"Second-1000" in answer.body or b"Second-999" in answer.body
        assert "Lock-Token" not in answer.fields
    assert tree.ask("LOCK", "file", if_(token)).status == 412
    assert tree.ask("LOCK", "tree", if_("urn:uuid:x")).status == 412
    assert tree.ask("LOCK", "tree").status in (400, 412)
    assert tree.ask("LOCK", "missing", if_(token)).status in (404, 412)


def test_timeouts(tree: Place) -> None:
    """Asking is free, but for ever is too long."""
    for asked in ("Infinite", "Infinite, Second-100", f"Second-{2**32 - 1}"):
        answer = tree.lock_answer("file", scope="shared", Timeout=asked)
        timeout = etree.fromstring(answer.body).findtext(f".//{DAV}timeout") or ""
        assert timeout.startswith("Second-")
    assert tree.lock_answer("file", scope="shared", Timeout="nonsense").status == 200


def discovered(place: Place, name: str) -> int:
    """How many locks PROPFIND tells of."""
    return len(place.one(name).properties[f"{DAV}lockdiscovery"][1])


def test_expired_locks_are_no_locks(tree: Place) -> None:
    """Also below a collection, where the stock server answers 500 (defect 9)."""
    token = tree.lock("tree/sub/b", Timeout="Second-1")
    tree.lock("tree/a", Timeout="Second-1")
    assert tree.ask("DELETE", "tree").status == 423
    for name in ("tree/a", "tree/sub/b"):
        until(lambda name=name: not discovered(tree, name), "the lock has expired")
    assert tree.ask("UNLOCK", "tree/sub/b", {"Lock-Token": f"<{token}>"}).status == 409
    assert tree.ask("PUT", "tree/a", if_(token), b"x").status == 412
    assert tree.lock_answer("tree").status == 200


def test_unlock(tree: Place) -> None:
    """409 for a token of no lock on that URL; a lock-token-matches condition says so."""
    token = tree.lock("file")
    for name, value in (("tmp", token), ("file", "urn:uuid:x"), ("", token)):
        answer = tree.ask("UNLOCK", name, {"Lock-Token": f"<{value}>"})
        assert answer.status == 409
        assert condition(answer)[0] == "lock-token-matches-request-uri"
    assert tree.ask("UNLOCK", "missing/x", {"Lock-Token": f"<{token}>"}).status == 404
    assert tree.ask("UNLOCK", "file", {"Lock-Token": f"<{token}>"}).status == 204
    assert tree.ask("UNLOCK", "file", {"Lock-Token": f"<{token}>"}).status == 409


@pytest.mark.parametrize("method", ["COPY", "MOVE"])
def test_locks_below_what_is_overwritten_end(tree: Place, method: str) -> None:
    """Their tokens have to be submitted; the lock on the destination itself stays."""
    top, below = tree.lock("tree", Depth="0"), tree.lock("tree/a")
    make(tree.folder, {"other": {"a": b"x"}})
    tagged = f"<{tree.url}tree> (<{top}>) <{tree.url}tree/a> (<{below}>)"
    assert tree.transfer(method, "other", "tree", If=f"<{tree.url}tree> (<{top}>)").status == 423
    assert tree.transfer(method, "other", "tree", If=tagged).status == 204
    assert tree.ask("PUT", "tree/a", {}, b"y").status == 204
    assert tree.ask("PUT", "tree/new", {}, b"y").status == 423
