"""Who asks, and how that is proven: Basic (RFC 7617) and Digest (RFC 7616)."""

import base64
import netrc
import os
import re
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import md5

from davkeep.client.address import CannotAsk
from davkeep.client.wire import encoded
from davkeep.terminal.prompt import ask_password, is_attended

#: The variable that may hold the password.
VARIABLE = "DAVKEEP_PASSWORD"

#: What is wrong with a file that Python's reader refuses.
_NETRC = "it is not well-formed, or not its owner's alone"

_CONTROL = re.compile("[\x00-\x1f\x7f]")

_PARAMETER = re.compile(r'([a-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))', re.IGNORECASE)


@dataclass
class Credentials:
    """A user and a password, and what the server last asked for.

    Raises CannotAsk for control characters in them (RFC 7617 2, and no header field could hold
    them) and for what no bytes of this machine stand for. Neither is ever part of a message.
    """

    user: str
    password: str = field(repr=False)
    _challenge: dict[str, str] | None = None
    _count: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be sent."""
        for name, text in (("user's name", self.user), ("password", self.password)):
            if not is_sendable(text):
                raise CannotAsk(f"the {name} holds characters that HTTP does not allow")

    def answer(self, challenge: str) -> bool:
        """Note the value of WWW-Authenticate; False if it cannot be answered."""
        scheme, _, rest = _as_sent(challenge).partition(" ")
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
            if ":" in self.user:
                raise CannotAsk("a user's name with a colon cannot be sent as the server wants it")
            token = base64.b64encode(encoded(f"{self.user}:{self.password}")).decode()
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
    return md5(encoded(text), usedforsecurity=False).hexdigest()


def is_sendable(text: str) -> bool:
    """Whether it has no control characters (RFC 7617 2), and no surrogates but those below."""
    try:
        encoded(text)
    except UnicodeEncodeError:
        return False
    return not _CONTROL.search(text)


def _as_sent(challenge: str) -> str:
    """A field's value as UTF-8, with surrogates for bytes that are none."""
    return challenge.encode("latin-1", "replace").decode("utf-8", "surrogateescape")


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
    if not is_attended():
        raise CannotAsk(f"no password for {name}: give it in {VARIABLE} or ~/.netrc")
    return Credentials(name, _asked(f"Password of {name} at {host}: "))


def _asked(prompt: str) -> str:
    try:
        return ask_password(prompt)
    except EOFError:
        raise CannotAsk("no password was given") from None
    except UnicodeDecodeError:
        raise CannotAsk("the password is no text in the encoding of this terminal") from None


def _from_netrc(host: str) -> tuple[str | None, str | None]:
    """A user's name and password; no error repeats a word of the file."""
    file = os.path.join(os.path.expanduser("~"), ".netrc")
    try:
        if not stat.S_ISREG(os.stat(file).st_mode):
            raise CannotAsk("~/.netrc is no file")
        found = netrc.netrc().authenticators(host)
    except FileNotFoundError:
        return None, None
    except netrc.NetrcParseError as error:
        where = "" if error.lineno is None else f", line {error.lineno}"
        raise CannotAsk(f"~/.netrc cannot be used{where}: {_NETRC}") from None
    except OSError as error:
        raise CannotAsk(f"~/.netrc cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CannotAsk("~/.netrc cannot be read: it is no text in UTF-8") from None
    return (found[0] or None, found[2]) if found else (None, None)
