"""How large a file may become that arrives in parts, so that no part of it tells.

A body that is too large by itself is refused by the server.
"""

from davkeep.dav.site import Site
from davkeep.trees.capacity import capacity_of
from davkeep.trees.share import Entry
from davkeep.words.failure import Failure


def refuse_too_large(site: Site, entry: Entry, size: int) -> None:
    """Raise 413 if a file of ``size`` bytes is more than may be sent, or its disk can hold."""
    most = site.configuration.server_args.max_request_body_size
    if most and size > most:
        raise Failure(413, f"A file may have {most} bytes.")
    capacity = capacity_of(entry.parent_fd)
    if capacity is not None and size > capacity.whole:
        raise Failure(413, "The file would be larger than the file system.")


def refuse_without_room(entry: Entry, size: int) -> None:
    """Raise 507 if there is no room for ``size`` bytes more."""
    capacity = capacity_of(entry.parent_fd)
    if capacity is not None and size > capacity.free:
        raise Failure(507, "There is no room for the zeros before the part.")
