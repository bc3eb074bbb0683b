"""Which assertion of a SAML response counts: the one that the identity provider has signed, encrypted for us or not.

Only what a signature covers is read: the element that it was made over, as signxml gives it back, so that nothing that is wrapped around
it counts. An encrypted assertion is signed itself, inside, or is part of a response that is signed as a whole; a signature of the response
is checked before anything is decrypted. Source: SAML 2.0 Core, sections 2.3.4, 5 and 6.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from lxml.etree import LxmlError
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import SignXMLException
from signxml.verifier import SignatureConfiguration, XMLVerifier

from engine.iam import saml_metadata, xml_encryption
from engine.iam.saml_metadata import NAMES, IdentityProvider, NotSaml
from engine.wire.errors import AWSError

logger = logging.getLogger(__name__)

_SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"
_ASSERTION, _RESPONSE = f"{{{NAMES['saml']}}}Assertion", f"{{{NAMES['samlp']}}}Response"
_SIGNED = SignatureConfiguration(
    require_x509=False,  # the certificate is the metadata's, whatever the response brings
    signature_methods=frozenset(
        {
            *(SignatureMethod.RSA_SHA256, SignatureMethod.RSA_SHA384, SignatureMethod.RSA_SHA512),
            *(SignatureMethod.ECDSA_SHA256, SignatureMethod.ECDSA_SHA384, SignatureMethod.ECDSA_SHA512),
        }
    ),
    digest_algorithms=frozenset({DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512}),
)


# What a signature can be that is none: signxml lets lxml's and cryptography's own errors through.
_NO_SIGNATURE = (SignXMLException, LxmlError, UnsupportedAlgorithm, ValueError, TypeError, LookupError)


def invalid(message: str) -> AWSError:
    return AWSError("InvalidIdentityToken", message)


def is_encrypted(root: Any) -> bool:
    return root.find("saml:EncryptedAssertion", NAMES) is not None


def signed(document: bytes, metadata: IdentityProvider, keys: Sequence[RSAPrivateKey], *, encrypted_only: bool) -> Any:
    """The signed assertion of a response. Raises InvalidIdentityToken; IDPRejectedClaim for what says that the sign-in failed."""
    try:
        root = saml_metadata.parse_xml(document)
    except NotSaml as reason:
        raise invalid("Invalid SAMLResponse") from reason
    status = root.find("samlp:Status/samlp:StatusCode", NAMES)
    if status is not None and status.get("Value") != _SUCCESS:
        raise AWSError("IDPRejectedClaim", "The identity provider reported that authentication failed.")
    if is_encrypted(root):
        return _encrypted(root, document, metadata, keys)
    if encrypted_only:
        raise invalid("The SAML provider takes encrypted assertions only")
    found = _covered(document, metadata)
    if found.tag == _ASSERTION:
        return found
    return _only(found, "saml:Assertion")


def _encrypted(root: Any, document: bytes, metadata: IdentityProvider, keys: Sequence[RSAPrivateKey]) -> Any:
    if not keys:
        raise invalid("The SAML provider has no private key to decrypt the assertion with")
    whole = root.find("ds:Signature", NAMES) is not None
    sealed = _only(_covered(document, metadata) if whole else root, "saml:EncryptedAssertion")
    try:
        opened = xml_encryption.open_element(sealed, keys, authentic=whole)
        found = saml_metadata.parse_xml(opened)
    except xml_encryption.NotSupported as reason:
        raise invalid(f"Encryption of the assertion is not supported: {reason}") from reason
    except (xml_encryption.NotOpened, NotSaml) as reason:
        raise invalid("Unable to decrypt the assertion") from reason
    if not whole:
        found = _covered(opened, metadata)
    if found.tag != _ASSERTION:
        raise invalid("Invalid SAMLResponse")
    return found


def _only(parent: Any, path: str) -> Any:
    """The one assertion of a response."""
    found = parent.findall(path, NAMES) if parent.tag == _RESPONSE else []
    if len(found) != 1:
        raise invalid("Invalid SAMLResponse")
    return found[0]


def _covered(document: bytes, metadata: IdentityProvider) -> Any:
    """The element that a signature of the identity provider was made over. Raises InvalidIdentityToken if there is none."""
    for certificate in metadata.certificates:
        try:
            found = XMLVerifier().verify(document, x509_cert=certificate, expect_config=_SIGNED)
        except _NO_SIGNATURE as reason:
            logger.info("a SAML response is not signed by a certificate of its metadata: %s", type(reason).__name__)
            continue
        if not isinstance(found, list) and found.signed_xml is not None:
            return found.signed_xml
        break
    raise invalid("Response signature invalid")
