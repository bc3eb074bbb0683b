"""Identity providers for tests: keys and tokens of an OpenID Connect issuer, metadata and signed responses of a SAML one."""

from __future__ import annotations

import base64
import json
import re
import secrets
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.x509.oid import NameOID
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from lxml import etree
from signxml import XMLSigner

from engine.iam.models import OpenIDConnectProvider
from engine.store import transaction
from engine.store.transaction import changed, iam_entity
from tests.support import rsa_keys

SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
XENC, XENC11 = "http://www.w3.org/2001/04/xmlenc#", "http://www.w3.org/2009/xmlenc11#"
DSIG = "http://www.w3.org/2000/09/xmldsig#"
ISSUER = "https://tokens.example.com/main"
CLIENT = "sts.amazonaws.com"


@cache
def rsa_key(name: str = "one") -> rsa.RSAPrivateKey:
    return rsa_keys.named(name)  # of its own: it stays while others of the stock come in turn


@cache
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def jwks() -> dict[str, Any]:
    """The issuer's public keys: "one" and "two" sign, "three" encrypts, "four" is an elliptic curve's."""
    keys = [
        {**json.loads(RSAAlgorithm.to_jwk(rsa_key(name).public_key())), "kid": name, "use": use}
        for name, use in (("one", "sig"), ("two", "sig"), ("three", "enc"))
    ]
    return {"keys": [*keys, {**json.loads(ECAlgorithm.to_jwk(ec_key().public_key())), "kid": "four"}]}


def token(key: Any = None, kid: str | None = "one", alg: str = "RS256", **claims: Any) -> str:
    """A token as the issuer signs it; a claim of None is left out."""
    now = int(time.time())
    given = {"iss": ISSUER, "aud": CLIENT, "sub": "repo:acme/app", "iat": now, "exp": now + 300, **claims}
    said = {name: value for name, value in given.items() if value is not None}
    return jwt.encode(said, key or rsa_key(kid or "one"), algorithm=alg, headers={"kid": kid} if kid else None)


def give_keys(account_id: str, issuer: str = ISSUER, document: Any = None) -> None:
    """Have the provider's keys known offline."""
    with transaction.write():
        OpenIDConnectProvider.objects.filter(account_id=account_id, url=issuer.removeprefix("https://")).update(
            keys=json.dumps(document or jwks())
        )
        changed(iam_entity(account_id))


@cache
def certificate(host: str = "idp.example.com") -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(rsa_key("saml").public_key())
    made = made.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
    return made.not_valid_after(now + timedelta(days=30)).sign(rsa_key("saml"), hashes.SHA256())


def server_context(folder: Path) -> tuple[ssl.SSLContext, str]:
    """What a server of this machine speaks TLS with, and the thumbprint of its certificate."""
    made, key = certificate("127.0.0.1"), rsa_key("saml")
    pem = serialization.Encoding.PEM
    path = folder / "server.pem"
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + made.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context, made.fingerprint(hashes.SHA1()).hex()


ENTITY = "https://idp.example.com/saml"


def metadata() -> str:
    der = base64.b64encode(certificate().public_bytes(serialization.Encoding.DER)).decode()
    return (
        f"""<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{ENTITY}">
<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><md:KeyDescriptor use="signing">
<ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>{der}</ds:X509Certificate></ds:X509Data>
</ds:KeyInfo></md:KeyDescriptor><md:SingleSignOnService Location="{ENTITY}/sso"
Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"/></md:IDPSSODescriptor></md:EntityDescriptor>"""
        + " " * 300
    )


def response(
    role_arn: str,
    provider_arn: str,
    *,
    issued: datetime | None = None,
    ends: datetime | None = None,
    recipient: str = "https://signin.aws.amazon.com/saml",
    audience: str = "urn:amazon:webservices",
    issuer: str = ENTITY,
    name: str = "ann@example.com",
    name_format: str = "persistent",
    assertion: str = "a1",
    attributes: dict[str, list[str]] | None = None,
    key: str = "saml",
    sign: str = "assertion",
    encrypt: Callable[[Any], Any] | None = None,
) -> str:
    """A response of the SAML provider, in base64. `sign`: "assertion", "response", both or nothing; `encrypt`: `encryption(…)`."""
    now = issued or datetime.now(UTC)
    until = ends or now + timedelta(minutes=5)
    base = "https://aws.amazon.com/SAML/Attributes/"
    given = {f"{base}Role": [f"{role_arn},{provider_arn}"], f"{base}RoleSessionName": ["ann"], **(attributes or {})}
    written = "".join(
        f'<saml:Attribute Name="{each}">'
        + "".join(f"<saml:AttributeValue>{value}</saml:AttributeValue>" for value in values)
        + "</saml:Attribute>"
        for each, values in given.items()
    )
    form = "%Y-%m-%dT%H:%M:%SZ"
    xml = f"""<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"
 ID="r1" Version="2.0" IssueInstant="{now:{form}}"><saml:Issuer>{issuer}</saml:Issuer><samlp:Status><samlp:StatusCode
 Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status><saml:Assertion ID="{assertion}" Version="2.0" IssueInstant="{now:{form}}">
<saml:Issuer>{issuer}</saml:Issuer><saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:{name_format}">{name}</saml:NameID>
<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData Recipient="{recipient}"
 NotOnOrAfter="{until:{form}}"/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotOnOrAfter="{until:{form}}">
<saml:AudienceRestriction><saml:Audience>{audience}</saml:Audience></saml:AudienceRestriction></saml:Conditions>
<saml:AttributeStatement>{written}</saml:AttributeStatement></saml:Assertion></samlp:Response>"""
    root: Any = etree.fromstring(xml)
    found = root.find(f"{{{SAML}}}Assertion")
    if "assertion" in sign:
        root.replace(found, found := _signed(found, key))
    if encrypt is not None:
        root.replace(found, encrypt(found))
    if "response" in sign:
        root = _signed(root, key)
    return base64.b64encode(etree.tostring(root)).decode()


