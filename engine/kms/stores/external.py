"""Key stores of type EXTERNAL_KEY_STORE: keys in an external key manager, behind a proxy of AWS's XKS proxy API.

A key has material of this service's too: what is encrypted is encrypted by it first, then by the external key (engine.kms.xks_ciphertext).
Nothing is made or destroyed in the key manager. Connectivity VPC_ENDPOINT_SERVICE is kept, but there is no VPC here: such a store does
not connect.
Source: AWS KMS Developer Guide, "External key stores"; what a proxy's failures become is in engine.xks.failures.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from engine import throttling
from engine.context import CallContext
from engine.kms import models, xks_ciphertext
from engine.kms.ciphertext import Reference, invalid
from engine.kms.stores import health, proxies, snapshots
from engine.kms.stores.snapshots import EXTERNAL_KEY_STORE, KeyInStore, KeyStore
from engine.wire.errors import AWSError
from engine.xks import client
from engine.xks.answers import Sealed
from engine.xks.client import Proxy, RequestMetadata
from engine.xks.connection import Network
from engine.xks.failures import XksError

logger = logging.getLogger(__name__)

WHILE_CONNECTED: frozenset[str] = frozenset({"XksProxyAuthenticationCredential", "XksProxyUriPath"})
OWN_MATERIAL = True
PUBLIC_ENDPOINT, VPC_ENDPOINT_SERVICE = "PUBLIC_ENDPOINT", "VPC_ENDPOINT_SERVICE"

# Member of a request → column of a store.
_COLUMNS = {
    "XksProxyConnectivity": "xks_connectivity",
    "XksProxyUriEndpoint": "xks_uri_endpoint",
    "XksProxyUriPath": "xks_uri_path",
    "XksProxyVpcEndpointServiceName": "xks_vpc_service_name",
    "XksProxyVpcEndpointServiceOwner": "xks_vpc_service_owner",
}
_REQUIRED = ("XksProxyConnectivity", "XksProxyUriEndpoint", "XksProxyUriPath", "XksProxyAuthenticationCredential")


def _told(error: XksError, place: str) -> None:
    said = f" ({error.proxy_message})" if error.proxy_message else ""
    logger.warning("%s: %s%s", place, error.failure.name, said)


# --- the store


def check(call: CallContext, parameters: Mapping[str, Any]) -> None:
    for member in _REQUIRED:
        if member not in parameters:
            raise AWSError(
                "ValidationException", f"{member} is required for a custom key store of type {EXTERNAL_KEY_STORE}."
            )
    wanted = {column: parameters.get(member, "") for member, column in _COLUMNS.items()}
    _check_connectivity(wanted)
    _check_unique(call.account_id, call.region, wanted, "")


def check_update(store: KeyStore, parameters: Mapping[str, Any]) -> None:
    wanted = _updated(store, parameters)
    if wanted["xks_connectivity"] != store.xks_connectivity and "XksProxyUriEndpoint" not in parameters:
        raise AWSError(
            "ValidationException", "XksProxyUriEndpoint must be specified when XksProxyConnectivity is changed."
        )
    _check_connectivity(wanted)
    _check_unique(store.account_id, store.region, wanted, store.store_id)


def _updated(store: KeyStore, parameters: Mapping[str, Any]) -> dict[str, str]:
    """The columns as the request would have them. A store that turns to a public endpoint has no endpoint service any more."""
    wanted = {column: parameters.get(member, getattr(store, column)) for member, column in _COLUMNS.items()}
    if parameters.get("XksProxyConnectivity") == PUBLIC_ENDPOINT:
        for member in ("XksProxyVpcEndpointServiceName", "XksProxyVpcEndpointServiceOwner"):
            wanted[_COLUMNS[member]] = parameters.get(member, "")
    return wanted


def _check_connectivity(wanted: Mapping[str, str]) -> None:
    named = bool(wanted["xks_vpc_service_name"])
    if wanted["xks_connectivity"] == VPC_ENDPOINT_SERVICE and not named:
        raise AWSError(
            "ValidationException",
            f"XksProxyVpcEndpointServiceName is required when XksProxyConnectivity is {VPC_ENDPOINT_SERVICE}.",
        )
    if wanted["xks_connectivity"] == PUBLIC_ENDPOINT and (named or wanted["xks_vpc_service_owner"]):
        raise AWSError(
            "ValidationException",
            f"XksProxyVpcEndpointServiceName and XksProxyVpcEndpointServiceOwner are not valid when XksProxyConnectivity is {PUBLIC_ENDPOINT}.",
        )


def _check_unique(account_id: str, region: str, wanted: Mapping[str, str], own_id: str) -> None:
    """Source: AWS KMS API Reference, CreateCustomKeyStore, "Uniqueness requirements"."""
    connectivity, endpoint = wanted["xks_connectivity"], wanted["xks_uri_endpoint"].lower()
    others = snapshots.rows(account_id, region).filter(type=EXTERNAL_KEY_STORE).exclude(store_id=own_id)
    for other in others.only(*_COLUMNS.values()):
        service = other.xks_vpc_service_name
        if service and service == wanted["xks_vpc_service_name"]:
            raise AWSError(
                "XksProxyVpcEndpointServiceInUseException",
                "The VPC endpoint service belongs to another external key store in this Region.",
            )
        if other.xks_uri_endpoint.lower() != endpoint:
            continue
        if other.xks_uri_path == wanted["xks_uri_path"]:
            raise AWSError(
                "XksProxyUriInUseException",
                "The XksProxyUriEndpoint and XksProxyUriPath belong to another external key store in this Region.",
            )
        if VPC_ENDPOINT_SERVICE in (connectivity, other.xks_connectivity):
            raise AWSError(
                "XksProxyUriEndpointInUseException",
                "The XksProxyUriEndpoint belongs to another external key store in this Region. It can be shared only by "
                f"stores whose XksProxyConnectivity is {PUBLIC_ENDPOINT}.",
            )


def try_out(parameters: Mapping[str, Any], store: KeyStore | None, call: CallContext) -> None:
    """By GetHealthStatus, where the proxy has a public endpoint; the other is tried by ConnectCustomKeyStore."""
    if store is None:
        wanted = {column: parameters.get(member, "") for member, column in _COLUMNS.items()}
        access_key_id, secret = "", ""
    else:
        if not parameters.keys() & {*_COLUMNS, "XksProxyAuthenticationCredential"}:
            return
        wanted = _updated(store, parameters)
        access_key_id, secret = store.xks_access_key_id, store.secret
    if wanted["xks_connectivity"] != PUBLIC_ENDPOINT:
        return
    credential = parameters.get("XksProxyAuthenticationCredential")
    if credential is not None:
        access_key_id, secret = credential["AccessKeyId"], credential["RawSecretAccessKey"]
    proxy = Proxy(wanted["xks_uri_endpoint"], wanted["xks_uri_path"], access_key_id, secret, call.region)
    try:
        client.health(proxy, RequestMetadata(call.operation, call.request_id), proxies.network())
    except XksError as error:
        _told(error, f"the external key store proxy {proxy.host}")
        raise AWSError(error.failure.value.store, error.failure.value.message) from error


def put(row: models.CustomKeyStore, parameters: Mapping[str, Any]) -> None:
    if parameters.get("XksProxyConnectivity") == PUBLIC_ENDPOINT:
        row.xks_vpc_service_name = row.xks_vpc_service_owner = ""
    for member, column in _COLUMNS.items():
        if member in parameters:
            setattr(row, column, parameters[member])
    if row.xks_connectivity == VPC_ENDPOINT_SERVICE:
        row.xks_vpc_service_owner = row.xks_vpc_service_owner or row.account_id
    credential = parameters.get("XksProxyAuthenticationCredential")
    if credential is not None:
        row.xks_access_key_id = credential["AccessKeyId"]
        snapshots.seal(row, credential["RawSecretAccessKey"])


def connect(store: KeyStore) -> str:
    if store.xks_connectivity != PUBLIC_ENDPOINT:
        return "XKS_VPC_ENDPOINT_SERVICE_NOT_FOUND"
    try:
        client.health(proxies.proxy(store), RequestMetadata("ConnectCustomKeyStore", store.attempt), proxies.network())
    except XksError as error:
        _told(error, f"key store {store.store_id} does not connect")
        return error.failure.value.connection
    return ""


def disconnected(store: KeyStore) -> None:
    """Connections that rest are shared with other stores of the proxy, and end by themselves."""


def describe(store: KeyStore) -> dict[str, Any]:
    found = {
        "Connectivity": store.xks_connectivity,
        "AccessKeyId": store.xks_access_key_id,
        "UriEndpoint": store.xks_uri_endpoint,
        "UriPath": store.xks_uri_path,
    }
    if store.xks_vpc_service_name:
        found["VpcEndpointServiceName"] = store.xks_vpc_service_name
        found["VpcEndpointServiceOwner"] = store.xks_vpc_service_owner
    return {"XksProxyConfiguration": found}


# --- its keys


def check_new_key(store: KeyStore, parameters: Mapping[str, Any]) -> None:
    xks_key_id = parameters.get("XksKeyId")
    if xks_key_id is None:
        raise AWSError("ValidationException", f"XksKeyId is required when Origin is {EXTERNAL_KEY_STORE}.")
    if models.Key.objects.filter(custom_key_store_id=store.store_id, xks_key_id=xks_key_id).exists():
        raise AWSError(
            "XksKeyAlreadyInUseException",
            f"The external key {xks_key_id} belongs to another KMS key of this external key store.",
        )


def create_key(store: KeyStore, key: models.Key, parameters: Mapping[str, Any], call: CallContext) -> dict[str, str]:
    xks_key_id: str = parameters["XksKeyId"]
    throttling.take(store.account_id, store.store_id, throttling.EXTERNAL_KEY_STORE, "")
    try:
        found = client.key_metadata(proxies.proxy(store), xks_key_id, _metadata(call, key.arn), proxies.network())
    except XksError as error:
        _told(error, f"key store {store.store_id}, external key {xks_key_id}")
        raise AWSError(error.failure.value.key, error.failure.value.message) from error
    if not found.is_suitable:
        raise AWSError(
            "XksKeyInvalidConfigurationException",
            "The external key must be an AES-256 symmetric key that is enabled and performs encryption and decryption.",
        )
    return {"xks_key_id": xks_key_id}


def destroy_key(store: KeyStore, key_id: str) -> bool:
    """The external key is its manager's; the key's own material is gone with the key."""
    return True


def seal(
    store: KeyStore, key: KeyInStore, plaintext: bytes, encryption_context: Mapping[str, str] | None, call: CallContext
) -> bytes:
    proxy, metadata, network = _asked(store, key, call)

    def external(inner: bytes, additional: bytes) -> Sealed:
        return client.encrypt(proxy, key.xks_key_id, inner, additional, metadata, network)

    reference = Reference(key.account_id, key.key_id, key.current_material_id)
    material: bytes = key.materials[key.current_material_id].secret
    try:
        return xks_ciphertext.encrypt(material, reference, plaintext, encryption_context, external)
    except XksError as error:
        raise _refused(store, key, error) from error


def unseal(
    store: KeyStore, key: KeyInStore, blob: bytes, encryption_context: Mapping[str, str] | None, call: CallContext
) -> bytes:
    material = key.materials.get(xks_ciphertext.parse(blob).material_id)
    if material is None:
        raise invalid()
    proxy, metadata, network = _asked(store, key, call)

    def external(sealed: Sealed, additional: bytes) -> bytes:
        return client.decrypt(proxy, key.xks_key_id, sealed, additional, metadata, network)

    try:
        return xks_ciphertext.decrypt(material.secret, blob, encryption_context, external)
    except XksError as error:
        raise _refused(store, key, error) from error


def _asked(store: KeyStore, key: KeyInStore, call: CallContext) -> tuple[Proxy, RequestMetadata, Network]:
    throttling.take(store.account_id, store.store_id, throttling.EXTERNAL_KEY_STORE, "")
    health.used(store)
    return proxies.proxy(store), _metadata(call, key.arn), proxies.network()


def _metadata(call: CallContext, key_arn: str) -> RequestMetadata:
    """The caller's aws:PrincipalArn, or the name of the AWS service that calls. There is no VPC endpoint here."""
    principal = call.principal
    via, session = principal.invoked_by, principal.session
    arn = session.issuer_arn if principal.kind == "assumed-role" and session is not None else principal.arn
    return RequestMetadata(
        kms_operation=call.operation,
        kms_request_id=call.request_id,
        aws_principal_arn=via if principal.kind == "service" else arn,
        kms_key_arn=key_arn,
        kms_via_service=via.partition(".")[0] if via and principal.kind != "service" else "",
    )


def _refused(store: KeyStore, key: KeyInStore, error: XksError) -> AWSError:
    _told(error, f"key store {store.store_id}, external key {key.xks_key_id}")
    return AWSError(error.failure.value.use, error.failure.value.message)


def random(store: KeyStore, length: int) -> bytes:
    raise AWSError("UnsupportedOperationException", "GenerateRandom is not supported in an external key store.")
