"""Digests that clients send of what they upload, and whether it has them.

Repr-Digest and Content-Digest (RFC 9530), Digest (RFC 3230, 5843), Content-MD5 (RFC 1864), and
OC-Checksum, which ownCloud's and Nextcloud's clients send.
"""

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from enum import Enum, auto
from typing import NamedTuple, Protocol, cast

from http_sf import StructuredFieldError, parse

from davkeep.words.failure import Failure


class Scope(Enum):
    """What a digest is of."""

    CONTENT = auto()
    """The content of the one request that has the field."""
    WHOLE = auto()
    """The file as it will be."""


class Digest(NamedTuple):
    """A digest that was sent: in which field, of what, by which algorithm, and its bytes."""

    field: str
    scope: Scope
    algorithm: str
    value: bytes


class Hash(Protocol):
    """What takes content in pieces; as hashlib has it."""

    def update(self, data: bytes | memoryview, /) -> None: ...

    def digest(self) -> bytes: ...


class _Adler32:
    """zlib's checksum in the form of hashlib."""

    def __init__(self) -> None:
        self._value = zlib.adler32(b"")

    def update(self, data: bytes | memoryview, /) -> None:
        self._value = zlib.adler32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


class Algorithm(NamedTuple):
    """How it is made, the bytes of its digest, and whether its text is always hexadecimal."""

    make: Callable[[], Hash]
    length: int
    is_hexadecimal: bool = False


#: Every algorithm that is verified. The last three can be forged; they still find accidents.
ALGORITHMS: Mapping[str, Algorithm] = {
    "sha-512": Algorithm(hashlib.sha512, 64),
    "sha-256": Algorithm(hashlib.sha256, 32),
    "sha": Algorithm(lambda: hashlib.sha1(usedforsecurity=False), 20),
    "md5": Algorithm(lambda: hashlib.md5(usedforsecurity=False), 16),
    "adler32": Algorithm(_Adler32, 4, is_hexadecimal=True),
}

#: What OC-Checksum calls them.
_OWNCLOUD = {
    "sha1": "sha",
    "sha256": "sha-256",
    "sha512": "sha-512",
    "md5": "md5",
    "adler32": "adler32",
}

#: One member of the Digest field: a value has no comma, and may end in "=".
_INSTANCE = re.compile(r"[ \t]*([A-Za-z0-9-]+)=([^\s,]*)[ \t]*")
_CHECKSUM = re.compile(r"([A-Za-z0-9-]+):([0-9A-Fa-f]+)")


def parse_digests(field: Callable[[str], str | None]) -> list[Digest]:
    """Every digest in the fields that `field` finds by name, as far as its algorithm is known.

    Others are ignored (RFC 9530 2). Raises Failure 400 for a field that is malformed, and for a
    value that cannot be one of its algorithm: who sends a digest wants it verified.
    """
    return [
        *_structured("Content-Digest", Scope.CONTENT, field("Content-Digest")),
        *_structured("Repr-Digest", Scope.WHOLE, field("Repr-Digest")),
        *_instance(field("Digest")),
        *_md5(field("Content-MD5")),
        *_checksum(field("OC-Checksum")),
    ]


def _structured(name: str, scope: Scope, text: str | None) -> Iterable[Digest]:
    """A dictionary of byte sequences (RFC 9651 3.2)."""
    if text is None:
        return
    try:
        members = cast(
            Mapping[str, tuple[object, object]], parse(text.encode("latin-1"), tltype="dictionary")
        )
    except (StructuredFieldError, UnicodeEncodeError):
        raise _malformed(name) from None
    for algorithm, (value, _) in members.items():
        if algorithm in ALGORITHMS and not ALGORITHMS[algorithm].is_hexadecimal:
            yield _digest(name, scope, algorithm, value if isinstance(value, bytes) else b"")


def _instance(text: str | None) -> Iterable[Digest]:
    """The list of RFC 3230 4.3.2: base64, or hexadecimal for the checksums of Unix."""
    if text is None:
        return
    for part in text.split(","):
        match = _INSTANCE.fullmatch(part)
        if match is None:
            raise _malformed("Digest")
        algorithm = match[1].lower()
        if algorithm in ALGORITHMS:
            is_hexadecimal = ALGORITHMS[algorithm].is_hexadecimal
            value = _hexadecimal(match[2], 4) if is_hexadecimal else _base64(match[2])
            yield _digest("Digest", Scope.WHOLE, algorithm, value)


def _md5(text: str | None) -> Iterable[Digest]:
    if text is not None:
        yield _digest("Content-MD5", Scope.CONTENT, "md5", _base64(text))


def _checksum(text: str | None) -> Iterable[Digest]:
    """`SHA1:` and hexadecimal digits; several are separated by spaces, as ownCloud lists them."""
    if text is None:
        return
    for part in text.split():
        match = _CHECKSUM.fullmatch(part)
        if match is None:
            raise _malformed("OC-Checksum")
        algorithm = _OWNCLOUD.get(match[1].lower())
        if algorithm is not None:
            value = _hexadecimal(match[2], ALGORITHMS[algorithm].length)
            yield _digest("OC-Checksum", Scope.WHOLE, algorithm, value)


def _base64(text: str) -> bytes:
    """The bytes; none for what is no base64."""
    try:
        return base64.b64decode(text.strip(" \t"), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _hexadecimal(text: str, length: int) -> bytes:
    """The bytes, with zeros that were left out before them; none for what is not hexadecimal."""
    try:
        return bytes.fromhex(text.rjust(2 * length, "0"))
    except ValueError:
        return b""


def _digest(field: str, scope: Scope, algorithm: str, value: bytes) -> Digest:
    if len(value) != ALGORITHMS[algorithm].length:
        raise Failure(400, f"The {field} field holds no digest of {algorithm}.")
    return Digest(field, scope, algorithm, value)


def _malformed(name: str) -> Failure:
    return Failure(400, f"The {name} field is malformed.")


class Verification:
    """Takes content as it comes, and tells in the end whether it has `digests`."""

    def __init__(self, digests: Iterable[Digest]) -> None:
        self._digests = tuple(digests)
        self._hashes = {each.algorithm: ALGORITHMS[each.algorithm].make() for each in self._digests}

    def __bool__(self) -> bool:
        """Whether there is anything to verify."""
        return bool(self._digests)

    def update(self, block: bytes | memoryview) -> None:
        """The next piece of content."""
        for each in self._hashes.values():
            each.update(block)

    def check(self) -> None:
        """Raises Failure 400 unless the content has every digest."""
        for each in self._digests:
            if self._hashes[each.algorithm].digest() != each.value:
                raise Failure(
                    400,
                    f"The content is not the one that {each.field} tells ({each.algorithm});"
                    " nothing was stored of it.",
                )
