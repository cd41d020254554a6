"""Digests of uploads: every field and algorithm, right and wrong."""

import base64
import hashlib
import zlib

import pytest

from davkeep.words.digests import Scope, Verification, parse_digests
from davkeep.words.failure import Failure

CONTENT = b"some content\n"
OTHER = b"other content"


def _coded(algorithm: str, content: bytes) -> str:
    return base64.b64encode(hashlib.new(algorithm, content).digest()).decode()


def _hex(algorithm: str, content: bytes) -> str:
    return hashlib.new(algorithm, content).hexdigest()


def fields_of(content: bytes) -> list[tuple[str, str, Scope]]:
    """Every way to say a digest of ``content``."""
    adler = f"{zlib.adler32(content):08x}"
    structured = [
        f"{name}=:{_coded(known, content)}:"
        for name, known in (("sha-256", "sha256"), ("sha-512", "sha512"), ("sha", "sha1"))
    ]
    instance = [
        f"{name}={_coded(known, content)}"
        for name, known in (("SHA-256", "sha256"), ("sha-512", "sha512"), ("SHA", "sha1"))
    ]
    checksums = [
        f"{name}:{_hex(known, content)}"
        for name, known in (("SHA1", "sha1"), ("MD5", "md5"), ("SHA256", "sha256"))
    ]
    return [
        *(("Content-Digest", text, Scope.CONTENT) for text in structured),
        *(("Repr-Digest", text, Scope.WHOLE) for text in structured),
        ("Repr-Digest", ", ".join(structured), Scope.WHOLE),
        ("Repr-Digest", f"crc32c=:AAAAAA==:, {structured[0]};a=1", Scope.WHOLE),
        ("Content-Digest", f"md5=:{_coded('md5', content)}:", Scope.CONTENT),
        *(("Digest", text, Scope.WHOLE) for text in instance),
        ("Digest", f"MD5={_coded('md5', content)} , UNIXsum=30637", Scope.WHOLE),
        ("Digest", f"ADLER32={adler}", Scope.WHOLE),
        ("Digest", f"adler32={adler.lstrip('0')}", Scope.WHOLE),
        ("Content-MD5", _coded("md5", content), Scope.CONTENT),
        *(("OC-Checksum", text, Scope.WHOLE) for text in checksums),
        ("OC-Checksum", f"ADLER32:{adler.upper()}", Scope.WHOLE),
        ("OC-Checksum", " ".join(checksums), Scope.WHOLE),
        ("OC-Checksum", f"SHA3-256:00 SHA512:{_hex('sha512', content)}", Scope.WHOLE),
    ]


def _verify(name: str, value: str, content: bytes) -> None:
    verification = Verification(parse_digests({name: value}.get))
    for byte in content:
        verification.update(bytes([byte]))
    verification.check()


@pytest.mark.parametrize(("name", "value", "scope"), fields_of(CONTENT))
def test_the_right_content_passes_and_another_does_not(name: str, value: str, scope: Scope) -> None:
    """The failure says which field it is."""
    digests = parse_digests({name: value}.get)
    assert {each.scope for each in digests} == {scope}
    _verify(name, value, CONTENT)
    for wrong in (OTHER, CONTENT[:-1], b""):
        with pytest.raises(Failure, match=name) as caught:
            _verify(name, value, wrong)
        assert caught.value.status == 400


def test_one_wrong_digest_among_right_ones() -> None:
    """All that are known have to be right."""
    fields = {
        "Repr-Digest": f"sha-256=:{_coded('sha256', CONTENT)}:",
        "OC-Checksum": f"SHA1:{_hex('sha1', OTHER)}",
    }
    verification = Verification(parse_digests(fields.get))
    verification.update(CONTENT)
    with pytest.raises(Failure, match="OC-Checksum"):
        verification.check()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Content-Digest", "new-2030=:AA==:"),
        ("Repr-Digest", "*x=1, y"),
        ("Repr-Digest", ""),
        ("Digest", "UNIXsum=30637, crc32c=AAAA"),
        ("OC-Checksum", "SHA3-256:00ff"),
        ("OC-Checksum", ""),
    ],
)
def test_unknown_algorithms_are_ignored(name: str, value: str) -> None:
    """RFC 9530 2: whoever does not know one is not to refuse it."""
    assert not Verification(parse_digests({name: value}.get))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Content-Digest", "sha-256=x"),
        ("Content-Digest", "sha-256"),
        ("Content-Digest", "sha-256=:AA==:"),
        ("Repr-Digest", f"sha-512=:{_coded('sha256', CONTENT)}:"),
        ("Repr-Digest", "SHA-256=:AA==:"),
        ("Repr-Digest", "sha-256=:AA"),
        ("Repr-Digest", "é"),
        ("Repr-Digest", "\u20ac"),
        ("Digest", "SHA-256"),
        ("Digest", "SHA-256=!"),
        ("Digest", f"SHA-256={_hex('sha256', CONTENT)}"),
        ("Digest", "adler32=xyz"),
        ("Digest", "adler32=123456789"),
        ("Digest", ","),
        ("Content-MD5", "AA=="),
        ("Content-MD5", "!"),
        ("OC-Checksum", "SHA1:00"[:-2]),
        ("OC-Checksum", "SHA1=00"),
        ("OC-Checksum", f"SHA1:{'0' * 42}"),
    ],
)
def test_what_cannot_be_a_digest(name: str, value: str) -> None:
    """400: who sends one wants it verified."""
    with pytest.raises(Failure, match=name) as caught:
        parse_digests({name: value}.get)
    assert caught.value.status == 400
