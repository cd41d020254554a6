"""`davkeep state adopt`, and two states over one root."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from state.sites import Site, all_of

from davkeep.store.departed import DepartedFile
from davkeep.store.record import Side
from davkeep.trees.marker import MARKER
from harness.commands import run
from harness.states import DATABASE, ask_database


@pytest.fixture
def first(tmp_path: Path) -> Site:
    """A state."""
    return Site(tmp_path / "first")


@pytest.fixture
def second(tmp_path: Path) -> Site:
    """Another one."""
    return Site(tmp_path / "second")


def test_a_second_state(first: Site, second: Site, one: Path) -> None:
    """It is refused while the first lives; afterwards it takes over, with everything, in words."""
    with first.serving({"/s": one}) as marked:
        marked.mark("/s")
        assert f"{one}: it is served with the state " in second.refusal({"/s": one})
        assert f"in {first.state}: end that server first" in second.refusal({"/s": one})
        status, told = second.adopt(str(one))
        assert (status, "end that server first" in told) == (2, True)
        assert marked.seen("/s") == all_of("/s")
    assert f"Take it over: davkeep state adopt --state {second.state} {one}" in second.refusal(
        {"/s": one}
    )
    assert second.adopt(str(one))[0] == 0
    with second.serving({"/s": one}) as marked:
        assert marked.seen("/s") == all_of("/s")
        marked.finish("/s")
    assert f"Take it over: davkeep state adopt --state {first.state} {one}" in first.refusal(
        {"/s": one}
    )
    assert first.adopt(str(one))[0] == 0
    with first.serving({"/s": one}) as marked:
        assert marked.seen("/s") == all_of("/s") | {"upload": None}


def test_one_that_was_killed(first: Site, second: Site, one: Path) -> None:
    """Nobody works with its state then; what it had staged is removed by who takes over."""
    with first.serving_apart({"/s": one}) as marked:
        marked.mark("/s")
        instance = json.loads((one / MARKER).read_text())["state"]
        marked.server.process.kill()
        marked.server.process.wait()
    staged = one / f".davkeep-{instance}-put-{'0' * 32}"
    staged.write_bytes(b"half of a file")
    assert "Take it over" in second.refusal({"/s": one})
    assert second.adopt(str(one))[0] == 0
    with second.serving({"/s": one}) as marked:
        marked.server.wait_for_log("removed what an upload had staged")
        assert marked.seen("/s") == all_of("/s")
    assert not staged.exists()


def test_what_was_deleted_while_the_first_was_full(first: Site, second: Site, one: Path) -> None:
    """That it is to be forgotten comes along as well."""
    with first.serving({"/s": one}) as marked:
        marked.mark("/s")
    ((prefix,),) = ask_database(first.state / DATABASE, "SELECT prefix FROM shares")
    assert isinstance(prefix, bytes)
    (one / "file").unlink()
    departed = DepartedFile(first.state)
    departed.add(Side.of(prefix + b"/file"))
    departed.close()
    assert "Take it over" in second.refusal({"/s": one})
    assert second.adopt(str(one))[0] == 0
    with second.serving({"/s": one}) as marked:
        assert marked.ask("PUT", "/s/file", b"new") == 201
        assert marked.color("/s/file") is None


def test_a_state_that_was_moved(first: Site, second: Site, one: Path) -> None:
    """It is at home where it is now, and another one is refused as before."""
    with first.serving({"/s": one}) as marked:
        marked.mark("/s")
    moved = Site(first.folder.with_name("moved"))
    first.state.rename(moved.state)
    with moved.serving({"/s": one}) as marked:
        assert marked.seen("/s") == all_of("/s")
        assert json.loads((one / MARKER).read_text())["folder"] == str(moved.state)
        assert f"in {moved.state}: end that server first" in second.refusal({"/s": one})


def test_a_state_that_was_copied(first: Site, one: Path) -> None:
    """Two servers with one state's name do not serve one root."""
    with first.serving({"/s": one}) as marked:
        marked.mark("/s")
    copy = Site(first.folder.with_name("copy"))
    shutil.copytree(first.state, copy.state, ignore=shutil.ignore_patterns("control"))
    with first.serving({"/s": one}) as marked:
        assert f"in {first.state}: end that server first" in copy.refusal({"/s": one})
        assert marked.seen("/s") == all_of("/s")


def test_a_state_that_is_gone(first: Site, second: Site, one: Path) -> None:
    """What it knew is lost, which is said; the share is taken over all the same."""
    with first.serving({"/s": one}) as marked:
        marked.mark("/s")
    shutil.rmtree(first.state)
    assert "Take it over" in second.refusal({"/s": one})
    status, told = second.adopt(str(one))
    assert status == 0
    assert f"is not in {first.state} any more: nothing that it knows comes along" in told
    with second.serving({"/s": one}) as marked:
        assert marked.color("/s/file") is None


def test_files_that_were_copied_without_the_marker(first: Site, one: Path, tmp_path: Path) -> None:
    """Which share they are can be said, with `--share`."""
    with first.serving({"/s": one}) as marked:
        marked.mark("/s")
    share = json.loads((one / MARKER).read_text())["share"]
    new = tmp_path / "new"
    new.mkdir()
    subprocess.run(f"cp -r {one}/* {new}/", shell=True, check=True)
    with first.serving({"/s": new}) as marked:
        assert marked.color("/s/file") is None
        assert marked.wire.ask("PUT", "/s/later", {}, b"x").status == 201
    assert f"which was at {one}, is not served; what is stored about it is kept" in first.log
    status, told = first.adopt(str(new), "--share", share)
    assert (status, f"{one} is marked as the share {share}" in told) == (2, True)
    shutil.rmtree(one)
    assert first.adopt(str(new), "--share", share)[0] == 0
    with first.serving({"/s": new}) as marked:
        assert marked.seen("/s") == all_of("/s") | {"upload": None}


def test_by_the_configuration(first: Site, second: Site, one: Path, tmp_path: Path) -> None:
    """Without ROOT all shares of the configuration are adopted, and the state is found there."""
    two = tmp_path / "two"
    two.mkdir()
    shares = {"/s": one, "/t": two}
    with first.serving(shares) as marked:
        marked.mark("/t")
    second.refusal(shares)
    ended = run("state", "adopt", "-c", str(second.folder / "davkeep.yaml"))
    assert (ended.returncode, len(ended.stdout.splitlines())) == (0, 2)
    with second.serving(shares) as marked:
        assert marked.seen("/t") == all_of("/t")


@pytest.mark.parametrize(
    "arguments",
    [
        ["{one}", "--share", "no-uuid"],
        ["{one}", "--share", "00000000-0000-0000-0000-000000000000"],
        ["{one}", "{one}", "--share", "00000000-0000-0000-0000-000000000000"],
        ["{one}/nothing"],
        ["--state", "{one}/nothing", "{one}"],
    ],
)
def test_bad_words(first: Site, one: Path, arguments: list[str]) -> None:
    """One line, and nothing is changed."""
    with first.serving({"/s": one}) as marked:
        marked.mark("/s")
    before = (one / MARKER).read_bytes()
    status, told = first.adopt(*(each.format(one=one) for each in arguments))
    assert status in (1, 2)
    assert told.startswith("davkeep: ")
    assert told.count("\n") == 1
    assert (one / MARKER).read_bytes() == before
    assert "nothing" not in os.listdir(one)
