"""Digests of uploads are verified, and the time that a client tells is kept."""

import base64
import hashlib
import random
import zlib

import pytest

from harness.dav import Place
from harness.server import Serve
from harness.trees import members
from harness.uploads import offset, put_part, upload_path

CONTENT = random.Random(9).randbytes(700_000)
#: As long as the content, and another one by a single bit.
OTHER = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
MILLION = "1000000000"


def _coded(algorithm: str, content: bytes) -> str:
    return base64.b64encode(hashlib.new(algorithm, content).digest()).decode()


def digests(content: bytes) -> dict[str, dict[str, str]]:
    """Every way to tell the digest of ``content``, by a name."""
    return {
        "content-digest": {"Content-Digest": f"sha-256=:{_coded('sha256', content)}:"},
        "repr-digest": {"Repr-Digest": f"sha-512=:{_coded('sha512', content)}:"},
        "digest": {"Digest": f"MD5={_coded('md5', content)}"},
        "adler": {"Digest": f"ADLER32={zlib.adler32(content):08x}"},
        "oc-checksum": {"OC-Checksum": f"SHA1:{hashlib.sha1(content).hexdigest()}"},
        "content-md5": {"Content-MD5": _coded("md5", content)},
    }


EVERY = pytest.mark.parametrize("which", digests(b""))


@EVERY
@pytest.mark.parametrize("existing", [None, b"old"])
def test_of_a_plain_put(here: Place, which: str, existing: bytes | None) -> None:
    """What came is stored if it is what was meant; else 400, the old content, and no trace."""
    if existing is not None:
        (here.folder / "file").write_bytes(existing)
    before = members(here.folder)
    wrong = here.ask("PUT", "file", digests(OTHER)[which], CONTENT)
    assert wrong.status == 400
    assert next(iter(digests(b"")[which])).encode() in wrong.body
    assert members(here.folder) == before
    assert existing is None or (here.folder / "file").read_bytes() == existing
    right = here.ask("PUT", "file", digests(CONTENT)[which], CONTENT)
    assert right.status == (204 if existing else 201)
    assert (here.folder / "file").read_bytes() == CONTENT


def test_an_unknown_algorithm_is_ignored(here: Place) -> None:
    """It says nothing that could be verified."""
    fields = {"Repr-Digest": "new-2030=:AA==:", "OC-Checksum": "SHA3-256:00", "Digest": "X=1"}
    assert here.ask("PUT", "file", fields, CONTENT).status == 201


@pytest.mark.parametrize("which", ["content-digest", "content-md5"])
def test_of_a_part(here: Place, which: str) -> None:
    """A wrong part is taken back, and what came before it stays."""
    half = 350_000
    for first, stop, status in ((0, half, 202), (half, 700_000, 201)):
        wrong, right = digests(OTHER[-half:]), digests(CONTENT[first:stop])
        assert put_part(here, "file", CONTENT, first, stop, wrong[which]).status == 400
        found = here.ask("HEAD", upload_path(here.path("file")))
        assert found.status == 404 if first == 0 else offset(found) == first
        assert put_part(here, "file", CONTENT, first, stop, right[which]).status == status
    assert (here.folder / "file").read_bytes() == CONTENT


@pytest.mark.parametrize("which", ["repr-digest", "digest", "adler", "oc-checksum"])
@pytest.mark.parametrize("parts", [[(0, 700_000)], [(0, 1), (1, 400_000), (400_000, 700_000)]])
def test_of_what_parts_add_up_to(here: Place, which: str, parts: list[tuple[int, int]]) -> None:
    """The whole counts at the end; if it is wrong, nothing of it is of use."""
    (here.folder / "file").write_bytes(b"old")
    for fields, last in ((digests(OTHER)[which], 400), (digests(CONTENT)[which], 204)):
        answers = [put_part(here, "file", CONTENT, *part, fields).status for part in parts]
        assert answers == [202] * (len(parts) - 1) + [last]
        assert here.ask("HEAD", upload_path(here.path("file"))).status == 404
        assert members(here.folder) == ["file"]
        stored = (here.folder / "file").read_bytes()
        assert stored == (b"old" if last == 400 else CONTENT)


def test_a_part_that_was_spoiled_between_the_requests(here: Place) -> None:
    """The digest of the whole finds it."""
    put_part(here, "file", CONTENT, 0, 400_000)
    (staged,) = here.server.staging(here.folder)
    with staged.open("r+b") as file:
        file.seek(1000)
        file.write(bytes([CONTENT[1000] ^ 1]))
    fields = digests(CONTENT)["repr-digest"]
    assert put_part(here, "file", CONTENT, 400_000, 700_000, fields).status == 400
    assert members(here.folder) == []


@pytest.mark.parametrize("value", [MILLION, f"{MILLION}.25", "-5", "0"])
def test_the_time_that_a_client_tells(here: Place, value: str) -> None:
    """It becomes that of the file, and the client is told so."""
    for _ in range(2):
        answer = here.ask("PUT", "file", {"X-OC-Mtime": value}, b"x")
        assert answer.status in (201, 204)
        assert answer.fields["X-Oc-Mtime"] == "accepted"
        assert (here.folder / "file").stat().st_mtime == float(value)
        assert here.etag("file") == answer.fields["Etag"]
    plain = here.ask("PUT", "file", {}, b"x")
    assert "X-Oc-Mtime" not in plain.fields
    assert (here.folder / "file").stat().st_mtime > 1.6e9


def test_the_time_of_what_came_in_parts(here: Place) -> None:
    """The request that brings the end tells it."""
    put_part(here, "file", CONTENT, 0, 400_000)
    last = put_part(here, "file", CONTENT, 400_000, 700_000, {"X-OC-Mtime": MILLION})
    assert (last.status, last.fields["X-Oc-Mtime"]) == (201, "accepted")
    assert (here.folder / "file").stat().st_mtime == 1e9


def test_a_time_that_is_none_changes_nothing(here: Place) -> None:
    """400, as WsgiDAV answers it."""
    (here.folder / "file").write_bytes(b"old")
    assert here.ask("PUT", "file", {"X-OC-Mtime": "yesterday"}, b"new").status == 400
    assert (here.folder / "file").read_bytes() == b"old"


def test_times_can_be_switched_off(serve: Serve, wire: object) -> None:
    """WsgiDAV's key has the effect that its name says."""
    server = serve({"honor_mtime_header": False})
    client = wire(server)  # type: ignore[operator]
    for value in (MILLION, "yesterday"):
        answer = client.ask("PUT", "/file", {"X-OC-Mtime": value}, b"x")
        assert answer.status in (201, 204)
        assert "X-Oc-Mtime" not in answer.fields
    assert server.root is not None
    assert (server.root / "file").stat().st_mtime > 1.6e9
    assert "has no effect" not in server.log
