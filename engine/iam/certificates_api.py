"""Server certificates of an account and signing certificates of its users. Source: IAM API Reference, and answers recorded of AWS."""

from __future__ import annotations

from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from engine import clock
from engine.context import CallContext
from engine.iam import credentials, entities, entity_tags, quotas, user_credentials
from engine.iam.credentials import new_unique_id
from engine.iam.credentials_api import named_user
from engine.iam.models import ServerCertificate, SigningCertificate, User
from engine.operation import Operation
from engine.vault import domain_keys
from engine.wire.errors import AWSError

Answer = dict[str, Any]
_signing = user_credentials.finder(
    "signing_certificates", "CertificateId", "The Certificate with id {} cannot be found."
)
_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm)
_CHAIN = (
    "Unable to validate certificate chain. The certificate chain must start with the immediate signing certificate, followed by any "
    "intermediaries in order. The index within the chain of the invalid certificate is: "
)


def _malformed(message: str) -> AWSError:
    return AWSError("MalformedCertificate", message)


def _read(body: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(body.encode())
    except _UNREADABLE as reason:
        raise _malformed("Unable to parse certificate. Please ensure the certificate is in PEM format.") from reason


def _check_key(certificate: x509.Certificate, private_key: str) -> None:
    try:
        key = load_pem_private_key(private_key.encode(), password=None)
    except _UNREADABLE as reason:
        raise _malformed(
            "Unable to parse private key. Please ensure the key is in PEM format and not encrypted."
        ) from reason
    written = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*written) != certificate.public_key().public_bytes(*written):
        raise AWSError("KeyPairMismatch", "The private key does not match the public key of the certificate.")


def _check_chain(certificate: x509.Certificate, chain: str) -> None:
    try:
        issuers = x509.load_pem_x509_certificates(chain.encode())
    except _UNREADABLE as reason:
        raise _malformed(
            "Unable to parse certificate chain. Please ensure the certificates are in PEM format."
        ) from reason
    for index, issuer in enumerate(issuers, -1):
        try:
            certificate.verify_directly_issued_by(issuer)
        except (*_UNREADABLE, InvalidSignature) as reason:
            raise _malformed(f"{_CHAIN}{index}") from reason
        certificate = issuer


def _arn(context: CallContext, path: str, name: str) -> str:
    return f"arn:aws:iam::{context.account_id}:server-certificate{path}{name}"


def _mine(context: CallContext) -> Any:
    return ServerCertificate.objects.filter(account_id=context.account_id)


def _permitted(context: CallContext, parameters: dict[str, Any]) -> ServerCertificate:
    """The server certificate that the request names. Raises NoSuchEntity."""
    name = parameters["ServerCertificateName"]
    found: ServerCertificate | None = _mine(context).filter(name__iexact=name).first()
    entities.permit(context, found.arn if found is not None else _arn(context, "/", name), found, asked=parameters)
    if found is None:
        raise AWSError("NoSuchEntity", f"The Server Certificate with name {name} cannot be found.")
    return found


def _refuse_existing(context: CallContext, name: str) -> None:
    if _mine(context).filter(name__iexact=name).exists():
        raise AWSError("EntityAlreadyExists", f"The Server Certificate with name {name} already exists.")


def _metadata(row: ServerCertificate) -> Answer:
    return {
        "Path": row.path,
        "ServerCertificateName": row.name,
        "ServerCertificateId": row.unique_id,
        "Arn": row.arn,
        "UploadDate": row.created,
        "Expiration": row.expires,
    }


