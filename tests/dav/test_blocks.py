"""How large the blocks are in which a body is read."""

import io

from davkeep.dav.blocks import LARGEST, WORTH, arriving

FIRST = 256 * 1024


class Arriving(io.BytesIO):
    """A body of which so many bytes are there at a time."""

    def __init__(self, *there: int) -> None:
        super().__init__(bytes(sum(there)))
        self._there = list(there)
        #: How large a block there was room for.
        self.rooms: list[int] = []

    def readinto1(self, buffer: bytearray) -> int:
        self.rooms.append(len(buffer))
        if not self._there:
            return 0
        count = min(len(buffer), self._there[0])
        self._there[0] -= count
        if not self._there[0]:
            del self._there[0]
        return self.readinto(memoryview(buffer)[:count])


def test_who_sends_fast_gets_large_blocks() -> None:
    """Each is twice as large as the last one, which was full, up to the largest."""
    length = 4 * LARGEST
    sizes = [len(block) for block in arriving(Arriving(length), FIRST, length)]
    assert sizes[:5] == [FIRST, 2 * FIRST, 4 * FIRST, 8 * FIRST, 16 * FIRST]
    assert max(sizes) == LARGEST == 16 * FIRST
    assert sum(sizes) == length


def test_a_larger_block_has_to_be_worth_its_memory() -> None:
    """The kernel clears it: it is taken for several times what it holds, if that is known."""
    length = 5 * 1024 * 1024
    known, unknown = Arriving(length), Arriving(length)
    assert sum(len(block) for block in arriving(known, FIRST, length)) == length
    assert max(known.rooms) * WORTH <= length - FIRST
    assert sorted(set(known.rooms)) == [FIRST, 2 * FIRST, 4 * FIRST]
    assert sum(len(block) for block in arriving(unknown, FIRST, None)) == length
    assert max(unknown.rooms) == LARGEST


def test_who_sends_slowly_takes_little_memory() -> None:
    """A block that was not full is not followed by a larger one, and nothing is waited for."""
    stream = Arriving(*[FIRST - 1] * 100)
    assert [len(block) for block in arriving(stream, FIRST, None)] == [FIRST - 1] * 100
    assert set(stream.rooms) == {FIRST}


def test_a_small_body_takes_no_more_than_it_has() -> None:
    """As long as its length is known."""
    stream = Arriving(10)
    assert [bytes(block) for block in arriving(stream, FIRST, 10)] == [bytes(10)]
    assert set(stream.rooms) == {10}


def test_larger_blocks_are_asked_for() -> None:
    """By ``block_size``: there is no need to grow then."""
    length = 4 * LARGEST
    blocks = arriving(Arriving(length), 2 * LARGEST, length)
    assert [len(block) for block in blocks] == [2 * LARGEST] * 2
