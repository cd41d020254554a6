"""Signatures of webhooks, by the Standard Webhooks specification 1.0.0."""

import hmac
from base64 import b64decode, b64encode
from hashlib import sha256

#: How a secret begins whose rest is the key in base64.
PREFIX = "whsec_"


def signing_key(secret: str) -> bytes:
    """The key that a secret stands for.

    One that begins with ``whsec_`` is base64, as the specification writes it; of any other text it
    is the bytes in UTF-8. Raises ValueError where no key comes out.
    """
    if secret.startswith(PREFIX):
        key = b64decode(secret.removeprefix(PREFIX), validate=True)
    else:
        key = secret.encode()
    if not key:
        raise ValueError("a secret without a key signs nothing")
    return key


def signature(key: bytes, id: str, timestamp: int, body: bytes) -> str:
    """The field ``webhook-signature``; ``timestamp`` is in whole seconds of the epoch."""
    signed = b".".join([id.encode(), str(timestamp).encode(), body])
    return "v1," + b64encode(hmac.digest(key, signed, sha256)).decode("ascii")
