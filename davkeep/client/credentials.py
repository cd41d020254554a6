"""Who asks, and how that is proven: Basic (RFC 7617) and Digest (RFC 7616)."""

import base64
import getpass
import netrc
import os
import re
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import md5

from davkeep.client.address import CannotAsk

#: The variable that may hold the password.
VARIABLE = "DAVKEEP_PASSWORD"

_PARAMETER = re.compile(r'([a-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))', re.IGNORECASE)


@dataclass
class Credentials:
    """A user and a password, and what the server last asked for."""

    user: str
    password: str = field(repr=False)
    _challenge: dict[str, str] | None = None
    _count: int = 0

    def answer(self, challenge: str) -> bool:
        """Note the value of WWW-Authenticate; False if it cannot be answered."""
        scheme, _, rest = challenge.partition(" ")
        asked = {
            match[1].lower(): match[3] if match[2] is None else match[2]
            for match in _PARAMETER.finditer(rest)
        }
        asked["scheme"] = scheme.lower()
        is_known = scheme.lower() == "basic" or (
            scheme.lower() == "digest" and asked.get("algorithm", "MD5").upper() == "MD5"
        )
        self._challenge, self._count = (asked if is_known else None), 0
        return is_known

    def fields(self, method: str, target: str) -> Mapping[str, str]:
        """The header fields that prove it for a request; none before the server has asked."""
        if self._challenge is None:
            return {}
        if self._challenge["scheme"] == "basic":
            token = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            return {"Authorization": f"Basic {token}"}
        self._count += 1
        return {"Authorization": self._digest(self._challenge, method, target)}

    def _digest(self, asked: Mapping[str, str], method: str, target: str) -> str:
        realm, nonce = asked.get("realm", ""), asked.get("nonce", "")
        count, own = f"{self._count:08x}", secrets.token_hex(8)
        secret = _hash(f"{self.user}:{realm}:{self.password}")
        proof = _hash(f"{secret}:{nonce}:{count}:{own}:auth:{_hash(f'{method}:{target}')}")
        return (
            f'Digest username="{_escaped(self.user)}", realm="{realm}", nonce="{nonce}",'
            f' uri="{target}", algorithm=MD5, qop=auth, nc={count},'
            f' cnonce="{own}", response="{proof}"'
        )


def _escaped(text: str) -> str:
    """The content of a quoted string (RFC 9110 5.6.4)."""
    return text.replace("\\", r"\\").replace('"', r"\"")


def _hash(text: str) -> str:
    # The scheme's own algorithm; there is no choice.
    return md5(text.encode(), usedforsecurity=False).hexdigest()


def find(
    user: str | None, host: str, environ: Mapping[str, str] = os.environ
) -> Credentials | None:
    """The credentials for a server: the password comes from the variable `DAVKEEP_PASSWORD`, from
    ~/.netrc, or from who sits at the terminal. Never from the command line, which others can read.

    None where nobody is named. Raises CannotAsk.
    """
    login, password = _from_netrc(host)
    name = user or login
    if name is None:
        return None
    if VARIABLE in environ:
        return Credentials(name, environ[VARIABLE])
    if password is not None and name == login:
        return Credentials(name, password)
    if not sys.stdin.isatty():
        raise CannotAsk(f"no password for {name}: give it in {VARIABLE} or ~/.netrc")
    return Credentials(name, getpass.getpass(f"Password of {name} at {host}: "))


def _from_netrc(host: str) -> tuple[str | None, str | None]:
    try:
        found = netrc.netrc().authenticators(host)
    except FileNotFoundError:
        return None, None
    except (netrc.NetrcParseError, OSError) as error:
        raise CannotAsk(f"~/.netrc cannot be read: {error}") from None
    return (found[0], found[2]) if found else (None, None)
