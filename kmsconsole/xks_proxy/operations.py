"""The four operations of the XKS proxy API over a PKCS#11 token. A key's external ID is its label."""

from __future__ import annotations

import fnmatch
import secrets
import threading
import time
from base64 import b64encode
from hashlib import sha256
from typing import Any

from engine.hsm.token import KeyDescription, Reason, Token, TokenError
from kmsconsole import __version__
from kmsconsole.xks_proxy.configuration import Store
from kmsconsole.xks_proxy.errors import ProxyError, of_token
from kmsconsole.xks_proxy.requests import Request

METADATA = b"kmsconsole v1"  # ciphertextMetadata: how the additional data was put together
HEALTH_KEY = "kmsconsole.xks-proxy.health"  # the key that health checks use; it serves no store
_HEALTH_SECONDS = 30.0  # that a health check holds; the specification allows 60
_DEGRADED_SECONDS = 0.2  # a token that takes longer serves, but hardly within KMS's 250 ms


class Operations:
    def __init__(self, token: Token) -> None:
        self._token = token
        self._checking = threading.Lock()
        self._checked = (float("-inf"), 0.0)  # when, and how long the token took

    def health(self) -> dict[str, Any]:
        """Encrypts and decrypts with a key of its own in the token."""
        try:
            took = self._check()
        except TokenError as error:
            raise of_token(Reason.FAILED if error.reason is Reason.NO_KEY else error.reason) from error
        status = "ACTIVE" if took < _DEGRADED_SECONDS else "DEGRADED"
        return {
            "xksProxyFleetSize": 1,
            "xksProxyVendor": "kmsconsole",
            "xksProxyModel": f"xks-proxy {__version__}",
            "ekmVendor": "PKCS#11",
            "ekmFleetDetails": [{"id": self._token.label, "model": "token", "healthStatus": status}],
        }

    def _check(self) -> float:
        with self._checking:
            when, took = self._checked
            began = time.monotonic()
            if began - when > _HEALTH_SECONDS:
                probe = secrets.token_bytes(32)
                try:
                    nonce, ciphertext, tag = self._token.encrypt(HEALTH_KEY, probe, b"")
                except TokenError as error:
                    if error.reason is not Reason.NO_KEY:
                        raise
                    self._token.generate(secrets.token_bytes(16), HEALTH_KEY)
                    nonce, ciphertext, tag = self._token.encrypt(HEALTH_KEY, probe, b"")
                if self._token.decrypt(HEALTH_KEY, nonce, ciphertext, tag, b"") != probe:
                    raise TokenError(Reason.FAILED)
                took = time.monotonic() - began
                self._checked = (began, took)
            return took

    def metadata(self, store: Store, key_id: str, request: Request) -> dict[str, Any]:
        key = self._key(store, key_id, request)
        kind = "AES" if key.is_aes else "GENERIC_SECRET"
        status = "DISABLED" if key_id in store.disabled_keys else "ENABLED"
        return {"keySpec": f"{kind}_{key.bits}", "keyUsage": list(key.usage), "keyStatus": status}

    def encrypt(self, store: Store, key_id: str, request: Request) -> dict[str, Any]:
        self._check_use(store, key_id, request, "ENCRYPT")
        additional = _all_additional_data(request.additional_data, METADATA)
        try:
            nonce, ciphertext, tag = self._token.encrypt(key_id, request.text, additional)
            # First the value, then the proof that what it stands for decrypts: Appendix C of the specification says why.
            digest = sha256(request.additional_data + METADATA + nonce + ciphertext + tag).digest()
            if request.wants_integrity_value:
                self._prove(key_id, request, nonce, ciphertext, tag, additional)
        except TokenError as error:
            raise of_token(error.reason) from error
        answer = {
            "ciphertext": _text(ciphertext),
            "ciphertextMetadata": _text(METADATA),
            "initializationVector": _text(nonce),
            "authenticationTag": _text(tag),
        }
        if request.wants_integrity_value:
            answer["ciphertextDataIntegrityValue"] = _text(digest)
        return answer

    def _prove(
        self, key_id: str, request: Request, nonce: bytes, ciphertext: bytes, tag: bytes, additional: bytes
    ) -> None:
        if "DECRYPT" not in self._token.describe(key_id).usage:
            raise ProxyError("InvalidKeyUsageException", "The key cannot decrypt, so that nothing vouches for a value.")
        try:
            opened = self._token.decrypt(key_id, nonce, ciphertext, tag, additional)
        except TokenError as error:
            raise TokenError(Reason.FAILED if error.reason is Reason.INVALID else error.reason) from error
        if opened != request.text:
            raise TokenError(Reason.FAILED)

    def decrypt(self, store: Store, key_id: str, request: Request) -> dict[str, Any]:
        self._check_use(store, key_id, request, "DECRYPT")
        additional = _all_additional_data(request.additional_data, request.ciphertext_metadata)
        try:
            plaintext = self._token.decrypt(key_id, request.nonce, request.text, request.tag, additional)
        except TokenError as error:
            raise of_token(error.reason) from error
        return {"plaintext": _text(plaintext)}

    def _check_use(self, store: Store, key_id: str, request: Request, usage: str) -> None:
        key = self._key(store, key_id, request)
        if key_id in store.disabled_keys:
            raise ProxyError("InvalidStateException", "The external key is disabled.")
        if not key.is_aes or key.bits != 256 or usage not in key.usage:
            raise ProxyError("InvalidKeyUsageException", f"The external key does not support {usage} with AES_256.")

    def _key(self, store: Store, key_id: str, request: Request) -> KeyDescription:
        """The key, which the caller may use."""
        principal = request.metadata["awsPrincipalArn"]
        if store.principals is not None and not any(fnmatch.fnmatchcase(principal, each) for each in store.principals):
            raise ProxyError("AccessDeniedException", "The principal is not allowed to use this key store.")
        if key_id == HEALTH_KEY or (store.keys is not None and key_id not in store.keys):
            raise of_token(Reason.NO_KEY)
        try:
            return self._token.describe(key_id)
        except TokenError as error:
            raise of_token(error.reason) from error


def _all_additional_data(given: bytes, metadata: bytes) -> bytes:
    """As the specification recommends: both with their lengths, so that neither can be taken for a part of the other."""
    return len(given).to_bytes(2, "big") + given + bytes([len(metadata)]) + metadata


def _text(octets: bytes) -> str:
    return b64encode(octets).decode()
