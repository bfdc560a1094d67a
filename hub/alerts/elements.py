"""Elements of an XML document with text that XML can hold."""

import re
from xml.etree.ElementTree import Element, SubElement, register_namespace, tostring

# What XML 1.0 cannot hold (section 2.2), not even escaped.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Elements:
    """Makes elements of one namespace. prefix: written before their names; empty: none."""

    def __init__(self, namespace: str, prefix: str = "") -> None:
        self._namespace = namespace
        register_namespace(prefix, namespace)

    def root(self, name: str) -> Element:
        """Return the first element of a document."""
        return Element(f"{{{self._namespace}}}{name}")

    def add(self, parent: Element, name: str, **attributes: str) -> Element:
        """Add an element, and return it."""
        return SubElement(parent, f"{{{self._namespace}}}{name}", attributes)

    def put(self, parent: Element, name: str, text: str) -> None:
        """Add an element with a text."""
        self.add(parent, name).text = _NOT_XML.sub(" ", text)


def written(root: Element) -> bytes:
    """Return a document in UTF-8."""
    return bytes(tostring(root, encoding="utf-8", xml_declaration=True))
