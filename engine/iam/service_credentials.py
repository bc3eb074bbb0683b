"""What users have for single services: SSH public keys (AWS CodeCommit), and user names with passwords (service-specific credentials).

Source: IAM API Reference, and answers recorded of AWS.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from datetime import timedelta
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
    load_ssh_public_key,
)

from engine.context import CallContext
from engine.iam import credentials, entities, quotas, user_credentials
from engine.iam.credentials_api import named_user
from engine.iam.entities import USER
from engine.iam.models import ServiceSpecificCredential, SSHPublicKey, User
from engine.operation import Operation
from engine.wire.errors import AWSError

Answer = dict[str, Any]
_LEAST_BITS = 2048
_BEDROCK = "bedrock.amazonaws.com"
_ssh = user_credentials.finder("ssh_public_keys", "SSHPublicKeyId", "The Public Key with id {} cannot be found.")
_credential = user_credentials.finder(
    "service_specific_credentials", "ServiceSpecificCredentialId", "No such credential {} exists"
)
SERVICES = ("cassandra.amazonaws.com", "codecommit.amazonaws.com", _BEDROCK)


def _ssh_key(body: str) -> RSAPublicKey:
    """Raises InvalidPublicKey (AWS takes RSA keys, in OpenSSH's or the PEM format)."""
    text = body.strip().encode()
    try:
        key = load_pem_public_key(text) if text.startswith(b"-----") else load_ssh_public_key(text)
    except (ValueError, UnsupportedAlgorithm, binascii.Error) as reason:
        raise AWSError("InvalidPublicKey", "The public key is malformed or otherwise invalid.") from reason
    if not isinstance(key, RSAPublicKey) or key.key_size < _LEAST_BITS:
        raise AWSError("InvalidPublicKey", f"The public key has to be an RSA key of at least {_LEAST_BITS} bits.")
    return key


def _fingerprint(key: RSAPublicKey) -> str:
    blob = base64.b64decode(key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).split()[1])
    digest = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


def upload_ssh(context: CallContext, parameters: dict[str, Any]) -> Answer:
    user, body = entities.permitted(context, USER, parameters), parameters["SSHPublicKeyBody"]
    fingerprint = _fingerprint(_ssh_key(body))
    if user.ssh_public_keys.filter(fingerprint=fingerprint).exists():
        raise AWSError("DuplicateSSHPublicKey", f"The SSH public key is already associated with user {user.name}.")
    quotas.hold("SSHPublicKeysPerUser", user.ssh_public_keys.count() + 1)
    row = SSHPublicKey.objects.create(
        credential_id=credentials.new_credential_id("APKA"),
        user=user,
        body=body,
        fingerprint=fingerprint,
        created=context.now,
    )
    return {"SSHPublicKey": _ssh_entry(row, user, row.body)}


def _ssh_entry(row: SSHPublicKey, user: User, body: str = "") -> Answer:
    entry = {
        "UserName": user.name,
        "SSHPublicKeyId": row.credential_id,
        "Status": row.status,
        "UploadDate": row.created,
    }
    return {**entry, "Fingerprint": row.fingerprint, "SSHPublicKeyBody": body} if body else entry


