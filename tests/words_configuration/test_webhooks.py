"""The rows of `davkeep.webhooks`."""

from typing import Any, get_args

import pytest

from davkeep.operations import State
from davkeep.words.configuration import ConfigurationError, Webhook, parse

URL = "https://example.org/told?token=x"
ROW = {"url": URL, "secret": "shared"}


def rows(*given: Any) -> tuple[Webhook, ...]:
    return parse({"davkeep": {"webhooks": list(given)}}).davkeep.webhooks


def refusal(*given: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        rows(*given)
    return str(caught.value)


def test_a_url_and_a_secret_are_enough() -> None:
    """Every other key has a default: all methods, all ends, a day of attempts."""
    (row,) = rows(ROW)
    assert (row.timeout, row.attempts, row.pause) == (10, 12, 1)
    assert row.methods == ("COPY", "MOVE", "DELETE", "PUT", "PATCH")
    assert {State(state) for state in row.states} == {state for state in State if state.is_over}


def test_states_are_those_that_end_an_operation() -> None:
    """The words that the configuration takes are the final states, and no others."""
    (literal, _) = get_args(Webhook.model_fields["states"].annotation)
    assert set(get_args(literal)) == {state.value for state in State if state.is_over}


GOOD = [
    ("url", "http://[::1]:9000/a%20b"),
    ("secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    ("timeout", 0.5),
    ("attempts", 1),
    ("attempts", 100),
    ("pause", 21_600),
    ("methods", ("MOVE",)),
    ("states", ("failed", "interrupted")),
]


@pytest.mark.parametrize(("key", "value"), GOOD)
def test_a_possible_value_is_taken(key: str, value: Any) -> None:
    """Each value at the edge of what is allowed is taken."""
    (row,) = rows({**ROW, key: list(value) if isinstance(value, tuple) else value})
    found = getattr(row, key)
    assert (found.get_secret_value() if key == "secret" else found) == value


BAD = [
    ("url", "ftp://example.org/"),
    ("url", "https://user:pass@example.org/"),
    ("url", "https://example.org/#part"),
    ("url", "https://example.org/a b"),
    ("url", "https://exämple.org/"),
    ("url", "https://example.org:99999/"),
    ("url", "https://example.org/\r\nX: y"),
    ("url", None),
    ("secret", ""),
    ("secret", " "),
    ("secret", "whsec_?"),
    ("secret", 12345678),
    ("timeout", 0),
    ("timeout", "10"),
    ("attempts", 0),
    ("attempts", 101),
    ("attempts", 1.5),
    ("pause", 0),
    ("pause", 21_601),
    ("methods", []),
    ("methods", "COPY"),
    ("states", []),
    ("states", None),
]


@pytest.mark.parametrize(("key", "value"), BAD)
def test_an_impossible_value_is_refused_with_its_full_name(key: str, value: Any) -> None:
    """One line names the row and the key, says what is allowed, and repeats nothing secret."""
    message = refusal(ROW, {**ROW, "url": "https://two.example/", key: value})
    assert message.startswith(f"davkeep.webhooks.1.{key}: ")
    assert "allowed: " in message
    assert "\n" not in message
    assert "pass" not in message.partition("allowed: ")[0]
    assert "12345678" not in message


@pytest.mark.parametrize(("key", "value"), [("methods", "LOCK"), ("states", "running")])
def test_a_word_that_ends_nothing_is_refused(key: str, value: str) -> None:
    """A method that is no operation and a state that is no end are named by their place."""
    message = refusal({**ROW, key: [value]})
    assert message.startswith(f"davkeep.webhooks.0.{key}.0: ")


def test_a_secret_is_needed() -> None:
    """A row without one says where it can be given; one with two is refused."""
    assert refusal({"url": URL}).startswith("davkeep.webhooks.0.secret: null is not allowed; ")
    assert "secret_file" in refusal({"url": URL})
    both = refusal({**ROW, "secret_file": "file"})
    assert both.startswith("davkeep.webhooks.0.secret_file: ")
    assert "shared" not in both


def test_an_unknown_key_is_named() -> None:
    """A slip of the pen is told with the key that was meant."""
    message = refusal({**ROW, "atempts": 3})
    assert message.startswith("davkeep.webhooks.0.atempts: unknown key; allowed here: attempts, ")
    assert "did you mean attempts?" in message


def test_each_url_once() -> None:
    """Two rows with one URL could not be told apart later; the URL itself is not repeated."""
    message = refusal(ROW, {**ROW, "url": "https://other.example/"}, ROW)
    assert message.startswith("davkeep.webhooks: ")
    assert "numbers 0 and 2" in message
    assert "token" not in message
