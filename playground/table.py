"""The playground as tables: one row an operation, and where each result goes on to. What a member may be comes from the service model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy


@dataclass(frozen=True, slots=True)
class PlaygroundOperation:
    """One page: the API operation, the members its form asks for, and the key usage it needs ("" = any, or no key)."""

    operation: str
    title: Any
    usage: str
    members: tuple[str, ...]
    does: Any
    needs_key: bool = True

    @property
    def key_members(self) -> tuple[str, ...]:
        """The members that name keys."""
        return tuple(member for member in self.members if member.endswith("KeyId"))

    @property
    def symmetric_only(self) -> bool:
        """Data keys are made under symmetric encryption keys alone. Source: KMS API Reference, GenerateDataKey."""
        return self.operation.startswith("GenerateDataKey")


OPERATIONS: dict[str, PlaygroundOperation] = {
    "encrypt": PlaygroundOperation(
        "Encrypt",
        gettext_lazy("Encrypt"),
        "ENCRYPT_DECRYPT",
        ("KeyId", "Plaintext", "EncryptionContext", "EncryptionAlgorithm", "GrantTokens", "DryRun"),
        gettext_lazy("Encrypts up to 4,096 bytes under a key. Larger data is encrypted under a data key."),
    ),
    "decrypt": PlaygroundOperation(
        "Decrypt",
        gettext_lazy("Decrypt"),
        "ENCRYPT_DECRYPT",
        ("CiphertextBlob", "EncryptionContext", "KeyId", "EncryptionAlgorithm", "GrantTokens", "DryRun"),
        gettext_lazy("Opens a ciphertext. A symmetric ciphertext names its key, so the key may be left out."),
        needs_key=False,
    ),
    "re-encrypt": PlaygroundOperation(
        "ReEncrypt",
        gettext_lazy("Re-encrypt"),
        "ENCRYPT_DECRYPT",
        (
            "CiphertextBlob",
            "SourceEncryptionContext",
            "SourceKeyId",
            "SourceEncryptionAlgorithm",
            "DestinationKeyId",
            "DestinationEncryptionContext",
            "DestinationEncryptionAlgorithm",
            "GrantTokens",
            "DryRun",
        ),
        gettext_lazy("Moves a ciphertext to another key or context without the plaintext leaving the service."),
    ),
    "generate-data-key": PlaygroundOperation(
        "GenerateDataKey",
        gettext_lazy("Generate data key"),
        "ENCRYPT_DECRYPT",
        ("KeyId", "KeySpec", "NumberOfBytes", "EncryptionContext", "GrantTokens", "DryRun"),
        gettext_lazy("Makes a data key: in the clear to encrypt with now, and encrypted under the key to keep."),
    ),
    "generate-data-key-without-plaintext": PlaygroundOperation(
        "GenerateDataKeyWithoutPlaintext",
        gettext_lazy("Data key, encrypted only"),
        "ENCRYPT_DECRYPT",
        ("KeyId", "KeySpec", "NumberOfBytes", "EncryptionContext", "GrantTokens", "DryRun"),
        gettext_lazy("Makes a data key for later: only its encrypted form leaves the service."),
    ),
    "generate-data-key-pair": PlaygroundOperation(
        "GenerateDataKeyPair",
        gettext_lazy("Generate data key pair"),
        "ENCRYPT_DECRYPT",
        ("KeyId", "KeyPairSpec", "EncryptionContext", "GrantTokens", "DryRun"),
        gettext_lazy("Makes a key pair to use outside: the private key in the clear and encrypted under the key."),
    ),
    "generate-data-key-pair-without-plaintext": PlaygroundOperation(
        "GenerateDataKeyPairWithoutPlaintext",
        gettext_lazy("Key pair, encrypted only"),
        "ENCRYPT_DECRYPT",
        ("KeyId", "KeyPairSpec", "EncryptionContext", "GrantTokens", "DryRun"),
        gettext_lazy("Makes a key pair whose private key leaves the service only encrypted under the key."),
    ),
    "sign": PlaygroundOperation(
        "Sign",
        gettext_lazy("Sign"),
        "SIGN_VERIFY",
        ("KeyId", "Message", "MessageType", "SigningAlgorithm", "GrantTokens", "DryRun"),
        gettext_lazy("Signs a message of up to 4,096 bytes, or the digest of a longer one."),
    ),
    "verify": PlaygroundOperation(
        "Verify",
        gettext_lazy("Verify"),
        "SIGN_VERIFY",
        ("KeyId", "Message", "MessageType", "Signature", "SigningAlgorithm", "GrantTokens", "DryRun"),
        gettext_lazy("Tells whether a signature was made by this key over this message."),
    ),
    "generate-mac": PlaygroundOperation(
        "GenerateMac",
        gettext_lazy("Generate MAC"),
        "GENERATE_VERIFY_MAC",
        ("KeyId", "Message", "MacAlgorithm", "GrantTokens", "DryRun"),
        gettext_lazy("Computes a message authentication code with an HMAC key."),
    ),
    "verify-mac": PlaygroundOperation(
        "VerifyMac",
        gettext_lazy("Verify MAC"),
        "GENERATE_VERIFY_MAC",
        ("KeyId", "Message", "Mac", "MacAlgorithm", "GrantTokens", "DryRun"),
        gettext_lazy("Tells whether a MAC was made by this key over this message."),
    ),
    "derive-shared-secret": PlaygroundOperation(
        "DeriveSharedSecret",
        gettext_lazy("Derive shared secret"),
        "KEY_AGREEMENT",
        ("KeyId", "PublicKey", "KeyAgreementAlgorithm", "GrantTokens", "DryRun"),
        gettext_lazy("Agrees on a secret with the owner of another key pair (ECDH)."),
    ),
    "encapsulate": PlaygroundOperation(
        "Encapsulate",
        gettext_lazy("Encapsulate"),
        "ENCAPSULATE_DECAPSULATE",
        ("KeyId", "EncapsulationAlgorithm", "GrantTokens", "DryRun"),
        gettext_lazy("Makes a shared secret and its encapsulation under an ML-KEM key."),
    ),
    "decapsulate": PlaygroundOperation(
        "Decapsulate",
        gettext_lazy("Decapsulate"),
        "ENCAPSULATE_DECAPSULATE",
        ("KeyId", "SharedSecretCiphertextBlob", "EncapsulationAlgorithm", "GrantTokens", "DryRun"),
        gettext_lazy("Opens an encapsulated shared secret."),
    ),
    "get-public-key": PlaygroundOperation(
        "GetPublicKey",
        gettext_lazy("Get public key"),
        "asymmetric",
        ("KeyId", "GrantTokens"),
        gettext_lazy("The public half of an asymmetric key, to encrypt or verify outside the service."),
    ),
    "generate-random": PlaygroundOperation(
        "GenerateRandom",
        gettext_lazy("Random bytes"),
        "",
        ("NumberOfBytes",),
        gettext_lazy("Random bytes from the service."),
        needs_key=False,
    ),
}

# How the operations stand together in the navigation.
GROUPS: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (gettext_lazy("Encryption"), ("encrypt", "decrypt", "re-encrypt")),
    (
        gettext_lazy("Data keys"),
        (
            "generate-data-key",
            "generate-data-key-without-plaintext",
            "generate-data-key-pair",
            "generate-data-key-pair-without-plaintext",
        ),
    ),
    (gettext_lazy("Signatures and MACs"), ("sign", "verify", "generate-mac", "verify-mac")),
    (
        gettext_lazy("Secrets with others"),
        ("derive-shared-secret", "encapsulate", "decapsulate", "get-public-key", "generate-random"),
    ),
)

# (operation, member of its answer) → where that goes on to: the page and the field there.
CHAINS: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {
    ("Encrypt", "CiphertextBlob"): (("decrypt", "CiphertextBlob"), ("re-encrypt", "CiphertextBlob")),
    ("ReEncrypt", "CiphertextBlob"): (("decrypt", "CiphertextBlob"),),
    ("Decrypt", "Plaintext"): (("encrypt", "Plaintext"),),
    ("GenerateDataKey", "CiphertextBlob"): (("decrypt", "CiphertextBlob"),),
    ("GenerateDataKeyWithoutPlaintext", "CiphertextBlob"): (("decrypt", "CiphertextBlob"),),
    ("GenerateDataKeyPair", "PrivateKeyCiphertextBlob"): (("decrypt", "CiphertextBlob"),),
    ("GenerateDataKeyPair", "PublicKey"): (("derive-shared-secret", "PublicKey"),),
    ("GenerateDataKeyPairWithoutPlaintext", "PrivateKeyCiphertextBlob"): (("decrypt", "CiphertextBlob"),),
    ("GenerateDataKeyPairWithoutPlaintext", "PublicKey"): (("derive-shared-secret", "PublicKey"),),
    ("Sign", "Signature"): (("verify", "Signature"),),
    ("GenerateMac", "Mac"): (("verify-mac", "Mac"),),
    ("Encapsulate", "SharedSecretCiphertextBlob"): (("decapsulate", "SharedSecretCiphertextBlob"),),
    ("GetPublicKey", "PublicKey"): (("derive-shared-secret", "PublicKey"),),
    ("GenerateRandom", "Plaintext"): (("encrypt", "Plaintext"),),
}

# What goes along under another name: (operation, member) → member of the next page.
RENAMED = {
    ("ReEncrypt", "DestinationEncryptionContext"): "EncryptionContext",
    ("ReEncrypt", "DestinationKeyId"): "KeyId",
    ("ReEncrypt", "DestinationEncryptionAlgorithm"): "EncryptionAlgorithm",
    ("Encrypt", "EncryptionContext"): "SourceEncryptionContext",
    ("Encrypt", "KeyId"): "SourceKeyId",
    ("Encrypt", "EncryptionAlgorithm"): "SourceEncryptionAlgorithm",
}

LABELS = {
    "KeyId": gettext_lazy("Key"),
    "SourceKeyId": gettext_lazy("Source key"),
    "DestinationKeyId": gettext_lazy("Destination key"),
    "Plaintext": gettext_lazy("Plaintext"),
    "CiphertextBlob": gettext_lazy("Ciphertext"),
    "Message": gettext_lazy("Message"),
    "Signature": gettext_lazy("Signature"),
    "Mac": gettext_lazy("MAC"),
    "PublicKey": gettext_lazy("Public key (DER)"),
    "PrivateKeyPlaintext": gettext_lazy("Private key (DER)"),
    "PrivateKeyCiphertextBlob": gettext_lazy("Encrypted private key"),
    "SharedSecretCiphertextBlob": gettext_lazy("Encapsulated secret"),
    "SharedSecret": gettext_lazy("Shared secret"),
    "EncryptionContext": gettext_lazy("Encryption context"),
    "SourceEncryptionContext": gettext_lazy("Encryption context of the ciphertext"),
    "DestinationEncryptionContext": gettext_lazy("New encryption context"),
    "EncryptionAlgorithm": gettext_lazy("Encryption algorithm"),
    "SourceEncryptionAlgorithm": gettext_lazy("Algorithm of the ciphertext"),
    "DestinationEncryptionAlgorithm": gettext_lazy("New algorithm"),
    "SigningAlgorithm": gettext_lazy("Signing algorithm"),
    "MacAlgorithm": gettext_lazy("MAC algorithm"),
    "KeyAgreementAlgorithm": gettext_lazy("Key agreement algorithm"),
    "EncapsulationAlgorithm": gettext_lazy("Encapsulation algorithm"),
    "MessageType": gettext_lazy("The message is"),
    "KeySpec": gettext_lazy("Data key"),
    "KeyPairSpec": gettext_lazy("Key pair"),
    "NumberOfBytes": gettext_lazy("Number of bytes"),
    "GrantTokens": gettext_lazy("Grant tokens"),
    "DryRun": gettext_lazy("Dry run: check permissions and input, do nothing"),
}

INITIAL = {"GenerateDataKey": {"KeySpec": "AES_256"}, "GenerateDataKeyWithoutPlaintext": {"KeySpec": "AES_256"}}
TYPED_AS_TEXT = frozenset({"Plaintext", "Message"})
# Shown behind “More”: what few calls need.
RARE = frozenset(
    {
        "EncryptionAlgorithm",
        "SourceEncryptionAlgorithm",
        "DestinationEncryptionAlgorithm",
        "GrantTokens",
        "DryRun",
        "SourceKeyId",
    }
)
