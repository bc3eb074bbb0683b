"""Sound calls about what users have besides passwords and access keys: MFA devices, certificates, SSH keys, access reports."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

from tests.support import totp

Parameters = dict[str, Any]


def certificate(
    common: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str = "",
    issuer_key: Any = None,
    days: int = 30,
    addresses: Sequence[str] = (),
) -> str:
    """A certificate in PEM; its own issuer unless one is named. `addresses`: of the server that shows it."""

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    now = datetime.now(UTC)
    made = x509.CertificateBuilder(
        issuer_name=name(issuer or common),
        subject_name=name(common),
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - timedelta(days=60),
        not_valid_after=now + timedelta(days=days),
    )
    if addresses:
        names = [x509.IPAddress(ip_address(each)) for each in addresses]
        made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return made.sign(issuer_key or key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def ssh_key() -> str:
    key = rsa.generate_private_key(65537, 2048)
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def _device(calls: Any) -> Parameters:
    made = calls.iam.create_virtual_mfa_device(VirtualMFADeviceName=calls.name())["VirtualMFADevice"]
    return {"SerialNumber": made["SerialNumber"], "seed": made["Base32StringSeed"]}


def _with_codes(device: Parameters) -> Parameters:
    seed = device.pop("seed")
    return {**device, "AuthenticationCode1": totp.code(seed, -1), "AuthenticationCode2": totp.code(seed)}


def _unassigned(calls: Any) -> Parameters:
    return {"SerialNumber": _device(calls)["SerialNumber"]}


def _assigned(calls: Any) -> Parameters:
    user = calls.made_user()
    serial_number, _seed = totp.assign(calls.iam, user, calls.name())
    return {"UserName": user, "SerialNumber": serial_number}


def _to_synchronise(calls: Any) -> Parameters:
    user = calls.made_user()
    serial_number, seed = totp.assign(calls.iam, user, calls.name())
    return {"UserName": user, **_with_codes({"SerialNumber": serial_number, "seed": seed})}


def _to_upload(calls: Any) -> Parameters:
    key = new_key()
    return {
        "ServerCertificateName": calls.name(),
        "CertificateBody": certificate("web", key),
        "PrivateKey": pem(key),
    }


def _server(calls: Any) -> Parameters:
    for each in calls.iam.list_server_certificates()["ServerCertificateMetadataList"]:  # an account may have 20
        calls.iam.delete_server_certificate(ServerCertificateName=each["ServerCertificateName"])
    given = _to_upload(calls)
    calls.iam.upload_server_certificate(**given)
    return {"ServerCertificateName": given["ServerCertificateName"]}


def _signing(calls: Any) -> Parameters:
    user = calls.made_user()
    made = calls.iam.upload_signing_certificate(UserName=user, CertificateBody=certificate("s", new_key()))
    return {"UserName": user, "CertificateId": made["Certificate"]["CertificateId"]}


def _ssh(calls: Any) -> Parameters:
    user = calls.made_user()
    made = calls.iam.upload_ssh_public_key(UserName=user, SSHPublicKeyBody=ssh_key())["SSHPublicKey"]
    return {"UserName": user, "SSHPublicKeyId": made["SSHPublicKeyId"], "Encoding": "SSH"}


_GIT = {"ServiceName": "codecommit.amazonaws.com"}


def _for_service(calls: Any) -> Parameters:
    user = calls.made_user()
    made = calls.iam.create_service_specific_credential(UserName=user, **_GIT)["ServiceSpecificCredential"]
    return {"UserName": user, "ServiceSpecificCredentialId": made["ServiceSpecificCredentialId"]}


def _job(calls: Any) -> Parameters:
    return {"JobId": calls.iam.generate_service_last_accessed_details(Arn=calls.policy())["JobId"]}


OWN: dict[str, Callable[[Any], Parameters]] = {
    "CreateServiceSpecificCredential": lambda calls: {"UserName": calls.made_user(), **_GIT},
    "CreateVirtualMFADevice": lambda calls: {"VirtualMFADeviceName": calls.name()},
    "DeactivateMFADevice": _assigned,
    "DeleteSSHPublicKey": _ssh,
    "DeleteServerCertificate": _server,
    "DeleteServiceSpecificCredential": _for_service,
    "DeleteSigningCertificate": _signing,
    "DeleteVirtualMFADevice": _unassigned,
    "EnableMFADevice": lambda calls: {"UserName": calls.made_user(), **_with_codes(_device(calls))},
    "GenerateOrganizationsAccessReport": lambda calls: {"EntityPath": "o-a1b2c3d4e5/r-f6g7/ou-f6g7-h8i9j0k1"},
    "GenerateServiceLastAccessedDetails": lambda calls: {"Arn": calls.policy()},
    "GetMFADevice": _assigned,
    "GetOrganizationsAccessReport": lambda calls: {"JobId": str(uuid.uuid4())},
    "GetSSHPublicKey": _ssh,
    "GetServerCertificate": _server,
    "GetServiceLastAccessedDetails": _job,
    "GetServiceLastAccessedDetailsWithEntities": lambda calls: {**_job(calls), "ServiceNamespace": "kms"},
    "ListMFADeviceTags": _unassigned,
    "ListServerCertificateTags": _server,
    "ListServiceSpecificCredentials": lambda calls: {"UserName": calls.made_user()},
    "ResetServiceSpecificCredential": _for_service,
    "ResyncMFADevice": _to_synchronise,
    "TagMFADevice": _unassigned,
    "TagServerCertificate": _server,
    "UntagMFADevice": _unassigned,
    "UntagServerCertificate": _server,
    "UpdateSSHPublicKey": _ssh,
    "UpdateServerCertificate": _server,
    "UpdateServiceSpecificCredential": _for_service,
    "UpdateSigningCertificate": _signing,
    "UploadSSHPublicKey": lambda calls: {"UserName": calls.made_user(), "SSHPublicKeyBody": ssh_key()},
    "UploadServerCertificate": lambda calls: _server(calls) and _to_upload(calls),
    "UploadSigningCertificate": lambda calls: {
        "UserName": calls.made_user(),
        "CertificateBody": certificate("s", new_key()),
    },
}
