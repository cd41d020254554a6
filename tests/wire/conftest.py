"""What the tests on real sockets share."""

import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import trustme

from harness.disks import folder_in_memory
from harness.standing import Standing


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder on another file system."""
    with folder_in_memory() as folder:
        yield folder


@pytest.fixture
def together() -> Iterator[ThreadPoolExecutor]:
    """Threads of clients that act at the same time."""
    with ThreadPoolExecutor(64) as threads:
        yield threads


@pytest.fixture
def standing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Standing]]:
    """Let functions of a server in this process stand; all go on when the test is over.

    Asked for after what waits for them in the end.
    """
    made: list[Standing] = []

    def stand(owner: Any, name: str, **options: Any) -> Standing:
        made.append(Standing(monkeypatch, owner, name, **options))
        return made[-1]

    yield stand
    for each in made:
        each.go()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Who signs the server's certificate."""
    return trustme.CA()


@pytest.fixture(scope="session")
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """A client's TLS that believes the authority."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture(scope="session")
def certified(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The configuration's keys of a server that speaks TLS."""
    folder = tmp_path_factory.mktemp("certificate")
    issued = authority.issue_cert("127.0.0.1")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    return {"ssl_certificate": str(certificate), "ssl_private_key": str(key)}
