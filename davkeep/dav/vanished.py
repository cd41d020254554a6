"""Forgetting what is stored about members that are not there."""

import os

from davkeep.dav.site import Site
from davkeep.trees.share import Entry


def forget_vanished(site: Site, path: bytes) -> None:
    """End the locks and remove the properties of whatever at or below ``path`` does not exist.

    For work that was done in part, of which no single moment says what became of each member. The
    caller has reserved the tree: nothing is made there between the look and the change.
    """
    locks = [*site.locks.covering(path), *site.locks.below(path)]
    tokens = [lock.token for lock in locks if _is_gone(lock.path)]
    members = [member for member in site.properties.under(path, "infinity") if _is_gone(member)]
    if not (tokens or members):
        return
    with site.database.transaction():
        for token in tokens:
            site.locks.release(token)
        for member in members:
            site.properties.remove(member)


def _is_gone(path: bytes) -> bool:
    return not os.path.lexists(path)


def forget_predecessor(site: Site, entry: Entry) -> None:
    """Remove the properties of a file that somebody removed without telling the server.

    What is about to be made under its name is another one.
    """
    if entry.find() is None and site.properties.get(entry.path):
        site.properties.remove(entry.path)
