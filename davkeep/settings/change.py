"""A configuration like another one, with one key changed."""

from typing import Any, TypeVar

from pydantic import BaseModel

Model = TypeVar("Model", bound=BaseModel)


def changed(block: Model, key: str, value: Any) -> Model:
    """A copy of `block` in which the dotted `key` is `value`, which is not checked again."""
    first, _, rest = key.partition(".")
    inner = changed(getattr(block, first), rest, value) if rest else value
    return block.model_copy(update={first: inner})


def value_of(block: BaseModel, key: str) -> Any:
    """What stands under the dotted `key`."""
    value: Any = block
    for part in key.split("."):
        value = getattr(value, part)
    return value
