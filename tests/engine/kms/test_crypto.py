"""Cryptographic operations through boto3, each result checked with `cryptography` or openssl outside our code path."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, mlkem, padding, rsa

from engine.kms import algorithms
from engine.kms.algorithms import mac
from engine.kms.specs import SPECS
from tests.conftest import TestAccount
from tests.support import rsa_keys

SIGNING = [
    (spec.name, algorithm)
    for spec in SPECS.values()
    if "SIGN_VERIFY" in spec.algorithms and not spec.lacking and spec.name not in ("RSA_3072", "RSA_4096")
    for algorithm in spec.algorithms["SIGN_VERIFY"]
    if algorithm != "ED25519_PH_SHA_512"
]
DIGESTS = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}


def new_key(kms: Any, spec: str, usage: str) -> str:
    return kms.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["KeyId"]


def public_key(kms: Any, key_id: str) -> Any:
    return serialization.load_der_public_key(kms.get_public_key(KeyId=key_id)["PublicKey"])


def verify_outside(public: Any, algorithm: str, signature: bytes, message: bytes) -> None:
    """Raises InvalidSignature."""
    if isinstance(public, rsa.RSAPublicKey):
        digest = DIGESTS[algorithm[-3:]]
        pss = padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size)
        public.verify(signature, message, pss if "PSS" in algorithm else padding.PKCS1v15(), digest)
    elif isinstance(public, ec.EllipticCurvePublicKey):
        public.verify(signature, message, ec.ECDSA(DIGESTS[algorithm[-3:]]))
    else:
        assert isinstance(
            public, ed25519.Ed25519PublicKey | mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey
        )
        public.verify(signature, message)


@pytest.mark.parametrize(("spec", "algorithm"), SIGNING)
def test_a_signature_verifies_here_and_outside(kms: Any, spec: str, algorithm: str) -> None:
    key_id = new_key(kms, spec, "SIGN_VERIFY")
    message = b"a message"
    signed = kms.sign(KeyId=key_id, Message=message, SigningAlgorithm=algorithm)
    verify_outside(public_key(kms, key_id), algorithm, signed["Signature"], message)
    given = {"KeyId": key_id, "Signature": signed["Signature"], "SigningAlgorithm": algorithm}
    assert kms.verify(Message=message, **given)["SignatureValid"] is True
    with pytest.raises(kms.exceptions.KMSInvalidSignatureException):
        kms.verify(Message=b"another message", **given)


@pytest.mark.parametrize(
    ("spec", "algorithm"), [(s, a) for s, a in SIGNING if s.startswith(("RSA", "ECC_NIST_P", "ECC_SECG"))]
)
def test_a_digest_is_signed_as_its_message_is(kms: Any, spec: str, algorithm: str) -> None:
    key_id = new_key(kms, spec, "SIGN_VERIFY")
    digest = hashlib.new(f"sha{algorithm[-3:]}", b"a message").digest()
    signed = kms.sign(KeyId=key_id, Message=digest, MessageType="DIGEST", SigningAlgorithm=algorithm)
    verify_outside(public_key(kms, key_id), algorithm, signed["Signature"], b"a message")
    with pytest.raises(ClientError) as refused:
        kms.sign(KeyId=key_id, Message=digest[1:], MessageType="DIGEST", SigningAlgorithm=algorithm)
    assert refused.value.response["Error"]["Message"] == f"Digest is invalid length for algorithm {algorithm}."


@pytest.mark.parametrize("size", [2048, 3072, 4096])
@pytest.mark.parametrize(("algorithm", "digest"), [("RSAES_OAEP_SHA_1", 20), ("RSAES_OAEP_SHA_256", 32)])
def test_rsa_encrypts_what_oaep_has_room_for(kms: Any, size: int, algorithm: str, digest: int) -> None:
    key_id = new_key(kms, f"RSA_{size}", "ENCRYPT_DECRYPT")
    room = size // 8 - 2 * digest - 2
    given = {"KeyId": key_id, "EncryptionAlgorithm": algorithm}
    sealed = kms.encrypt(Plaintext=b"x" * room, **given)["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=sealed, **given)["Plaintext"] == b"x" * room
    with pytest.raises(ClientError) as refused:
        kms.encrypt(Plaintext=b"x" * (room + 1), **given)
    assert refused.value.response["Error"]["Message"] == (
        f"Algorithm {algorithm} and key spec RSA_{size} cannot encrypt data larger than {room} bytes."
    )


@pytest.mark.parametrize("size", rsa_keys.STOCK)
def test_rsa_keys_are_made_by_cryptography(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(rsa, "generate_private_key", rsa_keys.generate)
    made = [algorithms.load_private(algorithms.generate(SPECS[f"RSA_{size}"])[0]) for _ in range(2)]
    assert [each.key_size for each in made] == [size, size]
    first, second = (each.private_numbers() for each in made)
    assert first.public_numbers.e == second.public_numbers.e == 65537
    assert first.public_numbers.n == first.p * first.q != second.public_numbers.n


def test_what_is_encrypted_outside_with_the_public_key_decrypts_here(kms: Any) -> None:
    key_id = new_key(kms, "RSA_2048", "ENCRYPT_DECRYPT")
    oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
    sealed = public_key(kms, key_id).encrypt(b"from outside", oaep)
    answer = kms.decrypt(KeyId=key_id, CiphertextBlob=sealed, EncryptionAlgorithm="RSAES_OAEP_SHA_256")
    assert answer["Plaintext"] == b"from outside"


@pytest.mark.parametrize("size", [224, 256, 384, 512])
def test_macs_are_made_and_verified(kms: Any, size: int) -> None:
    key_id = new_key(kms, f"HMAC_{size}", "GENERATE_VERIFY_MAC")
    given = {"KeyId": key_id, "MacAlgorithm": f"HMAC_SHA_{size}"}
    made = kms.generate_mac(Message=b"m", **given)["Mac"]
    assert len(made) == size // 8
    assert kms.verify_mac(Message=b"m", Mac=made, **given)["MacValid"] is True
    with pytest.raises(kms.exceptions.KMSInvalidMacException):
        kms.verify_mac(Message=b"other", Mac=made, **given)


def test_a_mac_algorithm_of_another_size_is_refused(kms: Any) -> None:
    key_id = new_key(kms, "HMAC_224", "GENERATE_VERIFY_MAC")
    with pytest.raises(ClientError) as refused:
        kms.generate_mac(KeyId=key_id, Message=b"m", MacAlgorithm="HMAC_SHA_256")
    assert refused.value.response["Error"] == {
        "Code": "InvalidKeyUsageException",
        "Message": "Algorithm HMAC_SHA_256 is incompatible with key spec HMAC_224.",
    }


def test_hmac_holds_to_rfc_4231() -> None:
    """Test case 2: key "Jefe"."""
    message = b"what do ya want for nothing?"
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert mac.compute(b"Jefe", "HMAC_SHA_256", message).hex() == expected
    assert hmac.new(b"Jefe", message, "sha256").hexdigest() == expected


@pytest.mark.parametrize("curve", ["256", "384", "521"])
def test_a_shared_secret_is_the_other_sides_too(kms: Any, curve: str) -> None:
    key_id = new_key(kms, f"ECC_NIST_P{curve}", "KEY_AGREEMENT")
    ours = public_key(kms, key_id)
    mine = ec.generate_private_key(ours.curve)
    der = mine.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    answer = kms.derive_shared_secret(KeyId=key_id, KeyAgreementAlgorithm="ECDH", PublicKey=der)
    assert answer["SharedSecret"] == mine.exchange(ec.ECDH(), ours)


@pytest.mark.parametrize("size", [768, 1024])
def test_an_encapsulated_secret_opens(kms: Any, size: int) -> None:
    key_id = new_key(kms, f"ML_KEM_{size}", "ENCAPSULATE_DECAPSULATE")
    made = kms.encapsulate(KeyId=key_id, EncapsulationAlgorithm="ML_KEM")
    opened = kms.decapsulate(
        KeyId=key_id, SharedSecretCiphertextBlob=made["SharedSecretCiphertextBlob"], EncapsulationAlgorithm="ML_KEM"
    )
    assert opened["SharedSecret"] == made["SharedSecret"]
    public = public_key(kms, key_id)
    assert isinstance(public, mlkem.MLKEM768PublicKey | mlkem.MLKEM1024PublicKey)
    secret, outside = public.encapsulate()
    again = kms.decapsulate(KeyId=key_id, SharedSecretCiphertextBlob=outside, EncapsulationAlgorithm="ML_KEM")
    assert again["SharedSecret"] == secret


def test_a_data_key_opens_from_its_ciphertext(kms: Any) -> None:
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    made = kms.generate_data_key(KeyId=key_id, KeySpec="AES_128", EncryptionContext={"a": "b"})
    assert len(made["Plaintext"]) == 16
    opened = kms.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext={"a": "b"})
    assert opened["Plaintext"] == made["Plaintext"]


@pytest.mark.parametrize(
    "spec", ["RSA_2048", "ECC_NIST_P256", "ECC_SECG_P256K1", "ECC_NIST_EDWARDS25519", "ML_KEM_768"]
)
def test_a_data_key_pair_belongs_together(kms: Any, spec: str) -> None:
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    made = kms.generate_data_key_pair(KeyId=key_id, KeyPairSpec=spec)
    private = serialization.load_der_private_key(made["PrivateKeyPlaintext"], None)
    der = private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert der == made["PublicKey"]
    assert kms.decrypt(CiphertextBlob=made["PrivateKeyCiphertextBlob"])["Plaintext"] == made["PrivateKeyPlaintext"]


def test_re_encryption_moves_a_ciphertext_to_another_key(account: TestAccount) -> None:
    kms = account.client()
    one, two = account.create_key(), account.create_key()
    blob = kms.encrypt(KeyId=one, Plaintext=b"x", EncryptionContext={"a": "1"})["CiphertextBlob"]
    moved = kms.re_encrypt(
        CiphertextBlob=blob,
        SourceEncryptionContext={"a": "1"},
        DestinationKeyId=two,
        DestinationEncryptionContext={"b": "2"},
    )
    assert (moved["SourceKeyId"].rpartition("/")[2], moved["KeyId"].rpartition("/")[2]) == (one, two)
    assert kms.decrypt(CiphertextBlob=moved["CiphertextBlob"], EncryptionContext={"b": "2"})["Plaintext"] == b"x"


def test_a_ciphertext_of_another_key_than_named_is_refused(account: TestAccount) -> None:
    kms = account.client()
    one, two = account.create_key(), account.create_key()
    blob = kms.encrypt(KeyId=one, Plaintext=b"x")["CiphertextBlob"]
    with pytest.raises(ClientError) as refused:
        kms.decrypt(CiphertextBlob=blob, KeyId=two)
    assert refused.value.response["Error"] == {
        "Code": "IncorrectKeyException",
        "Message": "The key ID in the request does not identify a CMK that can perform this operation.",
    }


def test_external_mu_signs_as_the_message_does(kms: Any) -> None:
    """FIPS 204: mu = SHAKE256(SHAKE256(pk, 64) || 0 || 0 || M, 64)."""
    key_id = new_key(kms, "ML_DSA_65", "SIGN_VERIFY")
    public = public_key(kms, key_id)
    assert isinstance(public, mldsa.MLDSA65PublicKey)
    tr = hashlib.shake_256(public.public_bytes_raw()).digest(64)
    mu = hashlib.shake_256(tr + b"\0\0" + b"a message").digest(64)
    signed = kms.sign(KeyId=key_id, Message=mu, MessageType="EXTERNAL_MU", SigningAlgorithm="ML_DSA_SHAKE_256")
    public.verify(signed["Signature"], b"a message")


@pytest.mark.parametrize("number", [1, 12, 1024])
def test_random_bytes_are_as_many_as_asked(kms: Any, number: int) -> None:
    assert len(kms.generate_random(NumberOfBytes=number)["Plaintext"]) == number


def test_what_the_cryptography_package_lacks_is_said(kms: Any) -> None:
    with pytest.raises(kms.exceptions.UnsupportedOperationException, match="ML-KEM-512"):
        kms.create_key(KeySpec="ML_KEM_512", KeyUsage="ENCAPSULATE_DECAPSULATE")


def test_a_dry_run_may_leave_the_ciphertext_out(account: TestAccount) -> None:
    kms, key_id = account.client(), account.create_key()
    for call, parameters in (
        (kms.decrypt, {"KeyId": key_id}),
        (kms.re_encrypt, {"SourceKeyId": key_id, "DestinationKeyId": key_id}),
    ):
        with pytest.raises(ClientError) as refused:
            call(DryRun=True, DryRunModifiers=["IGNORE_CIPHERTEXT"], **parameters)
        assert refused.value.response["Error"]["Code"] == "DryRunOperationException"
    with pytest.raises(ClientError) as refused:
        kms.decrypt(KeyId=key_id)
    assert "'ciphertextBlob' failed to satisfy constraint: Member must not be null" in str(refused.value)
