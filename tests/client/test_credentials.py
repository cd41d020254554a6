"""Credentials of a client: Basic, Digest, and what cannot be answered."""

import pytest

from davkeep.client.credentials import Credentials


def test_nothing_is_sent_before_it_is_asked_for() -> None:
    """The server says which scheme it wants, so that a password is not sent needlessly."""
    assert Credentials("anna", "one").fields("POST", "/") == {}


def test_basic() -> None:
    """RFC 7617, in UTF-8."""
    user = Credentials("Aladdin", "open sesame")
    assert user.answer('Basic realm="WallyWorld"')
    assert user.fields("GET", "/") == {"Authorization": "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="}


def test_digest_counts_its_requests() -> None:
    """A nonce may be used again with the next count (RFC 7616 3.4)."""
    user = Credentials("anna", "one")
    assert user.answer('Digest realm="/", nonce="abc", algorithm=MD5, qop="auth"')
    first, second = (user.fields("POST", "/x")["Authorization"] for _ in range(2))
    assert "nc=00000001" in first
    assert "nc=00000002" in second
    assert 'username="anna", realm="/", nonce="abc", uri="/x"' in first


@pytest.mark.parametrize("field", ["", "Negotiate", "Bearer realm=x", "Digest algorithm=SHA-256"])
def test_what_cannot_be_answered(field: str) -> None:
    """It says so, and sends nothing."""
    user = Credentials("anna", "one")
    assert not user.answer(field)
    assert user.fields("GET", "/") == {}


def test_names_beyond_ascii() -> None:
    """They are no error; on the wire they are UTF-8."""
    user = Credentials("josé", "pä:ß")
    assert user.answer('Digest realm="/", nonce="abc", qop="auth"')
    assert 'username="josé"' in user.fields("GET", "/")["Authorization"]


def test_a_password_is_not_shown() -> None:
    """Nor does it get into a log."""
    assert "secret" not in repr(Credentials("anna", "secret"))
