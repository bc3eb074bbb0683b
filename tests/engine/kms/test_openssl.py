"""The openssl program beside the engine, each way: what one signs, encrypts, agrees on or authenticates the other accepts.

ML-DSA and ML-KEM are in openssl from version 3.5 on; `cryptography` checks them in test_crypto.py.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import TestAccount
from tests.engine.kms.test_life import bring

MESSAGE = b"a message that both sides have"


class OpenSSL:
    """The program in a folder of its own; files are named without folders."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write("message", MESSAGE)

    def write(self, name: str, content: bytes) -> None:
        (self.folder / name).write_bytes(content)

    def read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def run(self, *arguments: str) -> str:
        done = subprocess.run(["openssl", *arguments], cwd=self.folder, capture_output=True, text=True, check=True)
        return done.stdout + done.stderr

    def take_public_key(self, kms: Any, key_id: str) -> None:
        self.write("public.der", kms.get_public_key(KeyId=key_id)["PublicKey"])
        self.run("pkey", "-pubin", "-inform", "DER", "-in", "public.der", "-out", "public.pem")

    def make_key(self, *options: str) -> bytes:
        """A private key in PKCS #8 DER."""
        self.run("genpkey", *options, "-out", "private.pem")
        self.run("pkcs8", "-topk8", "-nocrypt", "-in", "private.pem", "-outform", "DER", "-out", "private.der")
        return self.read("private.der")


@pytest.fixture
def openssl(tmp_path: Path) -> OpenSSL:
    return OpenSSL(tmp_path)


def padding(algorithm: str) -> list[str]:
    if not algorithm.startswith("RSASSA_PSS"):
        return []
    return ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"]


DIGEST_SIGNATURES = [
    *(("RSA_2048", f"RSASSA_PKCS1_V1_5_SHA_{size}") for size in (256, 384, 512)),
    *(("RSA_2048", f"RSASSA_PSS_SHA_{size}") for size in (256, 384, 512)),
    ("ECC_NIST_P256", "ECDSA_SHA_256"),
    ("ECC_NIST_P384", "ECDSA_SHA_384"),
    ("ECC_NIST_P521", "ECDSA_SHA_512"),
    ("ECC_SECG_P256K1", "ECDSA_SHA_256"),
]
OPTIONS = {
    "RSA_2048": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
    "ECC_NIST_P256": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
    "ECC_NIST_P384": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"),
    "ECC_NIST_P521": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"),
    "ECC_SECG_P256K1": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"),
    "ECC_NIST_EDWARDS25519": ("-algorithm", "ED25519"),
}


@pytest.mark.parametrize("kind", ["RAW", "DIGEST"])
@pytest.mark.parametrize(("spec", "algorithm"), DIGEST_SIGNATURES)
def test_openssl_verifies_what_is_signed_here(kms: Any, openssl: OpenSSL, spec: str, algorithm: str, kind: str) -> None:
    key_id = kms.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    openssl.take_public_key(kms, key_id)
    digest = f"sha{algorithm[-3:]}"
    message = MESSAGE if kind == "RAW" else hashlib.new(digest, MESSAGE).digest()
    signed = kms.sign(KeyId=key_id, Message=message, MessageType=kind, SigningAlgorithm=algorithm)
    openssl.write("signature", signed["Signature"])
    said = openssl.run(
        *("dgst", f"-{digest}", *padding(algorithm), "-verify", "public.pem", "-signature", "signature", "message")
    )
    assert "Verified OK" in said


@pytest.mark.parametrize(("spec", "algorithm"), DIGEST_SIGNATURES)
def test_what_openssl_signs_with_an_imported_key_verifies_here(
    account: TestAccount, openssl: OpenSSL, spec: str, algorithm: str
) -> None:
    kms, key_id = account.client(), account.create_key(Origin="EXTERNAL", KeySpec=spec, KeyUsage="SIGN_VERIFY")
    bring(kms, key_id, openssl.make_key(*OPTIONS[spec]))
    digest = f"sha{algorithm[-3:]}"
    openssl.run("dgst", f"-{digest}", *padding(algorithm), "-sign", "private.pem", "-out", "signature", "message")
    answer = kms.verify(KeyId=key_id, Message=MESSAGE, Signature=openssl.read("signature"), SigningAlgorithm=algorithm)
    assert answer["SignatureValid"] is True


