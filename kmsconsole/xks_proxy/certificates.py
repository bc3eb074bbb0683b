"""A certificate authority for training: certificates of a server and of a client, as PEM files. Never for earnest use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from engine import durable_files

_DAYS = 90
_SKEW = timedelta(hours=1)


@dataclass(frozen=True)
class Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)


def authority(name: str) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(name)
    builder = _builder(subject, subject, key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    builder = builder.add_extension(usage, critical=True)
    return Authority(builder.sign(key, hashes.SHA256()), key)


def server_pem(issuer: Authority, host: str) -> bytes:
    """Certificate and private key of a server that is reached as `host`."""
    try:
        name: x509.GeneralName = x509.IPAddress(ip_address(host))
    except ValueError:
        name = x509.DNSName(host)
    return _pem(issuer, host, ExtendedKeyUsageOID.SERVER_AUTH, x509.SubjectAlternativeName([name]))


def client_pem(issuer: Authority, common_name: str) -> bytes:
    """Certificate and private key of a client whose subject is `common_name`."""
    return _pem(issuer, common_name, ExtendedKeyUsageOID.CLIENT_AUTH, None)


def write_private(path: Path, content: bytes) -> None:
    """A new file that only its owner can read."""
    with durable_files.new_file(path) as file:
        file.write(content)


def _pem(
    issuer: Authority, name: str, usage: x509.ObjectIdentifier, names: x509.SubjectAlternativeName | None
) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(_name(name), issuer.certificate.subject, key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
    certificate = builder.add_extension(issuer_key, critical=False).sign(issuer.key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + private


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=public)
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - _SKEW).not_valid_after(now + timedelta(days=_DAYS))
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
