"""The Prefer field."""

import pytest

from davkeep.words.preferences import prefers


@pytest.mark.parametrize(
    "value",
    [
        "processing",
        "Processing",
        "wait=10, processing",
        "processing; x=y",
        'a="b, c", processing=1',
    ],
)
def test_named(value):
    """The preference is found wherever it stands."""
    assert prefers(value, "processing")


@pytest.mark.parametrize(
    "value",
    [None, "", "wait=10", "a;processing", 'a="x, processing, y"', "processing2", "a=processing"],
)
def test_not_named(value):
    """A parameter, a value and text in quotes are no preferences."""
    assert not prefers(value, "processing")
