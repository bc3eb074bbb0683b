"""Why a call of an external key store proxy did not succeed, and what AWS KMS answers its caller for each reason.

Source: AWS, "AWS KMS External Key Store Proxy API Specification", "Error codes": its two tables are the two tables here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

_RETRY = "If you see this error repeatedly, report it to your external key store proxy administrator."
_UNREADABLE = f"AWS KMS cannot interpret the response from the external key store proxy. {_RETRY}"
_STORE_STATE, _KEY_STATE = "CustomKeyStoreInvalidStateException", "KMSInvalidStateException"


@dataclass(frozen=True)
class Answer:
    """What AWS KMS makes of a failure: an exception for each kind of operation, and one message.

    `store`: Create and UpdateCustomKeyStore. `key`: CreateKey. `use`: cryptographic operations. `connection`: the ConnectionErrorCode of a
    store that could not be connected (KMS API Reference, CustomKeyStoresListEntry).
    """

    message: str
    store: str
    key: str
    connection: str
    use: str = _KEY_STATE


class Failure(Enum):
    INVALID_RESPONSE = Answer(
        _UNREADABLE, "XksProxyInvalidResponseException", _STORE_STATE, "XKS_PROXY_INVALID_RESPONSE"
    )
    KEY_DISABLED = Answer(
        "The external key associated with this KMS key in an external key store is not enabled in the external key manager. "
        "Enable the external key in the external key manager and retry the request.",
        "XksProxyInvalidResponseException",
        "XksKeyInvalidConfigurationException",
        "XKS_PROXY_INVALID_RESPONSE",
    )
    CIPHERTEXT_REJECTED = Answer(
        "The external key store proxy rejected the request because the specified ciphertext or encryption context is corrupted, "
        "missing, or otherwise invalid.",
        "XksProxyInvalidResponseException",
        _STORE_STATE,
        "XKS_PROXY_INVALID_RESPONSE",
    )
    # What the proxy decrypted is not what was encrypted: found by who made the plaintext, not here.
    INVALID_CIPHERTEXT = Answer(
        "The ciphertext that the external key store proxy submitted for decryption, or the encryption context, is corrupted, missing, "
        "or otherwise invalid.",
        "XksProxyInvalidResponseException",
        _STORE_STATE,
        "XKS_PROXY_INVALID_RESPONSE",
    )
    KEY_USAGE = Answer(
        "The external key associated with this KMS key in an external key store does not support the requested operation. Enable the "
        "operation on the key in your external key manager, and try the request again.",
        "XksProxyInvalidResponseException",
        "XksKeyInvalidConfigurationException",
        "XKS_PROXY_INVALID_RESPONSE",
    )
    NOT_AUTHENTICATED = Answer(
        "The external key store proxy rejected the request because it could not authenticate AWS KMS. Verify the XKS proxy "
        "authentication credentials for your external key store and update if necessary.",
        "XksProxyIncorrectAuthenticationCredentialException",
        _STORE_STATE,
        "INVALID_CREDENTIALS",
    )
    ACCESS_DENIED = Answer(
        "The external key store proxy denied access to the operation. Verify that the user and the external key are both authorized "
        "for this operation, and try the request again.",
        "XksProxyInvalidResponseException",
        _KEY_STATE,
        "XKS_PROXY_ACCESS_DENIED",
    )
    KEY_NOT_FOUND = Answer(
        "The external key associated with this KMS key in an external key store was not found in its external key manager. If the "
        "external key ID associated with this KMS key is incorrect, create a new KMS key with the correct external key ID.",
        "XksProxyInvalidResponseException",
        "XksKeyNotFoundException",
        "XKS_PROXY_INVALID_RESPONSE",
    )
    INVALID_PATH = Answer(
        "The external key store proxy rejected the request because of an invalid URI path. Verify the URI path for your external key "
        "store and update if necessary.",
        "XksProxyInvalidConfigurationException",
        _STORE_STATE,
        "XKS_PROXY_INVALID_CONFIGURATION",
    )
    THROTTLED = Answer(
        "The external key store proxy rejected the request due to a very high request rate. Reduce the frequency of your calls using "
        "KMS keys in this external key store.",
        "XksProxyUriUnreachableException",
        _STORE_STATE,
        "XKS_PROXY_NOT_REACHABLE",
    )
    # The table's XksKeyInvalidResponseException is no exception of the KMS API.
    UNSUPPORTED = Answer(
        f"The external key store proxy rejected the request because it does not support the requested operation. {_RETRY}",
        "XksProxyInvalidResponseException",
        "XksKeyInvalidConfigurationException",
        "XKS_PROXY_INVALID_RESPONSE",
    )
    DEPENDENCY_TIMED_OUT = Answer(
        f"The external key store proxy did not respond to the request in the time allotted. Retry the request. {_RETRY}",
        "XksProxyUriUnreachableException",
        _STORE_STATE,
        "XKS_PROXY_TIMED_OUT",
    )
    PROXY_FAILED = Answer(
        "The external key store proxy rejected the request because it cannot communicate with the external key manager. Verify that "
        "the external key store proxy configuration is correct and that the external key manager is available.",
        "XksProxyInvalidResponseException",
        _STORE_STATE,
        "XKS_PROXY_INVALID_RESPONSE",
    )
    UNREACHABLE = Answer(
        "AWS KMS cannot communicate with the external key store proxy. This might be a transient network issue. If you see this error "
        "repeatedly, verify that your external key store proxy is active and is connected to the network, and that its endpoint URI is "
        "correct in your external key store.",
        "XksProxyUriUnreachableException",
        _STORE_STATE,
        "XKS_PROXY_NOT_REACHABLE",
    )
    TLS = Answer(
        "AWS KMS cannot establish a TLS connection to the external key store proxy. Verify the TLS configuration, including its "
        "certificate.",
        "XksProxyUriUnreachableException",
        _STORE_STATE,
        "XKS_PROXY_INVALID_TLS_CONFIGURATION",
    )
    TIMED_OUT = Answer(
        f"AWS KMS rejected the request because the external key store proxy did not respond in time. Retry the request. {_RETRY}",
        "XksProxyUriUnreachableException",
        _STORE_STATE,
        "XKS_PROXY_TIMED_OUT",
    )
    # GetHealthStatus: every external key manager is UNAVAILABLE (KMS API Reference, XksProxyUriUnreachableException).
    MANAGERS_UNAVAILABLE = Answer(
        "The external key store proxy reports that all of its external key managers are unavailable.",
        "XksProxyUriUnreachableException",
        _STORE_STATE,
        "XKS_PROXY_NOT_REACHABLE",
    )


class XksError(Exception):
    """`proxy_message`: what the proxy said of it, for an operator; AWS KMS tells no caller."""

    def __init__(self, failure: Failure, proxy_message: str = "") -> None:
        super().__init__(failure.value.message)
        self.failure = failure
        self.proxy_message = proxy_message


_ANY = frozenset({"health", "metadata", "encrypt", "decrypt"})
_OF_KEYS = _ANY - {"health"}

# The errorName of a proxy's answer → the failure, and the operations that may answer so. Anything else is no answer of the specification.
# AccessDeniedException is none of GetHealthStatus there; but XKS_PROXY_ACCESS_DENIED, of a store that is connected, can have no other reason.
ERROR_NAMES: dict[str, tuple[Failure, frozenset[str]]] = {
    "ValidationException": (Failure.INVALID_RESPONSE, _ANY),
    "InvalidStateException": (Failure.KEY_DISABLED, _ANY),
    "InvalidCiphertextException": (Failure.CIPHERTEXT_REJECTED, frozenset({"decrypt"})),
    "InvalidKeyUsageException": (Failure.KEY_USAGE, frozenset({"encrypt", "decrypt"})),
    "AuthenticationFailedException": (Failure.NOT_AUTHENTICATED, _ANY),
    "AccessDeniedException": (Failure.ACCESS_DENIED, _ANY),
    "KeyNotFoundException": (Failure.KEY_NOT_FOUND, _OF_KEYS),
    "InvalidUriPathException": (Failure.INVALID_PATH, _ANY),
    "ThrottlingException": (Failure.THROTTLED, _ANY),
    "UnsupportedOperationException": (Failure.UNSUPPORTED, _ANY),
    "DependencyTimeoutException": (Failure.DEPENDENCY_TIMED_OUT, _ANY),
    "InternalException": (Failure.PROXY_FAILED, _ANY),
}