def upload_server(context: CallContext, parameters: dict[str, Any]) -> Answer:
    """The private key is stored sealed, for services that end TLS; nothing gives it out. Certificates are given out without the line break
    at their end, as AWS's: Terraform would else upload them anew each time."""
    name, path = parameters["ServerCertificateName"], parameters.get("Path", "/")
    entities.permit(context, _arn(context, path, name), asked=parameters)
    _refuse_existing(context, name)
    quotas.hold(quotas.SERVER_CERTIFICATES, _mine(context).count() + 1)
    certificate = _read(parameters["CertificateBody"])
    _check_key(certificate, parameters["PrivateKey"])
    if "CertificateChain" in parameters:
        _check_chain(certificate, parameters["CertificateChain"])
    unique_id = new_unique_id("ASCA")
    row = ServerCertificate.objects.create(
        account_id=context.account_id,
        path=path,
        name=name,
        unique_id=unique_id,
        created=context.now,
        body=parameters["CertificateBody"].strip(),
        chain=parameters.get("CertificateChain", "").strip(),
        wrapped_private_key=domain_keys.seal(
            "server-certificate",
            context.account_id,
            credentials.GLOBAL,
            unique_id,
            "",
            parameters["PrivateKey"].encode(),
        ),
        expires=certificate.not_valid_after_utc,
        tags=entities.tag_mapping(parameters.get("Tags", [])),
    )
    return entities.with_tags({"ServerCertificateMetadata": _metadata(row)}, row)


def get_server(context: CallContext, parameters: dict[str, Any]) -> Answer:
    row = _permitted(context, parameters)
    entry: Answer = {"ServerCertificateMetadata": _metadata(row), "CertificateBody": row.body}
    if row.chain:
        entry["CertificateChain"] = row.chain
    return {"ServerCertificate": {**entry, "Tags": entities.tag_list(row.tags)}}


def list_server(context: CallContext, parameters: dict[str, Any]) -> Answer:
    entities.permit(context)
    rows = entities.under_path(parameters, _mine(context)).order_by("name")
    return entities.page(parameters, [_metadata(row) for row in rows], "ServerCertificateMetadataList")


def update_server(context: CallContext, parameters: dict[str, Any]) -> Answer:
    row = _permitted(context, parameters)
    before = row.name
    row.name = parameters.get("NewServerCertificateName", row.name)
    row.path = parameters.get("NewPath", row.path)
    entities.permit(context, row.arn, row)  # for the new name too
    if row.name.lower() != before.lower():
        _refuse_existing(context, row.name)
    row.save(update_fields=["name", "path"])
    return {}


def delete_server(context: CallContext, parameters: dict[str, Any]) -> Answer:
    _permitted(context, parameters).delete()
    return {}


def upload_signing(context: CallContext, parameters: dict[str, Any]) -> Answer:
    user, body = named_user(context, parameters), parameters["CertificateBody"]
    try:
        certificate = x509.load_pem_x509_certificate(body.encode())
    except _UNREADABLE as reason:
        raise _malformed(f"Certificate {body} is malformed.") from reason
    if certificate.not_valid_after_utc <= clock.real_now():
        raise AWSError("InvalidCertificate", "The certificate has expired.")
    for each in SigningCertificate.objects.filter(user__account_id=context.account_id).select_related("user"):
        if x509.load_pem_x509_certificate(each.body.encode()) == certificate:
            raise AWSError("DuplicateCertificate", f"The certificate is already associated with user {each.user.name}.")
    quotas.hold("CertificatesPerUser", user.signing_certificates.count() + 1)
    row = SigningCertificate.objects.create(
        credential_id=credentials.new_long_id(), user=user, body=body, created=context.now
    )
    return {"Certificate": _signing_entry(row, user)}


def _signing_entry(row: SigningCertificate, user: User) -> Answer:
    return {
        "UserName": user.name,
        "CertificateId": row.credential_id,
        "CertificateBody": row.body,
        "Status": row.status,
        "UploadDate": row.created,
    }


def list_signing(context: CallContext, parameters: dict[str, Any]) -> Answer:
    user = named_user(context, parameters)
    rows = user.signing_certificates.order_by("created", "credential_id")
    return entities.page(parameters, [_signing_entry(row, user) for row in rows], "Certificates")


OPERATIONS: dict[str, Operation] = {
    **user_credentials.operations("SigningCertificate", _signing),
    **entity_tags.operations("ServerCertificate", _permitted),
    "DeleteServerCertificate": Operation(delete_server, writes=True),
    "GetServerCertificate": Operation(get_server),
    "ListServerCertificates": Operation(list_server),
    "ListSigningCertificates": Operation(list_signing),
    "UpdateServerCertificate": Operation(update_server, writes=True),
    "UploadServerCertificate": Operation(upload_server, writes=True),
    "UploadSigningCertificate": Operation(upload_signing, writes=True),
}
