"""Key stores of type AWS_CLOUDHSM: a cluster is a PKCS#11 token, its `kmsuser` the token's user, a key's material an object in it.

The object is found by the 16 bytes of the key's UUID. It is made in the token and never leaves it.
Source: AWS KMS Developer Guide, "AWS CloudHSM key stores" and "Troubleshooting a custom key store".
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from engine import throttling
from engine.context import CallContext
from engine.hsm.token import Reason, TokenError
from engine.hsm.token_process import TokenProcess
from engine.kms import models, token_ciphertext
from engine.kms.stores import snapshots, tokens
from engine.kms.stores.snapshots import KeyInStore, KeyStore
from engine.wire.errors import AWSError

logger = logging.getLogger(__name__)

WHILE_CONNECTED: frozenset[str] = frozenset()
OWN_MATERIAL = False

# --- what a token's failure is to the caller

_SLOW = ("DependencyTimeoutException", "The CloudHSM cluster did not answer in time. You can retry the request.")
_BUSY = (
    "ThrottlingException",
    "The CloudHSM cluster is processing too many requests. Reduce the frequency of your calls.",
)
_AWAY = "KMS cannot communicate with your CloudHSM cluster"
_Answers = dict[Reason | None, tuple[str, str]]  # None: every other reason
_USE: _Answers = {
    Reason.SLOW: _SLOW,
    Reason.BUSY: _BUSY,
    Reason.INVALID: ("InvalidCiphertextException", ""),
    Reason.NO_KEY: (
        "KMSInvalidStateException",
        "KMS cannot find the key material of this KMS key in your CloudHSM cluster",
    ),
    None: ("KMSInvalidStateException", _AWAY),
}
_CREATE: _Answers = {
    Reason.SLOW: _SLOW,
    Reason.BUSY: _BUSY,
    Reason.FULL: ("CloudHsmClusterInvalidConfigurationException", "Your CloudHSM cluster has no room for another key"),
    None: ("CloudHsmClusterInvalidConfigurationException", _AWAY),
}
_RANDOM: _Answers = {Reason.SLOW: _SLOW, Reason.BUSY: _BUSY, None: ("CustomKeyStoreInvalidStateException", _AWAY)}

_CONNECTION_ERRORS = {
    Reason.GONE: "INSUFFICIENT_CLOUDHSM_HSMS",
    Reason.PIN_INCORRECT: "INVALID_CREDENTIALS",
    Reason.PIN_LOCKED: "USER_LOCKED_OUT",
    Reason.NO_USER: "USER_NOT_FOUND",
    Reason.MODULE: "NETWORK_ERRORS",
    Reason.SLOW: "NETWORK_ERRORS",
    Reason.BUSY: "NETWORK_ERRORS",
}


def _refused(store: KeyStore, error: TokenError, answers: _Answers) -> AWSError:
    if error.reason is not Reason.INVALID:
        logger.warning("key store %s (%s): %s", store.store_id, store.cloudhsm_cluster_id, error)
    return AWSError(*(answers.get(error.reason) or answers[None]))


# --- the store


def check(call: CallContext, parameters: Mapping[str, Any]) -> None:
    for member in ("CloudHsmClusterId", "KeyStorePassword", "TrustAnchorCertificate"):
        if member not in parameters:
            raise AWSError(
                "ValidationException", f"{member} is required for a custom key store of type {snapshots.AWS_CLOUDHSM}."
            )
    cluster = _cluster(parameters["CloudHsmClusterId"])
    used = models.CustomKeyStore.objects.filter(account_id=call.account_id, type=snapshots.AWS_CLOUDHSM)
    for row in used.only("cloudhsm_cluster_id", "trust_anchor"):
        if row.cloudhsm_cluster_id == cluster.cluster_id or _same(row.trust_anchor, cluster.trust_anchor):
            raise AWSError(
                "CloudHsmClusterInUseException",
                "The CloudHSM cluster, or one with the same trust anchor, belongs to a custom key store of this account.",
            )


def check_update(store: KeyStore, parameters: Mapping[str, Any]) -> None:
    if "CloudHsmClusterId" not in parameters:
        return
    cluster = _cluster(parameters["CloudHsmClusterId"])
    if not _same(cluster.trust_anchor, store.trust_anchor):
        raise AWSError(
            "CloudHsmClusterNotRelatedException",
            "The CloudHSM cluster has another trust anchor certificate than the one of the custom key store.",
        )


def try_out(parameters: Mapping[str, Any], store: KeyStore | None, call: CallContext) -> None:
    """AWS asks whether the cluster is active and whose trust anchor it is; the password is tried by ConnectCustomKeyStore."""
    if "CloudHsmClusterId" not in parameters:
        return
    cluster = _cluster(parameters["CloudHsmClusterId"])
    try:
        tokens.look_for(cluster.module, cluster.token_label)
    except TokenError as error:
        logger.warning("cluster %s: %s", cluster.cluster_id, error)
        raise AWSError("CloudHsmClusterNotActiveException", "The CloudHSM cluster is not active.") from error
    if store is None and not _same(parameters["TrustAnchorCertificate"], cluster.trust_anchor):
        raise AWSError(
            "IncorrectTrustAnchorException", "The trust anchor certificate is not the one of the CloudHSM cluster."
        )


def _cluster(cluster_id: str) -> models.CloudHsmCluster:
    found = models.CloudHsmCluster.objects.filter(cluster_id=cluster_id).first()
    if found is None:
        raise AWSError("CloudHsmClusterNotFoundException", f"The CloudHSM cluster {cluster_id} is not found.")
    return found


def _same(one: str, other: str) -> bool:
    """Whether two certificates (PEM) are the same; what is none is no other's same."""
    try:
        prints = [x509.load_pem_x509_certificate(text.encode()).fingerprint(SHA256()) for text in (one, other)]
    except ValueError:
        return False
    return prints[0] == prints[1]


