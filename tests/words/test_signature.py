import pytest

from davkeep.words.signature import signature, signing_key


@pytest.mark.parametrize(
    ("secret", "id", "timestamp", "body", "expected"),
    [
        (
            "whsec_plJ3nmyCDGBKInavdOK15jsl",
            "msg_loFOjxBNrRLzqYUf",
            1731705121,
            b'{"event_type":"ping","data":{"success":true}}',
            "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=",
        ),
        (
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1614265330,
            b'{"test": 2432232314}',
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ),
    ],
)
def test_known_signatures(secret: str, id: str, timestamp: int, body: bytes, expected: str) -> None:
    """What the specification's authors and Svix sign comes out the same here."""
    assert signature(signing_key(secret), id, timestamp, body) == expected


def test_a_secret_without_the_prefix_is_the_key_itself() -> None:
    """Any text signs by its bytes in UTF-8, also one that could be base64."""
    assert signing_key("plJ3nmyC") == b"plJ3nmyC"
    assert signing_key("Schlüssel") == "Schlüssel".encode()


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_no base64", "whsec_abc", "whsec_ü"])
def test_a_secret_without_a_key_is_refused(secret: str) -> None:
    """An empty secret, and what is no base64 after the prefix, sign nothing."""
    with pytest.raises(ValueError, match=r".+"):
        signing_key(secret)
