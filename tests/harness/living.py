"""What of davkeep's lives in this process: objects by class, and how much is in what they keep."""

import functools
import gc
from collections import Counter, deque
from collections.abc import Iterator
from typing import Any

#: What grows by being added to.
CONTAINERS = (dict, list, set, bytearray, deque)


def _is_ours(kind: type) -> bool:
    module = getattr(kind, "__module__", None)
    return isinstance(module, str) and module.partition(".")[0] == "davkeep"


def _attributes(thing: Any) -> Iterator[tuple[str, Any]]:
    yield from getattr(thing, "__dict__", {}).items()
    for kind in type(thing).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            yield name, getattr(thing, name, None)


def living() -> Counter[str]:
    """How many objects there are of each class of davkeep's, and, under ``class.attribute``, how
    many things are in the fullest of the containers that they have.
    """
    gc.collect()
    found: Counter[str] = Counter()
    for thing in gc.get_objects():
        kind = type(thing)
        if not _is_ours(kind) or isinstance(thing, type):
            continue
        name = f"{kind.__module__}.{kind.__qualname__}"
        found[name] += 1
        for attribute, value in _attributes(thing):
            if isinstance(value, CONTAINERS):
                key = f"{name}.{attribute}"
                found[key] = max(found[key], len(value))
    return found


def caches() -> list[Any]:
    """The caches of davkeep's functions."""
    kind = type(functools.lru_cache(_is_ours))
    return [
        each
        for each in gc.get_objects()
        if isinstance(each, kind) and each.__module__.startswith("davkeep.")
    ]
