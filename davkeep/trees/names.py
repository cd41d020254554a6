"""Names as steps of a path below a share's root."""

from davkeep.words.names import folded
from davkeep.words.names import is_reserved as is_hidden_name

__all__ = ["folded", "is_hidden_name", "is_segment"]


def is_segment(name: str) -> bool:
    """Tell whether ``name`` can be one step of a path below a share's root."""
    return name not in ("", ".", "..") and "/" not in name and "\0" not in name
