"""Why a file is not encrypted by the KMS key directly: the same bytes both ways, with real calls, and what each way took.

Directly the file goes to KMS in pieces of 4,096 bytes, one Encrypt each. As an envelope one GenerateDataKey is called, and the file is
encrypted here. The calls carry an encryption context, by which the record tells them apart.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from console.calls import body

PIECE = 4096  # bytes that one Encrypt call takes
SIZES = (16 * 1024, 64 * 1024, 256 * 1024)  # that a page may measure: 4, 16 and 64 calls
CONTEXT = "lab"  # the name of the pair by which the record tells the two ways
DIRECT, ENVELOPE = "direct", "envelope"
QUOTA = (
    10_000  # cryptographic operations with symmetric keys an account may make in a second: AWS's, in most large Regions
)
_NONCE = bytes(12)  # each data key encrypts one file


@dataclass(frozen=True, slots=True)
class Measured:
    """What one way took. `wire`: the bytes of the bodies that were sent and received."""

    way: str
    calls: int
    wire: int
    milliseconds: float
    kept: int

    def quota_seconds(self, files: int) -> float:
        """For how long so many files of this size take up the account's whole request quota."""
        return self.calls * files / QUOTA


def examples(key_id: str) -> list[tuple[str, dict[str, Any]]]:
    """One call of each way, as a program would make it."""
    return [
        ("Encrypt", {"KeyId": key_id, "Plaintext": bytes(16), "EncryptionContext": {CONTEXT: DIRECT, "piece": "1"}}),
        ("GenerateDataKey", {"KeyId": key_id, "KeySpec": "AES_256", "EncryptionContext": {CONTEXT: ENVELOPE}}),
    ]


def measure(kms: Any, key_id: str, size: int) -> tuple[Measured, Measured]:
    """(directly, as an envelope). Raises ClientError."""
    file = secrets.token_bytes(size)
    return _direct(kms, key_id, file), _envelope(kms, key_id, file)


def _direct(kms: Any, key_id: str, file: bytes) -> Measured:
    calls = wire = kept = 0
    began = time.perf_counter()
    for begin in range(0, len(file), PIECE):
        asked = {
            "KeyId": key_id,
            "Plaintext": file[begin : begin + PIECE],
            "EncryptionContext": {CONTEXT: DIRECT, "piece": str(calls + 1)},
        }
        answer = kms.encrypt(**asked)
        calls, wire, kept = calls + 1, wire + _bytes("Encrypt", asked, answer), kept + len(answer["CiphertextBlob"])
    return Measured(DIRECT, calls, wire, _milliseconds(began), kept)


def _envelope(kms: Any, key_id: str, file: bytes) -> Measured:
    began = time.perf_counter()
    asked = {"KeyId": key_id, "KeySpec": "AES_256", "EncryptionContext": {CONTEXT: ENVELOPE}}
    answer = kms.generate_data_key(**asked)
    sealed = AESGCM(answer["Plaintext"]).encrypt(_NONCE, file, None)
    took = _milliseconds(began)
    return Measured(
        ENVELOPE, 1, _bytes("GenerateDataKey", asked, answer), took, len(sealed) + len(answer["CiphertextBlob"])
    )


def _milliseconds(began: float) -> float:
    return (time.perf_counter() - began) * 1000


def _bytes(operation: str, asked: dict[str, Any], answer: dict[str, Any]) -> int:
    received = answer["ResponseMetadata"]["HTTPHeaders"].get("content-length", "0")
    return len(body("kms", operation, asked).encode()) + int(received)
