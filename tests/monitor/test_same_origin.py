"""Who may change something, of those who come with a browser."""

from typing import Any

import pytest

from davkeep.monitor.same_origin import require_same_origin
from davkeep.monitor.tokens import Tokens
from davkeep.words.callers import Caller
from davkeep.words.failure import Failure

TOKENS = Tokens()
ANN = Caller("ann", "192.0.2.1")
OWN = "https://dav.example:8443"


def is_allowed(token: str | None = None, scheme: str = "https", **fields: str) -> bool:
    """Whether Ann's request to dav.example:8443 passes; ``Sec_Fetch_Site`` is Sec-Fetch-Site."""
    environ: dict[str, Any] = {f"HTTP_{name.upper()}": value for name, value in fields.items()}
    environ |= {"wsgi.url_scheme": scheme, "davkeep.caller": ANN}
    environ.setdefault("HTTP_HOST", "dav.example:8443")
    if token is not None:
        environ["HTTP_X_DAVKEEP_TOKEN"] = token
    try:
        require_same_origin(environ, TOKENS)
    except Failure as failure:
        return failure.status != 403
    return True


def test_programs_need_no_token() -> None:
    """What no browser sends is what its user asked for."""
    assert is_allowed()


@pytest.mark.parametrize(
    "fields",
    [
        {"Origin": OWN},
        {"Origin": "HTTPS://DAV.example:8443"},
        {"Sec_Fetch_Site": "same-origin"},
        {"Cookie": "a=b"},
        {"Origin": OWN, "Sec_Fetch_Site": "same-origin", "Cookie": "a=b"},
        {"Origin": "https://dav.example", "Host": "dav.example:443"},
        {"Origin": "https://dav.example:443", "Host": "dav.example"},
    ],
)
def test_a_page_of_this_server_needs_its_token(fields: dict[str, str]) -> None:
    """With it the page may cancel; without it, or with another's, not."""
    assert is_allowed(TOKENS.issue(ANN), **fields)
    assert not is_allowed(None, **fields)
    assert not is_allowed(TOKENS.issue(Caller("bob", "192.0.2.1")), **fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://dav.example:8443"},
        {"Origin": "https://dav.example"},
        {"Origin": "https://dav.example:8443/"},
        {"Origin": "https://dav.example:8443, https://evil.example"},
        {"Origin": "https://ann@dav.example:8443"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "https://[dav"},
        {"Origin": "file://dav.example:8443"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "none"},
        {"Sec_Fetch_Site": ""},
        {"Origin": OWN, "Sec_Fetch_Site": "cross-site"},
        {"Origin": "https://evil.example", "Sec_Fetch_Site": "same-origin"},
        {"Origin": "https://", "Host": ""},
        {"Origin": "http://", "Host": "dav.example:80:80"},
    ],
)
def test_other_sites_may_not(fields: dict[str, str]) -> None:
    """Not even with the token."""
    assert not is_allowed(TOKENS.issue(ANN), **fields)
