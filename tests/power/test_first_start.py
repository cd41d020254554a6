"""What the first start writes into the state folder is on the disk before anything is served."""

import re

import pytest

from power.conftest import MakeTrial
from power.images import Keep, Loss
from power.run import Recording
from power.scenarios import losses_until_answered, losses_when_answered

#: What the file holds: eight hexadecimal digits.
WELL_FORMED = re.compile(r"[0-9a-f]{8}\s*")


def _start(trial: MakeTrial, layout: str, fault: str | None = None) -> tuple[Recording, set[str]]:
    """A first start, and what the instance file holds once it serves, on images of that moment."""
    this = trial(layout, fault)
    recording = this.record(["c0"], lambda clients: None)
    losses = losses_when_answered(recording, len(recording.fresh))
    looks = [seen.looks[0] for seen in this.look_at(recording, losses, seed=0, starts=0)]
    return recording, {str(look["instance"]) for look in looks}


@pytest.mark.parametrize("layout", ["ext4", "xfs", "btrfs"])
def test_the_instance_is_on_the_disk_when_it_serves(trial: MakeTrial, layout: str) -> None:
    """Whatever else a loss of power takes, the name of the instance is there, and the same."""
    _, found = _start(trial, layout)
    assert len(found) == 1
    assert WELL_FORMED.fullmatch(found.pop())


def test_the_instance_is_never_half_written(trial: MakeTrial) -> None:
    """In every moment of the first start it is whole or not there, whenever the disk commits."""
    this = trial("ext4")
    recording = this.record(["c0"], lambda clients: None, commits="a")
    losses = losses_until_answered(recording, len(recording.fresh), begin=1)
    # The other disk holds nothing that matters here.
    losses = [loss for loss in losses if loss.keeps[1] is Keep.ALL]
    for seen in this.look_at(recording, losses, seed=0, starts=0):
        instance = seen.looks[0]["instance"]
        assert instance is None or WELL_FORMED.fullmatch(instance), str(seen.loss)


def test_an_instance_that_is_not_flushed_is_seen(trial: MakeTrial) -> None:
    """The check sees what it is there for."""
    _, found = _start(trial, "ext4", "the instance file is not flushed")
    assert len(found) > 1 or not WELL_FORMED.fullmatch(found.pop())


def test_a_loss_says_what_it_is() -> None:
    """A failure names the moment and what each disk has kept."""
    assert str(Loss(7, (Keep.NONE, Keep.ALL))) == (
        "after event 7, of what was not flushed kept: none, all"
    )
