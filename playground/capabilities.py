"""What a key can be asked for: its algorithms as DescribeKey tells them, and the message types that go with its spec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from engine.public.transport import by_itself

# Member of a call → (the key it is about, the member of KeyMetadata that has the key's algorithms).
ALGORITHM_OF: dict[str, tuple[str, str]] = {
    "EncryptionAlgorithm": ("KeyId", "EncryptionAlgorithms"),
    "SourceEncryptionAlgorithm": ("SourceKeyId", "EncryptionAlgorithms"),
    "DestinationEncryptionAlgorithm": ("DestinationKeyId", "EncryptionAlgorithms"),
    "SigningAlgorithm": ("KeyId", "SigningAlgorithms"),
    "MacAlgorithm": ("KeyId", "MacAlgorithms"),
    "KeyAgreementAlgorithm": ("KeyId", "KeyAgreementAlgorithms"),
    "EncapsulationAlgorithm": ("KeyId", "EncapsulationAlgorithms"),
}
CONTEXT_OF = {
    "EncryptionContext": "KeyId",
    "SourceEncryptionContext": "SourceKeyId",
    "DestinationEncryptionContext": "DestinationKeyId",
}
# What is chosen first where a key has several: SHA-256 and PSS before older forms. Otherwise the first that DescribeKey names.
_PREFERRED = ("RSAES_OAEP_SHA_256", "RSASSA_PSS_SHA_256")
# Message types by the beginning of a key spec. Source: KMS API Reference, Sign, MessageType.
_MESSAGE_TYPES = (("ML_DSA_", ("RAW", "EXTERNAL_MU")), ("ECC_NIST_EDWARDS25519", ("RAW",)), ("", ("RAW", "DIGEST")))


def key_of(member: str) -> str:
    """The member that names the key which decides what this member may be."""
    return ALGORITHM_OF[member][0] if member in ALGORITHM_OF else "KeyId"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Of one key. `algorithms` by the member of KeyMetadata."""

    key_id: str
    spec: str
    algorithms: Mapping[str, tuple[str, ...]]

    @property
    def symmetric(self) -> bool:
        return self.spec == "SYMMETRIC_DEFAULT"

    @property
    def message_types(self) -> tuple[str, ...]:
        return next(types for begin, types in _MESSAGE_TYPES if self.spec.startswith(begin))

    def choices(self, member: str) -> tuple[str, ...]:
        """The values that a member of a call may have with this key; () where the key does not decide."""
        if member == "MessageType":
            return self.message_types
        return self.algorithms.get(ALGORITHM_OF[member][1], ()) if member in ALGORITHM_OF else ()

    def first(self, member: str) -> str:
        offered = self.choices(member)
        return next((each for each in _PREFERRED if each in offered), offered[0] if offered else "")


def of_key(kms: Any, key_id: str) -> Capabilities | None:
    """None where the caller may not describe the key, or it does not exist: then a form offers everything."""
    try:
        with by_itself():
            key = kms.describe_key(KeyId=key_id)["KeyMetadata"]
    except (ClientError, ParamValidationError):
        return None
    members = {member for _key, member in ALGORITHM_OF.values()}
    return Capabilities(key_id, key.get("KeySpec", ""), {name: tuple(key[name]) for name in members if key.get(name)})
