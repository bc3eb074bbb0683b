"""Wrapping key material for import: as `cryptography` does it for lessons, and as openssl commands for real. Pure.

Which algorithms there are comes from the service model; how material of a key spec is made and written is one row a family.
"""

from __future__ import annotations

import os
from typing import Any

from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

ALGORITHMS = ("RSAES_OAEP_SHA_256", "RSAES_OAEP_SHA_1", "RSA_AES_KEY_WRAP_SHA_256", "RSA_AES_KEY_WRAP_SHA_1")
SPECS = ("RSA_4096", "RSA_3072", "RSA_2048")
_ED25519 = "ECC_NIST_EDWARDS25519"
_CURVES: dict[str, tuple[str, Any]] = {
    "ECC_NIST_P256": ("P-256", ec.SECP256R1),
    "ECC_NIST_P384": ("P-384", ec.SECP384R1),
    "ECC_NIST_P521": ("P-521", ec.SECP521R1),
    "ECC_SECG_P256K1": ("secp256k1", ec.SECP256K1),
}


# What OAEP alone cannot carry → the wrapping key specs that are too short for it.
_TOO_SHORT_FOR_OAEP = {"RSA_": SPECS, "ECC_NIST_P521": ("RSA_2048",)}


def too_short(key_spec: str, algorithm: str, wrapping_spec: str) -> bool:
    """Whether the material of a key spec is too long for this wrapping algorithm under this wrapping key."""
    specs = next((specs for start, specs in _TOO_SHORT_FOR_OAEP.items() if key_spec.startswith(start)), ())
    return algorithm.startswith("RSAES_OAEP") and wrapping_spec in specs


def algorithms_for(key_spec: str) -> tuple[str, ...]:
    """Those that some wrapping key can carry the material with."""
    return tuple(each for each in ALGORITHMS if not all(too_short(key_spec, each, spec) for spec in SPECS))


def random_material(key_spec: str) -> bytes:
    """Fresh material as AWS takes it: raw bytes, or a PKCS #8 private key in DER."""
    if key_spec.startswith("HMAC_"):
        return os.urandom(int(key_spec[5:]) // 8)
    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
    if key_spec.startswith("RSA_"):
        private = rsa.generate_private_key(public_exponent=65537, key_size=int(key_spec[4:]))
    elif key_spec in _CURVES:
        private = ec.generate_private_key(_CURVES[key_spec][1]())
    elif key_spec == _ED25519:
        private = ed25519.Ed25519PrivateKey.generate()
    else:
        return os.urandom(32)
    return private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def wrap(public_der: bytes, material: bytes, algorithm: str) -> bytes:
    """RSAES_OAEP: the material under OAEP. RSA_AES_KEY_WRAP: an AES key under OAEP, the material under AES-KWP (RFC 5649)."""
    public = serialization.load_der_public_key(public_der)
    assert isinstance(public, rsa.RSAPublicKey)
    digest = hashes.SHA256() if algorithm.endswith("SHA_256") else hashes.SHA1()  # noqa: S303  (AWS's own algorithm name)
    oaep = padding.OAEP(mgf=padding.MGF1(digest), algorithm=digest, label=None)
    if algorithm.startswith("RSAES_OAEP"):
        return public.encrypt(material, oaep)
    key = os.urandom(32)
    return public.encrypt(key, oaep) + keywrap.aes_key_wrap_with_padding(key, material)


def commands(key_spec: str, algorithm: str) -> tuple[str, str]:
    """(what makes PlaintextKeyMaterial.bin, what makes EncryptedKeyMaterial.bin of it and WrappingPublicKey.bin): bash and OpenSSL 3."""
    return _generate(key_spec), _wrap_commands(algorithm)


def _generate(key_spec: str) -> str:
    if key_spec.startswith("RSA_"):
        make = f"-algorithm RSA -pkeyopt rsa_keygen_bits:{key_spec[4:]}"
    elif key_spec in _CURVES:
        make = f"-algorithm EC -pkeyopt ec_paramgen_curve:{_CURVES[key_spec][0]}"
    elif key_spec == _ED25519:
        make = "-algorithm ED25519"
    else:
        size = int(key_spec[5:]) // 8 if key_spec.startswith("HMAC_") else 32
        return f"openssl rand -out PlaintextKeyMaterial.bin {size}"
    return f"openssl genpkey {make} |\n    openssl pkcs8 -topk8 -nocrypt -outform DER -out PlaintextKeyMaterial.bin"


def _wrap_commands(algorithm: str) -> str:
    digest = "sha256" if algorithm.endswith("SHA_256") else "sha1"
    rest = (
        "    -inkey WrappingPublicKey.bin -keyform DER -pubin \\\n"
        f"    -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:{digest} -pkeyopt rsa_mgf1_md:{digest}"
    )
    if algorithm.startswith("RSAES_OAEP"):
        return f"openssl pkeyutl -encrypt -in PlaintextKeyMaterial.bin -out EncryptedKeyMaterial.bin \\\n{rest}"
    return (
        "openssl rand -out aes-key.bin 32\n"
        "openssl enc -id-aes256-wrap-pad -K \"$(od -An -v -tx1 aes-key.bin | tr -d ' \\n')\" -iv A65959A6 \\\n"
        "    -in PlaintextKeyMaterial.bin -out wrapped-material.bin\n"
        f"openssl pkeyutl -encrypt -in aes-key.bin -out wrapped-aes-key.bin \\\n{rest}\n"
        "cat wrapped-aes-key.bin wrapped-material.bin > EncryptedKeyMaterial.bin\n"
        "rm aes-key.bin wrapped-aes-key.bin wrapped-material.bin"
    )
