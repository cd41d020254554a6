"""What a loss of power left hidden without a record is found, and nothing else is touched."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from davkeep.operations.recovery.sweep import Sweep
from davkeep.store import meta
from davkeep.store.uploads import StoredUpload
from harness.dav import make
from harness.restarting import Restarting

MINE = ".davkeep-abcd-"
TREE = {"x": b"x", "y": {"z": b"z"}}


def _swept(ground: Any, *in_use: str) -> Sweep:
    sweep = Sweep(ground.journal, ground.stored, [ground.instance], in_use.__contains__)
    for _ in sweep.steps([os.fspath(ground.folder), os.fspath(ground.folder / "absent")]):
        pass
    return sweep


def test_orphans_go_wherever_they_are(ground: Any) -> None:
    """Staged trees and files of this state, at any depth; those of another state stay."""
    deep = {f"{MINE}put-1": b"1", f"{MINE}2": TREE, ".davkeep-ef01-put-3": b"3"}
    make(ground.folder, {f"{MINE}4": TREE, "a": {"b": {"c": deep}}, "file": b"f"})
    sweep = _swept(ground)
    assert sweep.removed == 3
    assert ground.hidden() == [".davkeep-ef01-put-3"]
    assert (ground.folder / "file").read_bytes() == b"f"


def test_what_is_known_stays(ground: Any) -> None:
    """What bears the name of work under way, of a record or of an upload in ranges."""
    make(ground.folder, {"a": TREE})
    page, control = ground.page("COPY", "a", "b")
    page.staging()
    row = StoredUpload(f"{MINE}put-u", ground.path("a/u"), "ann", "", 3, None, "1", 1.0)
    ground.stored.uploads.add(row)
    names = [control.staging_name, f"{MINE}put-u", f"{MINE}put-now", f"{MINE}put-now.part"]
    make(ground.folder / "a", dict.fromkeys(names, b"1"))
    assert _swept(ground, f"{MINE}put-now").removed == 0
    assert ground.hidden() == sorted(names)


@pytest.mark.parametrize("is_copy", [False, True])
def test_what_may_be_the_only_copy_stays_after_a_restored_backup(
    ground: Any, caplog: pytest.LogCaptureFixture, is_copy: bool
) -> None:
    """Its record may have come later than the backup; and each start says so until it is gone.

    Without one, what was purged has come back after a loss of power.
    """
    names = [f"{MINE}5.gone", f"{MINE}6.old"]
    make(ground.folder, dict.fromkeys(names, b"1"))
    if is_copy:
        ground.database.back_up(ground.folder / "backup", lambda: None)
        ground.opened.close()
        (ground.folder / "backup").replace(ground.state / "davkeep.sqlite3")
        ground.boot()
        assert ground.database.has_lost_records
    for _ in range(2):
        _swept(ground)
    assert ground.hidden() == (names if is_copy else [])
    assert (f"{MINE}5.gone is hidden and unknown" in caplog.text) is is_copy
    if is_copy:
        for name in names:
            (ground.folder / name).unlink()
        ground.boot()
        assert ground.database.has_lost_records
        for _ in Sweep(ground.journal, ground.stored, [ground.instance], str.isdigit).steps([]):
            pass
        ground.boot()
        assert not ground.database.has_lost_records


def test_what_cannot_be_read_is_passed_over(ground: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A collection that is locked away does not keep the others from being searched."""
    make(ground.folder, {"a": {f"{MINE}1": b"1"}, "b": {f"{MINE}2": b"2"}})
    opened = os.open

    def refused(path: Any, *arguments: Any, **named: Any) -> int:
        if path == "a":
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **named)

    with monkeypatch.context() as patched:
        patched.setattr("davkeep.trees.orphans.os.open", refused)
        assert _swept(ground).removed == 1
    assert ground.hidden() == [f"{MINE}1"]


def test_only_after_a_loss_of_power(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An orphan is looked for if the last process did not end in order and the machine has started
    anew since; and once only.
    """
    share, boot = tmp_path / "share", tmp_path / "boot_id"
    (share / "sub").mkdir(parents=True)
    monkeypatch.setattr(meta, "BOOT_ID", boot)
    server = Restarting(tmp_path, {"/": share})

    def left_after(*, boot_id: str, cut: bool) -> None:
        """Be in a life of the machine; ``cut``: the process before is killed, else it ended."""
        boot.write_text(boot_id)
        server.start()
        assert server.ask("PUT", "/file", b"1") in (201, 204)
        if cut:
            shutil.copytree(server.state, tmp_path / "kept")
        server.stop()
        if cut:
            shutil.rmtree(server.state)
            (tmp_path / "kept").rename(server.state)
        orphan = share / "sub" / f".davkeep-{server.site.instance}-1"
        orphan.write_bytes(b"1")

    def is_swept(boot_id: str) -> bool:
        boot.write_text(boot_id)
        server.start()
        server.running.settle()
        is_gone = not list(share.rglob(".davkeep-*"))
        server.stop()
        return is_gone

    left_after(boot_id="one", cut=False)
    assert not is_swept("two")
    left_after(boot_id="two", cut=True)
    assert not is_swept("two")
    left_after(boot_id="two", cut=True)
    assert is_swept("three")
    left_after(boot_id="three", cut=False)
    assert not is_swept("three")
