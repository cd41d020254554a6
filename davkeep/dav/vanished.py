"""Forgetting what is stored about members that are not there."""

import os

from davkeep.dav.site import Site
from davkeep.trees.share import Entry


def forget_vanished(site: Site, path: bytes) -> None:
    """End the locks and remove the properties of whatever at or below ``path`` does not exist.

    For work that was done in part, of which no single moment says what became of each member.
    """
    with site.database.transaction():
        for lock in site.locks.below(path):
            if not os.path.lexists(lock.path):
                site.locks.release(lock.token)
        for member in site.properties.under(path, "infinity"):
            if not os.path.lexists(member):
                site.properties.remove(member)


def forget_predecessor(site: Site, entry: Entry) -> None:
    """Remove the properties of a file that somebody removed without telling the server.

    What is about to be made under its name is another one.
    """
    if entry.find() is None and site.properties.get(entry.path):
        site.properties.remove(entry.path)
