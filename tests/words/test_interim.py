import pytest

from davkeep.words.interim import CONTINUE, PROCESSING, InterimResponse


def test_bytes_on_the_wire() -> None:
    """The two responses that are sent are exactly a status line and an empty line."""
    assert PROCESSING == b"HTTP/1.1 102 Processing\r\n\r\n"
    assert CONTINUE == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert (PROCESSING.status, CONTINUE.status) == (102, 100)


def test_an_unknown_one_has_its_own_reason() -> None:
    """Any other interim status may be sent, with the phrase that is given."""
    assert InterimResponse(199, "Still here") == b"HTTP/1.1 199 Still here\r\n\r\n"
    assert InterimResponse(199) == b"HTTP/1.1 199 \r\n\r\n"


@pytest.mark.parametrize("status", [99, 101, 200, 207, 404])
def test_a_status_that_is_not_interim_raises(status: int) -> None:
    """A final response, or a change of protocol, can never be sent as an interim one."""
    with pytest.raises(ValueError, match="not the status of an interim response"):
        InterimResponse(status)


@pytest.mark.parametrize("phrase", ["a\r\nb", "a\n", "\r", "ä", "\0"])
def test_a_reason_cannot_end_the_line(phrase: str) -> None:
    """A reason phrase can bring in no second line."""
    with pytest.raises(ValueError, match="not a reason phrase"):
        InterimResponse(102, phrase)