def put(row: models.CustomKeyStore, parameters: Mapping[str, Any]) -> None:
    if "CloudHsmClusterId" in parameters:
        row.cloudhsm_cluster_id = parameters["CloudHsmClusterId"]
    if "TrustAnchorCertificate" in parameters:
        row.trust_anchor = parameters["TrustAnchorCertificate"]
    if "KeyStorePassword" in parameters:
        snapshots.seal(row, parameters["KeyStorePassword"])


def connect(store: KeyStore) -> str:
    if not store.module:
        return "CLUSTER_NOT_FOUND"
    try:
        tokens.call(store, lambda token: token.check(), look=True)
    except TokenError as error:
        logger.warning("key store %s (%s) does not connect: %s", store.store_id, store.cloudhsm_cluster_id, error)
        return _CONNECTION_ERRORS.get(error.reason, "INTERNAL_ERROR")
    return ""


def describe(store: KeyStore) -> dict[str, Any]:
    return {"CloudHsmClusterId": store.cloudhsm_cluster_id, "TrustAnchorCertificate": store.trust_anchor}


# --- its keys


def check_new_key(store: KeyStore, parameters: Mapping[str, Any]) -> None:
    if "XksKeyId" in parameters:
        raise AWSError("ValidationException", "XksKeyId is only valid with Origin EXTERNAL_KEY_STORE.")


def create_key(store: KeyStore, key: models.Key, parameters: Mapping[str, Any], call: CallContext) -> dict[str, str]:
    _count(store)
    try:
        tokens.call(store, lambda token: token.generate(UUID(key.key_id).bytes, key.key_id))
    except TokenError as error:
        raise _refused(store, error, _CREATE) from error
    return {"cloudhsm_cluster_id": store.cloudhsm_cluster_id}


def destroy_key(store: KeyStore, key_id: str) -> bool:
    try:
        tokens.call(store, lambda token: token.destroy(UUID(key_id).bytes))
    except TokenError as error:
        logger.warning("key store %s: material of the deleted key %s is left: %s", store.store_id, key_id, error)
        return False
    return True


def seal(
    store: KeyStore, key: KeyInStore, plaintext: bytes, encryption_context: Mapping[str, str] | None, call: CallContext
) -> bytes:
    _count(store)
    header = token_ciphertext.header_of(key.account_id, key.key_id)
    additional, object_id = token_ciphertext.additional_data(header, encryption_context), UUID(key.key_id).bytes
    try:
        nonce, sealed, tag = tokens.call(store, lambda token: token.encrypt(object_id, plaintext, additional))
    except TokenError as error:
        raise _refused(store, error, _USE) from error
    return header + nonce + sealed + tag


def unseal(
    store: KeyStore, key: KeyInStore, blob: bytes, encryption_context: Mapping[str, str] | None, call: CallContext
) -> bytes:
    _count(store)
    header, nonce, sealed, tag = token_ciphertext.parts(blob)
    additional, object_id = token_ciphertext.additional_data(header, encryption_context), UUID(key.key_id).bytes
    try:
        return tokens.call(store, lambda token: _decrypt(token, object_id, nonce, sealed, tag, additional))
    except TokenError as error:
        raise _refused(store, error, _USE) from error


def _decrypt(token: TokenProcess, key: bytes, nonce: bytes, sealed: bytes, tag: bytes, additional: bytes) -> bytes:
    """A token that is taken away may speak of it in the words it has for a bad tag: so the key is looked for, and used again."""
    for _ in range(2):
        try:
            return token.decrypt(key, nonce, sealed, tag, additional)
        except TokenError as error:
            if error.reason is not Reason.INVALID:
                raise
            if not token.has(key):
                raise TokenError(Reason.NO_KEY) from error
    raise TokenError(Reason.INVALID)


def random(store: KeyStore, length: int) -> bytes:
    _count(store)
    try:
        return tokens.call(store, lambda token: token.random(length))
    except TokenError as error:
        raise _refused(store, error, _RANDOM) from error


def _count(store: KeyStore) -> None:
    """Source: AWS KMS Developer Guide, "Request quotas", custom key store request quotas. Raises ThrottlingException."""
    throttling.take(store.account_id, store.store_id, throttling.CLOUDHSM_KEY_STORE, "")
