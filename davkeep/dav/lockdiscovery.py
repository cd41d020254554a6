"""DAV:lockdiscovery and DAV:supportedlock (RFC 4918 15.8, 15.10)."""

from collections.abc import Iterable

from lxml import etree

from davkeep.dav.xml import dav
from davkeep.store.locks import Lock


def lockdiscovery(locks: Iterable[Lock], now: float) -> etree._Element:
    """The locks of one resource; ``now`` in seconds of the epoch gives the time that is left."""
    element = etree.Element(dav("lockdiscovery"))
    for lock in locks:
        element.append(_active(lock, now))
    return element


def _active(lock: Lock, now: float) -> etree._Element:
    active = etree.Element(dav("activelock"))
    etree.SubElement(etree.SubElement(active, dav("locktype")), dav("write"))
    etree.SubElement(etree.SubElement(active, dav("lockscope")), dav(lock.scope))
    etree.SubElement(active, dav("depth")).text = lock.depth
    if lock.owner_xml:
        active.append(etree.fromstring(lock.owner_xml))
    left = lock.remaining(now)
    timeout = "Infinite" if left is None else f"Second-{max(0, round(left))}"
    etree.SubElement(active, dav("timeout")).text = timeout
    _href(active, "locktoken", lock.token)
    _href(active, "lockroot", lock.url)
    return active


def _href(active: etree._Element, name: str, text: str) -> None:
    etree.SubElement(etree.SubElement(active, dav(name)), dav("href")).text = text


def supportedlock() -> etree._Element:
    """Exclusive and shared write locks."""
    element = etree.Element(dav("supportedlock"))
    for scope in ("exclusive", "shared"):
        entry = etree.SubElement(element, dav("lockentry"))
        etree.SubElement(etree.SubElement(entry, dav("lockscope")), dav(scope))
        etree.SubElement(etree.SubElement(entry, dav("locktype")), dav("write"))
    return element