def get_ssh(context: CallContext, parameters: dict[str, Any]) -> Answer:
    row = _ssh(context, parameters)
    key = _ssh_key(row.body)
    formats = {
        "SSH": (Encoding.OpenSSH, PublicFormat.OpenSSH),
        "PEM": (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    }
    asked = parameters["Encoding"]
    if asked not in formats:
        raise AWSError("UnrecognizedPublicKeyEncoding", f"The encoding {asked} is not supported.")
    same = row.body.strip().startswith("-----") == (asked == "PEM")
    body = row.body if same else key.public_bytes(*formats[asked]).decode()
    return {"SSHPublicKey": _ssh_entry(row, row.user, body)}


def list_ssh(context: CallContext, parameters: dict[str, Any]) -> Answer:
    user = named_user(context, parameters)
    rows = user.ssh_public_keys.order_by("created", "credential_id")
    return entities.page(parameters, [_ssh_entry(row, user) for row in rows], "SSHPublicKeys")


def create(context: CallContext, parameters: dict[str, Any]) -> Answer:
    """The only answer, but for a reset, that has the password."""
    user, service = entities.permitted(context, USER, parameters), parameters["ServiceName"]
    _check_service(service)
    mine = user.service_specific_credentials.filter(service_name=service)
    quotas.hold("ServiceSpecificCredentialsPerUser", mine.count() + 1)
    days = parameters.get("CredentialAgeDays")
    if days is not None and service != _BEDROCK:
        raise AWSError("ValidationError", f"CredentialAgeDays is not supported for {service}.")
    row = ServiceSpecificCredential(
        credential_id=credentials.new_credential_id("ACCA"),
        user=user,
        service_name=service,
        service_user_name=_service_user_name(user, service, {each.service_user_name for each in mine}),
        created=context.now,
        expires=context.now + timedelta(days=days) if days is not None else None,
    )
    return _with_new_secret(context, row)


def _service_user_name(user: User, service: str, taken: set[str]) -> str:
    name = f"BedrockAPIKey-{secrets.token_hex(2)}" if service == _BEDROCK else user.name
    candidates = [f"{name}-at-{user.account_id}", f"{name}+1-at-{user.account_id}"]
    return next(each for each in candidates if each not in taken)


def _with_new_secret(context: CallContext, row: ServiceSpecificCredential) -> Answer:
    secret = secrets.token_bytes(96) if row.service_name == _BEDROCK else secrets.token_bytes(32)
    shown = ("ABSK" if row.service_name == _BEDROCK else "") + base64.b64encode(secret).decode()
    row.secret_digest = hashlib.sha256(shown.encode()).hexdigest()
    row.save()
    member = "ServiceCredentialSecret" if row.service_name == _BEDROCK else "ServicePassword"
    return {"ServiceSpecificCredential": {**_entry(context, row), member: shown}}


def _check_service(service: str) -> None:
    if service not in SERVICES:
        words = f"No such service {service} is supported for Service Specific Credentials"
        raise AWSError("NoSuchEntity", words)  # as recorded; the model has ServiceNotSupportedException for it


def _entry(context: CallContext, row: ServiceSpecificCredential) -> Answer:
    member = "ServiceCredentialAlias" if row.service_name == _BEDROCK else "ServiceUserName"
    expired = row.expires is not None and row.expires <= context.now
    entry: Answer = {
        "UserName": row.user.name,
        "Status": "Expired" if expired else row.status,
        member: row.service_user_name,
        "CreateDate": row.created,
        "ServiceSpecificCredentialId": row.credential_id,
        "ServiceName": row.service_name,
    }
    return {**entry, "ExpirationDate": row.expires} if row.expires is not None else entry


def list_credentials(context: CallContext, parameters: dict[str, Any]) -> Answer:
    if parameters.get("AllUsers"):
        entities.permit(context)
        rows = ServiceSpecificCredential.objects.filter(user__account_id=context.account_id)
    else:
        rows = named_user(context, parameters).service_specific_credentials.all()
    if "ServiceName" in parameters:
        _check_service(parameters["ServiceName"])
        rows = rows.filter(service_name=parameters["ServiceName"])
    entries = [_entry(context, row) for row in rows.select_related("user").order_by("created", "credential_id")]
    return entities.page(parameters, entries, "ServiceSpecificCredentials")


def reset(context: CallContext, parameters: dict[str, Any]) -> Answer:
    return _with_new_secret(context, _credential(context, parameters))


OPERATIONS: dict[str, Operation] = {
    **user_credentials.operations("SSHPublicKey", _ssh),
    **user_credentials.operations("ServiceSpecificCredential", _credential),
    "CreateServiceSpecificCredential": Operation(create, writes=True),
    "GetSSHPublicKey": Operation(get_ssh),
    "ListSSHPublicKeys": Operation(list_ssh),
    "ListServiceSpecificCredentials": Operation(list_credentials),
    "ResetServiceSpecificCredential": Operation(reset, writes=True),
    "UploadSSHPublicKey": Operation(upload_ssh, writes=True),
}
