"""The tokens of pages."""

import pytest

from davkeep.monitor.tokens import Tokens
from davkeep.words.callers import Caller

ANN = Caller("ann", "192.0.2.1")
ANYBODY = Caller("", "192.0.2.1")


def test_a_token_is_good_for_its_account() -> None:
    """A user has it anywhere, administrator or not; an anonymous one at one address."""
    tokens = Tokens()
    assert tokens.is_valid(ANN, tokens.issue(ANN))
    assert tokens.is_valid(Caller("ann", "192.0.2.9", True), tokens.issue(ANN))
    assert tokens.is_valid(ANYBODY, tokens.issue(ANYBODY))
    assert not tokens.is_valid(Caller("", "192.0.2.9"), tokens.issue(ANYBODY))
    assert not tokens.is_valid(Caller("bob", "192.0.2.1"), tokens.issue(ANN))


def test_a_token_is_good_for_one_process() -> None:
    """Another one has another key."""
    assert not Tokens().is_valid(ANN, Tokens().issue(ANN))


@pytest.mark.parametrize("token", [None, "", "x", "ÿ", "\udcff", "0" * 64])
def test_what_is_no_token(token: str | None) -> None:
    """Whatever is in the field, it is an answer and no error."""
    assert not Tokens().is_valid(ANN, token)


def test_names_that_look_like_accounts() -> None:
    """No name makes one account's token that of another."""
    tokens = Tokens()
    strange = [Caller(name, "x") for name in ("", "x", '", "x', "\0x", "\udcff")]
    assert len({tokens.issue(each) for each in strange}) == len(strange)
