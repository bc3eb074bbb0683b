"""A client of the AWS KMS External Key Store Proxy API, version 1: GetHealthStatus, GetKeyMetadata, Encrypt, Decrypt.

It knows nothing of KMS keys. A request is signed by SigV4 with the credential that the proxy's administrator gave out; the answer is
checked (engine.xks.answers), and either it is all that the specification demands or XksError is raised. Plaintexts and secrets are in no
error, log or representation.
Source: AWS, "AWS KMS External Key Store Proxy API Specification", 1.0.3.
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any

import orjson
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from engine.xks import answers, connection
from engine.xks.answers import Health, KeyMetadata, Sealed
from engine.xks.connection import Network
from engine.xks.failures import Failure, XksError

SERVICE = "kms-xks-proxy"
LARGEST_PLAINTEXT = 4300  # bytes that each proxy takes
LARGEST_ADDITIONAL_DATA = 8192
LONGEST_URI = 256
_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


@dataclass(frozen=True)
class Proxy:
    """An external key store proxy. `uri_endpoint`: https:// and a host; `uri_path`: ends with /kms/xks/v1. `region`: whence it is called."""

    uri_endpoint: str
    uri_path: str
    access_key_id: str
    secret: str = field(repr=False)
    region: str = "us-east-1"

    @property
    def host(self) -> str:
        return self.uri_endpoint.removeprefix("https://").lower()


@dataclass(frozen=True)
class RequestMetadata:
    """Who asked AWS KMS for what. Members that are empty are left out."""

    kms_operation: str
    kms_request_id: str
    aws_principal_arn: str = ""
    kms_key_arn: str = ""
    kms_via_service: str = ""
    aws_source_vpc: str = ""
    aws_source_vpce: str = ""


_MEMBERS = {
    "awsPrincipalArn": "aws_principal_arn",
    "awsSourceVpc": "aws_source_vpc",
    "awsSourceVpce": "aws_source_vpce",
    "kmsKeyArn": "kms_key_arn",
    "kmsOperation": "kms_operation",
    "kmsRequestId": "kms_request_id",
    "kmsViaService": "kms_via_service",
}
# Which members each operation of the proxy is told.
_TOLD = {
    "health": ("kmsOperation", "kmsRequestId"),
    "metadata": ("awsPrincipalArn", "awsSourceVpc", "awsSourceVpce", "kmsOperation", "kmsRequestId"),
    "encrypt": tuple(_MEMBERS),
    "decrypt": tuple(_MEMBERS),
}


def health(proxy: Proxy, metadata: RequestMetadata, network: Network) -> Health:
    """Raises XksError, also when every external key manager is unavailable."""
    found = answers.health(_call(proxy, "health", "/health", {}, metadata, network))
    if all(each.health_status == "UNAVAILABLE" for each in found.managers):
        raise XksError(Failure.MANAGERS_UNAVAILABLE)
    return found


def key_metadata(proxy: Proxy, xks_key_id: str, metadata: RequestMetadata, network: Network) -> KeyMetadata:
    """Raises XksError."""
    return answers.key_metadata(_call(proxy, "metadata", _of_key(xks_key_id, "metadata"), {}, metadata, network))


def encrypt(
    proxy: Proxy, xks_key_id: str, plaintext: bytes, additional_data: bytes, metadata: RequestMetadata, network: Network
) -> Sealed:
    """AES-GCM by the external key. The proxy vouches by a checked integrity value that it can decrypt what it answers. Raises XksError."""
    if not (0 < len(plaintext) <= LARGEST_PLAINTEXT and len(additional_data) <= LARGEST_ADDITIONAL_DATA):
        raise ValueError("a proxy need not take plaintext or additional data of this length")
    asked: dict[str, Any] = {
        "plaintext": b64encode(plaintext).decode(),
        "encryptionAlgorithm": "AES_GCM",
        "ciphertextDataIntegrityValueAlgorithm": "SHA_256",
    }
    if additional_data:
        asked["additionalAuthenticatedData"] = b64encode(additional_data).decode()
    found = _call(proxy, "encrypt", _of_key(xks_key_id, "encrypt"), asked, metadata, network)
    return answers.encrypted(found, len(plaintext), additional_data)


def decrypt(
    proxy: Proxy, xks_key_id: str, sealed: Sealed, additional_data: bytes, metadata: RequestMetadata, network: Network
) -> bytes:
    """What the proxy says is the plaintext, of the right length. Whether it is what was encrypted the caller must know. Raises XksError."""
    asked: dict[str, Any] = {
        "ciphertext": b64encode(sealed.ciphertext).decode(),
        "initializationVector": b64encode(sealed.nonce).decode(),
        "authenticationTag": b64encode(sealed.tag).decode(),
        "encryptionAlgorithm": "AES_GCM",
    }
    if sealed.metadata:
        asked["ciphertextMetadata"] = b64encode(sealed.metadata).decode()
    if additional_data:
        asked["additionalAuthenticatedData"] = b64encode(additional_data).decode()
    found = _call(proxy, "decrypt", _of_key(xks_key_id, "decrypt"), asked, metadata, network)
    return answers.decrypted(found, len(sealed.ciphertext))


def _of_key(xks_key_id: str, operation: str) -> str:
    if not _KEY_ID.fullmatch(xks_key_id):
        raise ValueError("this is no external key ID")
    return f"/keys/{xks_key_id}/{operation}"


def _call(
    proxy: Proxy, operation: str, path: str, asked: dict[str, Any], metadata: RequestMetadata, network: Network
) -> dict[str, Any]:
    url = f"https://{proxy.host}{proxy.uri_path}{path}"
    if len(url) > LONGEST_URI:
        raise XksError(Failure.INVALID_PATH)
    told = {name: value for name in _TOLD[operation] if (value := getattr(metadata, _MEMBERS[name]))}
    body = orjson.dumps({"requestMetadata": told, **asked})
    headers = {**_signature(proxy, url, body), "Content-Type": "application/json", "Accept": "application/json"}
    answer = connection.post(network, proxy.host, proxy.uri_path + path, headers, body)
    return answers.members(operation, answer)


def _signature(proxy: Proxy, url: str, body: bytes) -> dict[str, str]:
    """The headers of SigV4 over host, x-amz-date and the body."""
    request = AWSRequest(method="POST", url=url, data=body)
    SigV4Auth(Credentials(proxy.access_key_id, proxy.secret), SERVICE, proxy.region).add_auth(request)
    return {name: request.headers[name] for name in ("X-Amz-Date", "Authorization")}
