"""Key specs: one row each. What a spec can be used for, with which algorithms, and how its material is made.

Names are those of botocore's model (a test holds them to it). Source: AWS KMS Developer Guide, "Key spec reference".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.kms.stores.snapshots import ORIGINS
from engine.wire.errors import AWSError

ENCRYPT_DECRYPT = "ENCRYPT_DECRYPT"
SIGN_VERIFY = "SIGN_VERIFY"
GENERATE_VERIFY_MAC = "GENERATE_VERIFY_MAC"
KEY_AGREEMENT = "KEY_AGREEMENT"
ENCAPSULATE_DECAPSULATE = "ENCAPSULATE_DECAPSULATE"

SYMMETRIC_DEFAULT = "SYMMETRIC_DEFAULT"

# The member of requests and of KeyMetadata that names a usage's algorithms.
ALGORITHMS_MEMBER = {
    ENCRYPT_DECRYPT: "EncryptionAlgorithms",
    SIGN_VERIFY: "SigningAlgorithms",
    GENERATE_VERIFY_MAC: "MacAlgorithms",
    KEY_AGREEMENT: "KeyAgreementAlgorithms",
    ENCAPSULATE_DECAPSULATE: "EncapsulationAlgorithms",
}

_RSA_ENCRYPTION = ("RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256")
_RSA_SIGNING = (
    "RSASSA_PKCS1_V1_5_SHA_256",
    "RSASSA_PKCS1_V1_5_SHA_384",
    "RSASSA_PKCS1_V1_5_SHA_512",
    "RSASSA_PSS_SHA_256",
    "RSASSA_PSS_SHA_384",
    "RSASSA_PSS_SHA_512",
)


@dataclass(frozen=True, slots=True)
class KeySpec:
    """A row. `family` names the module of engine.kms.algorithms that makes and uses its material; `size` is bits or a parameter set."""

    name: str
    family: str
    size: int
    key_type: str
    algorithms: Mapping[str, tuple[str, ...]]
    importable: bool = True
    rotatable: bool = False
    data_key_pair: bool = False
    multi_region: bool = True
    china_only: bool = False
    curve: str = ""
    lacking: str = field(
        default="", metadata={"why": "what the cryptography package lacks, in words; empty = complete"}
    )

    @property
    def usages(self) -> tuple[str, ...]:
        return tuple(self.algorithms)


def _rsa(size: int) -> KeySpec:
    return KeySpec(
        f"RSA_{size}",
        "rsa",
        size,
        "Asymmetric",
        {ENCRYPT_DECRYPT: _RSA_ENCRYPTION, SIGN_VERIFY: _RSA_SIGNING},
        data_key_pair=True,
    )


def _nist(size: int, digest: int) -> KeySpec:
    return KeySpec(
        f"ECC_NIST_P{size}",
        "ecc",
        size,
        "Asymmetric",
        {SIGN_VERIFY: (f"ECDSA_SHA_{digest}",), KEY_AGREEMENT: ("ECDH",)},
        data_key_pair=True,
        curve=f"secp{size}r1",
    )


def _hmac(size: int) -> KeySpec:
    return KeySpec(f"HMAC_{size}", "mac", size, "HMAC", {GENERATE_VERIFY_MAC: (f"HMAC_SHA_{size}",)})


def _ml_dsa(size: int) -> KeySpec:
    return KeySpec(
        f"ML_DSA_{size}", "mldsa", size, "Asymmetric", {SIGN_VERIFY: ("ML_DSA_SHAKE_256",)}, importable=False
    )


def _ml_kem(size: int, lacking: str = "") -> KeySpec:
    return KeySpec(
        f"ML_KEM_{size}",
        "mlkem",
        size,
        "KEM",
        {ENCAPSULATE_DECAPSULATE: ("ML_KEM",)},
        importable=False,
        data_key_pair=True,
        lacking=lacking,
    )


SPECS: dict[str, KeySpec] = {
    spec.name: spec
    for spec in (
        KeySpec(
            SYMMETRIC_DEFAULT,
            "symmetric",
            256,
            "Symmetric",
            {ENCRYPT_DECRYPT: (SYMMETRIC_DEFAULT,)},
            rotatable=True,
        ),
        _rsa(2048),
        _rsa(3072),
        _rsa(4096),
        _nist(256, 256),
        _nist(384, 384),
        _nist(521, 512),
        KeySpec(
            "ECC_SECG_P256K1",
            "ecc",
            256,
            "Asymmetric",
            {SIGN_VERIFY: ("ECDSA_SHA_256",)},
            data_key_pair=True,
            curve="secp256k1",
        ),
        KeySpec(
            "ECC_NIST_EDWARDS25519",
            "ed25519",
            255,
            "Asymmetric",
            {SIGN_VERIFY: ("ED25519_SHA_512", "ED25519_PH_SHA_512")},
            data_key_pair=True,
        ),
        _hmac(224),
        _hmac(256),
        _hmac(384),
        _hmac(512),
        _ml_dsa(44),
        _ml_dsa(65),
        _ml_dsa(87),
        _ml_kem(512, "ML-KEM-512 is not in the cryptography package"),
        _ml_kem(768),
        _ml_kem(1024),
        KeySpec(
            "SM2",
            "sm2",
            256,
            "Asymmetric",
            {ENCRYPT_DECRYPT: ("SM2PKE",), SIGN_VERIFY: ("SM2DSA",), KEY_AGREEMENT: ("ECDH",)},
            data_key_pair=True,
            china_only=True,
            lacking="SM2 is not in the cryptography package",
        ),
    )
}


def spec(name: str) -> KeySpec:
    """The row of a spec that validation has let through."""
    return SPECS[name]


def check_combination(name: str, usage: str | None, origin: str, multi_region: bool, region: str) -> str:
    """The usage a new key gets. Raises AWS's error for a spec, usage, origin and Regionality that do not go together."""
    row = SPECS[name]
    if row.china_only and not region.startswith("cn-"):
        raise AWSError("UnsupportedOperationException", f"KeySpec {name} is not supported in this Region")
    if usage is None:
        if ENCRYPT_DECRYPT not in row.algorithms or row.key_type != "Symmetric":
            raise AWSError(
                "ValidationException",
                "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.",
            )
        usage = ENCRYPT_DECRYPT
    if usage not in row.algorithms:
        raise AWSError("ValidationException", f"KeyUsage {usage} is not compatible with KeySpec {name}")
    if row.lacking:
        raise AWSError("UnsupportedOperationException", f"KeySpec {name} is not available here: {row.lacking}.")
    if origin == "EXTERNAL" and not row.importable:
        raise AWSError("UnsupportedOperationException", f"KeySpec {name} is not supported for Origin {origin}")
    if origin in ORIGINS:
        if name != SYMMETRIC_DEFAULT:
            raise AWSError("UnsupportedOperationException", f"KeySpec {name} is not supported for Origin {origin}")
        if multi_region:
            raise AWSError("UnsupportedOperationException", f"Multi-Region keys are not supported for Origin {origin}")
    return usage


def check_algorithm(arn: str, name: str, usage: str, algorithm: str) -> None:
    """Raise InvalidKeyUsageException if a key of this spec and usage does not work with `algorithm`."""
    if algorithm not in SPECS[name].algorithms[usage]:
        raise AWSError("InvalidKeyUsageException", f"Algorithm {algorithm} is incompatible with key spec {name}.")