def _signed(element: Any, key: str) -> Any:
    signer = XMLSigner(c14n_algorithm="http://www.w3.org/2001/10/xml-exc-c14n#")
    return signer.sign(element, key=rsa_key(key), cert=[certificate()], reference_uri=element.get("ID"))


def private_key(name: str = "decrypts") -> str:
    """For AddPrivateKey; assertions are encrypted to its public half."""
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return rsa_key(name).private_bytes(*form).decode()


def encryption(
    content: str = f"{XENC11}aes256-gcm",
    transport: str = f"{XENC}rsa-oaep-mgf1p",
    *,
    to: tuple[str, ...] = ("decrypts",),
    beside: bool = False,
    digest: str = "",
    mask: str = "",
    change: Callable[[bytes], bytes] = lambda content: content,
) -> Callable[[Any], Any]:
    """What encrypts an assertion as identity providers do; `to`: for whom; `beside`: the keys beside the data, not in it."""

    def encrypt(assertion: Any) -> Any:
        secret = secrets.token_bytes(int(re.search(r"aes(\d+)", content)[1]) // 8)  # type: ignore[index]
        keys = "".join(_encrypted_key(secret, transport, reader, digest, mask) for reader in to)
        sealed = base64.b64encode(change(_sealed(secret, content, etree.tostring(assertion)))).decode()
        inside, outside = ("", keys) if beside else (f"<ds:KeyInfo>{keys}</ds:KeyInfo>", "")
        return etree.fromstring(
            f'''<saml:EncryptedAssertion xmlns:saml="{SAML}" xmlns:xenc="{XENC}" xmlns:xenc11="{XENC11}"
 xmlns:ds="{DSIG}"><xenc:EncryptedData Type="{XENC}Element"><xenc:EncryptionMethod Algorithm="{content}"/>{inside}<xenc:CipherData>
<xenc:CipherValue>{sealed}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>{outside}</saml:EncryptedAssertion>'''
        )

    return encrypt


_HASHES = {"sha1": hashes.SHA1, "sha256": hashes.SHA256, "sha384": hashes.SHA384, "sha512": hashes.SHA512}


def _encrypted_key(secret: bytes, transport: str, reader: str, digest: str, mask: str) -> str:
    public = rsa_key(reader).public_key()
    if transport.endswith("rsa-1_5"):
        wrapped = public.encrypt(secret, padding.PKCS1v15())
    else:
        made = _HASHES[digest.partition("#")[2] or "sha1"]()
        masked = _HASHES[mask.partition("#mgf1")[2] or "sha1"]()
        wrapped = public.encrypt(secret, padding.OAEP(mgf=padding.MGF1(masked), algorithm=made, label=None))
    said = f'<ds:DigestMethod Algorithm="{digest}"/>' if digest else ""
    said += f'<xenc11:MGF Algorithm="{mask}"/>' if mask else ""
    return (
        f'<xenc:EncryptedKey><xenc:EncryptionMethod Algorithm="{transport}">{said}</xenc:EncryptionMethod><xenc:CipherData>'
        f"<xenc:CipherValue>{base64.b64encode(wrapped).decode()}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey>"
    )


def _sealed(secret: bytes, content: str, plain: bytes) -> bytes:
    if content.endswith("-gcm"):
        nonce = secrets.token_bytes(12)
        return nonce + AESGCM(secret).encrypt(nonce, plain, None)
    missing = 16 - len(plain) % 16
    start = secrets.token_bytes(16)
    writing = Cipher(AES(secret), CBC(start)).encryptor()
    return start + writing.update(plain + bytes(missing - 1) + bytes([missing])) + writing.finalize()
