"""Forgetting what is stored about a member that is not there."""

from davkeep.dav.site import Site
from davkeep.trees.share import Entry


def forget_predecessor(site: Site, entry: Entry) -> None:
    """Remove the properties of a file that somebody removed without telling the server.

    What is about to be made under its name is another one.
    """
    if site.properties.get(entry.path) and entry.find() is None:
        site.properties.remove(entry.path)
