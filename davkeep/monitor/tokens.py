"""The tokens that a page has to send back, so that no other site can act in its user's name."""

import hmac
import json
import secrets
from hashlib import sha256

from davkeep.words.callers import Caller

#: Bytes of the key: as many as the digest has (RFC 2104 3).
KEY_BYTES = 32


class Tokens:
    """Makes and checks them. They are good for one account, as long as the process lives."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(KEY_BYTES)

    def issue(self, caller: Caller) -> str:
        """The token of the caller's account, in hexadecimal."""
        # As JSON, no two accounts are the same text, whatever is in a name.
        return hmac.digest(self._key, json.dumps(caller.account).encode(), sha256).hex()

    def is_valid(self, caller: Caller, token: str | None) -> bool:
        """Whether `token`, as text of a header field, is the caller's."""
        given = (token or "").encode("utf-8", "surrogateescape")
        return hmac.compare_digest(self.issue(caller).encode(), given)