def test_ed25519_signatures_are_the_same_bytes_on_both_sides(account: TestAccount, openssl: OpenSSL) -> None:
    spec = "ECC_NIST_EDWARDS25519"
    kms, key_id = account.client(), account.create_key(Origin="EXTERNAL", KeySpec=spec, KeyUsage="SIGN_VERIFY")
    bring(kms, key_id, openssl.make_key(*OPTIONS[spec]))
    openssl.run("pkeyutl", "-sign", "-inkey", "private.pem", "-rawin", "-in", "message", "-out", "signature")
    signed = kms.sign(KeyId=key_id, Message=MESSAGE, SigningAlgorithm="ED25519_SHA_512")
    assert signed["Signature"] == openssl.read("signature")


@pytest.mark.parametrize(("algorithm", "digest"), [("RSAES_OAEP_SHA_1", "sha1"), ("RSAES_OAEP_SHA_256", "sha256")])
def test_rsa_ciphertexts_open_on_the_other_side(
    account: TestAccount, openssl: OpenSSL, algorithm: str, digest: str
) -> None:
    kms = account.client()
    key_id = account.create_key(Origin="EXTERNAL", KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")
    bring(kms, key_id, openssl.make_key(*OPTIONS["RSA_2048"]))
    openssl.take_public_key(kms, key_id)
    oaep = ["rsa_padding_mode:oaep", f"rsa_oaep_md:{digest}", f"rsa_mgf1_md:{digest}"]
    options = [word for each in oaep for word in ("-pkeyopt", each)]
    openssl.run("pkeyutl", "-encrypt", "-pubin", "-inkey", "public.pem", *options, "-in", "message", "-out", "sealed")
    opened = kms.decrypt(KeyId=key_id, CiphertextBlob=openssl.read("sealed"), EncryptionAlgorithm=algorithm)
    assert opened["Plaintext"] == MESSAGE
    sealed = kms.encrypt(KeyId=key_id, Plaintext=MESSAGE, EncryptionAlgorithm=algorithm)["CiphertextBlob"]
    openssl.write("ours", sealed)
    openssl.run("pkeyutl", "-decrypt", "-inkey", "private.pem", *options, "-in", "ours", "-out", "opened")
    assert openssl.read("opened") == MESSAGE


@pytest.mark.parametrize("spec", ["ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521"])
def test_a_secret_is_agreed_on_with_openssl(kms: Any, openssl: OpenSSL, spec: str) -> None:
    key_id = kms.create_key(KeySpec=spec, KeyUsage="KEY_AGREEMENT")["KeyMetadata"]["KeyId"]
    openssl.take_public_key(kms, key_id)
    openssl.make_key(*OPTIONS[spec])
    openssl.run("pkey", "-in", "private.pem", "-pubout", "-outform", "DER", "-out", "theirs.der")
    openssl.run("pkeyutl", "-derive", "-inkey", "private.pem", "-peerkey", "public.pem", "-out", "secret")
    answer = kms.derive_shared_secret(KeyId=key_id, KeyAgreementAlgorithm="ECDH", PublicKey=openssl.read("theirs.der"))
    assert answer["SharedSecret"] == openssl.read("secret")


@pytest.mark.parametrize(("size", "length"), [(224, 28), (256, 32), (384, 48), (512, 64)])
def test_a_mac_is_the_one_openssl_computes(account: TestAccount, openssl: OpenSSL, size: int, length: int) -> None:
    kms, secret = account.client(), os.urandom(length)
    key_id = account.create_key(Origin="EXTERNAL", KeySpec=f"HMAC_{size}", KeyUsage="GENERATE_VERIFY_MAC")
    bring(kms, key_id, secret, "RSAES_OAEP_SHA_256")
    mac = kms.generate_mac(KeyId=key_id, Message=MESSAGE, MacAlgorithm=f"HMAC_SHA_{size}")["Mac"]
    said = openssl.run(*("mac", "-digest", f"SHA{size}", "-macopt", f"hexkey:{secret.hex()}", "-in", "message", "HMAC"))
    assert mac.hex().upper() in said


@pytest.mark.parametrize("spec", ["RSA_2048", "ECC_NIST_P384", "ECC_NIST_EDWARDS25519"])
def test_openssl_reads_the_private_half_of_a_data_key_pair(kms: Any, openssl: OpenSSL, spec: str) -> None:
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    pair = kms.generate_data_key_pair(KeyId=key_id, KeyPairSpec=spec)
    openssl.write("private.der", pair["PrivateKeyPlaintext"])
    openssl.run("pkey", "-inform", "DER", "-in", "private.der", "-pubout", "-outform", "DER", "-out", "public.der")
    assert openssl.read("public.der") == pair["PublicKey"]
