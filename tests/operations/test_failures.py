"""However many members fail, and however long their names: what is kept of them, and told."""

import json
import random

import pytest

from davkeep.operations import Failures, MemberFailure, Operation, Outcome, State, describe
from davkeep.operations.results import KEPT_BYTES, Results
from davkeep.words.packed import LARGEST_BLOCK

#: As many as a large folder has, and their names as cameras make them.
MANY = [
    MemberFailure(f"/films/2026/holiday%20{number // 200}/IMG_{number:06d}.JPG", 403)
    for number in range(20_000)
]


def _ended(failures: tuple[MemberFailure, ...] | Failures, owner: str = "ann") -> Operation:
    operation = Operation(owner=owner, method="COPY", source="/a", created=0.0)
    operation.begin()
    operation.end(State.FAILED, Outcome(207, failures))
    return operation


def _random(count: int, length: int = 1000) -> Failures:
    """Names that nothing makes shorter than half of what they are."""
    chance = random.Random(22)
    return Failures(MemberFailure(chance.randbytes(length // 2).hex(), 403) for _ in range(count))


def test_many_failures_take_little() -> None:
    """A tenth of their text, whole and in their order; the first of them cost no more."""
    failures = Failures.of(MANY)
    assert list(failures) == MANY
    assert (len(failures), bool(failures), failures) == (20_000, True, tuple(MANY))
    assert failures.size * 10 < sum(len(each.href) for each in MANY)
    assert len(failures.blocks()[0]) < LARGEST_BLOCK / 64
    assert Failures.of_blocks(failures.blocks()) == failures


@pytest.mark.parametrize("blocks", [[b"x"], [b"x\x9cK\xad("]])
def test_what_is_no_block(blocks: list[bytes]) -> None:
    """It is refused when it is taken, not when it is asked for."""
    with pytest.raises(ValueError, match="no block"):
        Failures.of_blocks(blocks)


def test_damage_is_seen_though_nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start takes thousands of results over: it counts what failed, and reads none of it."""
    failures = Failures(MANY[:2_000])
    blocks = failures.blocks()
    with monkeypatch.context() as patch:
        patch.setattr(Failures, "_read", lambda text: pytest.fail("it was read"))
        taken = Failures.of_blocks(blocks)
        assert len(taken) == 2_000
    assert taken == failures
    for number, block in enumerate(blocks):
        damaged = block[:-1] + bytes([block[-1] ^ 1])
        with pytest.raises(ValueError, match="no block"):
            Failures.of_blocks([*blocks[:number], damaged, *blocks[number + 1 :]])


def test_sixty_results_with_20_000_failures_each_keep_their_bound() -> None:
    """They take a tenth of the 600 MB that they took, and none is forgotten before its time."""
    results = Results(900.0)
    failures = Failures.of(MANY)
    operations = [_ended(failures) for _ in range(60)]
    for operation in operations:
        results.add(0.0, operation)
    assert results.purge(1.0) == []
    assert results.size < KEPT_BYTES


def test_who_keeps_most_loses_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Results that take too much go before their time, and only those of who has most of them."""
    monkeypatch.setattr("davkeep.operations.results.KEPT_BYTES", 600_000)
    results = Results(900.0)
    modest = _ended((MemberFailure("/a/x", 403),), "bob")
    results.add(0.0, modest)
    greedy = [_ended(_random(200)) for _ in range(10)]
    for moment, operation in enumerate(greedy, 1):
        results.add(float(moment), operation)
        results.purge(float(moment))
        assert results.size <= 600_000
    kept = results.operations()
    assert kept == [modest, *greedy[10 - len(kept) + 1 :]]
    assert 4 <= len(kept) < 10
    assert results.expired(greedy[0].id) == ("ann", "")


def test_a_result_is_weighed_once_its_outcome_is_known() -> None:
    """It is added before; and nothing is left of the count when all are gone."""
    results = Results(10.0)
    operation = Operation(owner="ann", method="COPY", source="/a", created=0.0)
    operation.begin()
    results.add(0.0, operation)
    before = results.size
    operation.end(State.FAILED, Outcome(207, _random(100)))
    results.weigh(operation)
    assert results.size > before + 40_000
    results.purge(10.0)
    assert results.size == 0


def test_a_description_is_bounded_in_bytes() -> None:
    """It names the first failures, as many as fit, and how many it does not name."""
    operation = _ended(Failures(MemberFailure(f"/{n}/{'x' * 5000}", 403) for n in range(50)))
    for most in (2_000, 16_384, 100_000):
        told = describe(operation, most_bytes=most, most_errors=40, more={"further": 1})
        assert len(json.dumps(told)) <= most
        assert len(json.dumps(told)) > most - 6_000
        named = [each["href"] for each in told["errors"]]
        assert [href.split("/")[1] for href in named] == [str(n) for n in range(len(named))]
        assert (told["errors_total"], told["errors_omitted"]) == (50, 50 - len(named))
    assert len(describe(operation)["errors"]) == 50
