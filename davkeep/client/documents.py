"""What a server sends as JSON, which may be anything."""

import json
from typing import Any, NoReturn

from davkeep.client.wire import Heard

#: Levels of lists and objects within each other; davkeep's own documents have four.
MOST_LEVELS = 32


def parsed(heard: Heard) -> Any:
    """The document of an answer that is whole; None where it is none.

    A number that JSON has no form for (NaN, 1e999) and more than MOST_LEVELS make it none.
    """
    if not heard.complete:
        return None
    try:
        found = json.loads(heard.content, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        return None
    return found if _is_shallow(found) else None


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        _refuse(text)
    return number


def _is_shallow(found: Any) -> bool:
    level = [found]
    for _ in range(MOST_LEVELS):
        level = [child for each in level for child in _children(each)]
        if not level:
            return True
    return False


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
