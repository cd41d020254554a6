"""Request bodies in, documents out: the one place that parses and serialises XML."""

from lxml import etree

from davkeep.words.failure import Failure

#: The most that an XML request body may be, in bytes: a PROPFIND of 76 KB of names on 51 resources
#: made 5.9 MB of answer on the stock server; no client seen needs more than some KB.
MAX_BODY = 1024 * 1024


def dav(name: str) -> str:
    """The Clark name of an element of the DAV: name space."""
    return f"{{DAV:}}{name}"


def parse(body: bytes, root: str) -> etree._Element:
    """Parse a request body whose root is the DAV: element ``root``.

    Entities are not resolved and a document type is refused, so that nothing outside is read and
    nothing expands. Malformed XML or another root: 400 (RFC 4918 8.2).
    """
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        element = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise Failure(400, "The request body is not well-formed XML.") from None
    if element.getroottree().docinfo.internalDTD is not None:
        raise Failure(400, "A document type declaration is not accepted.")
    if element.tag != dav(root):
        raise Failure(400, f"The root element of the request body must be DAV:{root}.")
    return element


def document(element: etree._Element) -> bytes:
    """Serialise a whole document, with its XML declaration."""
    return etree.tostring(element, encoding="utf-8", xml_declaration=True)


def displayable(text: str) -> str:
    """Text that XML can carry: what it cannot becomes the replacement character.

    XML 1.0 2.2 excludes control characters and surrogates; names on disk may hold both.
    """
    return "".join(c if _is_xml_character(c) else "\N{REPLACEMENT CHARACTER}" for c in text)


def _is_xml_character(c: str) -> bool:
    return (
        " " <= c <= "\ud7ff"
        or c in "\t\n\r"
        or "\ue000" <= c <= "\ufffd"
        or "\U00010000" <= c <= "\U0010ffff"
    )
