"""What is shown of texts from elsewhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from davkeep.words.escaping import escaped


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/films/été 日本.txt", "/films/été 日本.txt"),
        ("\x1b[2J\x07", r"\x1b[2J\x07"),
        ("a\r\nb\tc\x7f", r"a\x0d\x0ab\x09c\x7f"),
        ("\x9b31m", r"\x9b31m"),
        ("a\u202eb\u2066\u200b\ufeff", r"a\u202eb\u2066\u200b\ufeff"),
        ("\u2028\u2029\udcff", r"\u2028\u2029\udcff"),
        ("\U000e0041", r"\U000e0041"),
        ("\U00013430", r"\U00013430"),
    ],
)
def test_what_is_escaped(text: str, shown: str) -> None:
    """Controls, directions, what is not seen and lone surrogates; nothing else."""
    assert escaped(text) == shown


@given(st.text() | st.text(st.characters(max_codepoint=0x9F)))
def test_a_line_is_a_line(text: str) -> None:
    """Whatever it is, it is one line, can be written, and commands nothing."""
    shown = escaped(text)
    assert len(shown.splitlines()) <= 1
    assert not any(ord(each) < 0x20 or 0x7F <= ord(each) < 0xA0 for each in shown)
    assert escaped(shown) == shown
    shown.encode()
