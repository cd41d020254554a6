"""Names: the steps of a path below a share's root, and those under which work hides something."""

from davkeep.words.names import folded
from davkeep.words.names import is_reserved as is_hidden_name

__all__ = ["GONE", "OLD", "UPLOAD", "Name", "folded", "is_hidden_name", "is_segment"]

#: A name in an open directory.
Name = tuple[int, str]

#: Appended to the staging name: an old destination, out of sight where names cannot be exchanged.
OLD = ".old"
#: Appended to the staging name: the source of a MOVE across file systems, out of sight.
GONE = ".gone"

#: Begins the id in the staging name of an upload: no collection is ever staged under such a name.
UPLOAD = "put-"


def is_segment(name: str) -> bool:
    """Tell whether ``name`` can be one step of a path below a share's root."""
    return name not in ("", ".", "..") and "/" not in name and "\0" not in name
