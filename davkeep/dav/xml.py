"""Request bodies in, documents out: the one place that parses and serialises XML."""

import re

from lxml import etree

from davkeep.words.failure import Failure

#: The most that an XML request body may be, in bytes: a PROPFIND of 76 KB of names on 51 resources
#: made 5.9 MB of answer on the stock server; no client seen needs more than some KB.
MAX_BODY = 1024 * 1024

#: What XML cannot carry (XML 1.0 2.2): control characters, surrogates and two more.
_NOT_XML = "[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]"
_UNDISPLAYABLE = re.compile(_NOT_XML)

#: The same, and what does not stand for itself in text or in a value (XML 1.0 2.4, 2.11, 3.3.3).
_UNWRITABLE = re.compile(f'(?P<special>[&<>"\t\n\r])|{_NOT_XML}')

#: The name space to which XML itself binds the prefix ``xml``, and nothing may bind another one.
_XML = "http://www.w3.org/XML/1998/namespace"


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


def written_document(name: str, content: str) -> bytes:
    """The document whose root is the DAV: element ``name`` with a content that is written."""
    root = f'<D:{name} xmlns:D="DAV:">{content}</D:{name}>'
    return f"<?xml version='1.0' encoding='utf-8'?>\n{root}".encode()


def displayable(text: str) -> str:
    """Text that XML can carry: what it cannot becomes the replacement character.

    Names on disk may hold control characters and bytes that are no UTF-8.
    """
    return _UNDISPLAYABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def escaped(text: str) -> str:
    """Displayable text as it stands in an element, or in an attribute between double quotes."""
    return _UNWRITABLE.sub(_written, text)


def _written(found: re.Match[str]) -> str:
    return f"&#{ord(found[0])};" if found["special"] else "\N{REPLACEMENT CHARACTER}"


def element(name: str, content: str = "") -> str:
    """The element of a Clark name, written where the prefix D stands for DAV:.

    ``content`` is written as it is.
    """
    tag, declaration = _tag(name)
    return f"<{tag}{declaration}>{content}</{tag}>" if content else f"<{tag}{declaration}/>"


def _tag(name: str) -> tuple[str, str]:
    """A name with its prefix, and the declaration of that prefix where it needs one."""
    space, _, local = name.rpartition("}")
    if not space:
        return local, ""
    prefix = {"{DAV:": "D", f"{{{_XML}": "xml"}.get(space)
    if prefix is not None:
        return f"{prefix}:{local}", ""
    return f"X:{local}", f' xmlns:X="{escaped(space[1:])}"'
