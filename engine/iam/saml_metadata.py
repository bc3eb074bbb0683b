"""What a SAML metadata document says of an identity provider. Pure. Source: SAML 2.0 Metadata, sections 2.3 and 2.4.

No entity or external document of the XML is read: a document with a DTD is refused.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from lxml import etree

_MOST_CERTIFICATES = 20  # a response is tried by each, and whoever sends one need not sign it
NAMES = {
    "md": "urn:oasis:names:tc:SAML:2.0:metadata",
    "ds": "http://www.w3.org/2000/09/xmldsig#",
    "saml": "urn:oasis:names:tc:SAML:2.0:assertion",
    "samlp": "urn:oasis:names:tc:SAML:2.0:protocol",
}


class NotSaml(ValueError):
    """It is no XML, or not of the kind that was asked for."""


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    entity_id: str
    certificates: tuple[x509.Certificate, ...]


def parse_xml(document: bytes) -> Any:
    """The root element. Raises NotSaml."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(document, parser)
    except (etree.XMLSyntaxError, ValueError) as reason:
        raise NotSaml("not XML") from reason
    if root.getroottree().docinfo.doctype:
        raise NotSaml("a DTD")
    return root


def read(document: str) -> IdentityProvider:
    """Raises NotSaml for what does not describe an identity provider with a certificate that signs."""
    root = parse_xml(document.encode())
    entity = root if root.tag == f"{{{NAMES['md']}}}EntityDescriptor" else root.find("md:EntityDescriptor", NAMES)
    if entity is None or not entity.get("entityID"):
        raise NotSaml("no EntityDescriptor")
    certificates = []
    for key in entity.iterfind("md:IDPSSODescriptor/md:KeyDescriptor", NAMES):
        if key.get("use") in (None, "signing"):
            certificates += [_certificate(each.text or "") for each in key.iterfind(".//ds:X509Certificate", NAMES)]
            if len(certificates) > _MOST_CERTIFICATES:
                raise NotSaml("too many certificates")
    if not certificates:
        raise NotSaml("no certificate that signs")
    return IdentityProvider(entity.get("entityID"), tuple(certificates))


def _certificate(text: str) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(base64.b64decode("".join(text.split()), validate=True))
    except (binascii.Error, ValueError) as reason:
        raise NotSaml("a certificate that cannot be read") from reason
