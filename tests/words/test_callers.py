"""Who is an administrator."""

import pytest

from davkeep.words.callers import Administrators, Caller, is_local


def test_named_users_are_administrators() -> None:
    """By their names, wherever they are; nobody else with a name is."""
    named = Administrators({"anna"}, local_users=True)
    assert named.caller("anna", "192.0.2.1", is_local=False).is_administrator
    assert not named.caller("bert", "127.0.0.1", is_local=True).is_administrator


def test_an_anonymous_user_is_one_only_on_this_machine() -> None:
    """And only where nobody but this machine is served."""
    assert Administrators(local_users=True).caller("", "::1", is_local=True).is_administrator
    assert not Administrators(local_users=True).caller("", "x", is_local=False).is_administrator
    assert not Administrators().caller("", "127.0.0.1", is_local=True).is_administrator


def test_who_may_see_what() -> None:
    """One's own, by name, or by address where there is none; an administrator all."""
    assert Caller("anna", "192.0.2.1").may_see(("anna", ""))
    assert not Caller("anna", "192.0.2.1").may_see(("bert", ""))
    assert Caller("", "192.0.2.1").may_see(("", "192.0.2.1"))
    assert not Caller("", "192.0.2.1").may_see(("", "192.0.2.2"))
    assert Caller("root", "", is_administrator=True).may_see(("bert", ""))


@pytest.mark.parametrize(
    ("address", "host", "expected"),
    [
        ("127.0.0.1", "127.0.0.1:8080", True),
        ("127.8.0.1", "localhost", True),
        ("::1", "[::1]:8080", True),
        ("::ffff:127.0.0.1", "dav.localhost", True),
        ("127.0.0.1", "dav.example", False),
        ("127.0.0.1", "localhost.example", False),
        ("127.0.0.1", "", False),
        ("127.0.0.1", "a b", False),
        ("192.0.2.1", "localhost", False),
        ("unknown", "localhost", False),
        ("", "localhost", False),
    ],
)
def test_a_program_on_this_machine_asks_for_this_machine(
    address: str, host: str, expected: bool
) -> None:
    """Its address alone is also that of a proxy here, or of a browser that was led here."""
    assert is_local(address, host) is expected


def test_an_account_is_a_name_or_else_an_address() -> None:
    """A user is the same wherever he is."""
    assert Caller("anna", "192.0.2.1").account == ("anna", "")
    assert Caller("", "192.0.2.1").account == ("", "192.0.2.1")
