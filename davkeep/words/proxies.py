"""Header fields by which a request betrays that a proxy passed it on, and one for a proxy."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

#: The fields that `compat.md`'s proxies and the large relays add, by their names in lower case.
_BETRAYING = re.compile(
    r"via|forwarded|x-forwarded(-.*)?|x-real-ip|x-varnish|x-envoy-.*|x-amzn-.*|cf-.*|cdn-loop|x-host"
)


#: Has nginx hand on at once what it would collect otherwise; it keeps the field to itself.
UNBUFFERED = ("X-Accel-Buffering", "no")


def betraying(names: Iterable[str]) -> list[str]:
    """Those of some field names, in any case, that proxies add."""
    return [name for name in names if _BETRAYING.fullmatch(name.lower())]


def fields_of(environ: Mapping[str, object]) -> dict[str, str]:
    """The betraying header fields of a WSGI request, by their names in lower case."""
    return {name: str(environ[key]) for key in environ if (name := _betraying_name(key))}


@lru_cache(maxsize=1024)
def _betraying_name(key: str) -> str:
    """The name of the betraying field that an environ has under ``key``; empty if it is none."""
    name = key[5:].replace("_", "-").lower()
    return name if key.startswith("HTTP_") and _BETRAYING.fullmatch(name) else ""
