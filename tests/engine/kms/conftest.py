"""The contract suite's accounts: the same tests in this process and over a socket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import TestAccount, TestUser, new_account
from tests.support.server import ACCESS_KEY_ID, ACCOUNT, SECRET, Server

SOCKETS = ("socket", "socket, PostgreSQL")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The contract is proved whole in this process; over a socket by one case of each test and of each operation, for only transport and
    database are others there, and that of the wire itself whole."""
    seen: set[tuple[str, str]] = set()
    kept, left_out = [], []
    for item in items:
        parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        transport = parameters.get("contract")
        if transport not in SOCKETS:
            kept.append(item)
            continue
        cases = {(transport, item.originalname), (transport, str(parameters.get("operation", item.originalname)))}
        of_the_wire = transport == "socket" and item.path.name == "test_contract_wire.py"
        (kept if of_the_wire or cases - seen else left_out).append(item)
        seen |= cases
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept


@pytest.fixture(scope="session")
def server_on_postgresql(tmp_path_factory: pytest.TempPathFactory, postgres: Any) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("postgresql") / "data"
    with Server(folder, KMSCONSOLE_DATABASE_URL=postgres.database()) as running:
        yield running


@pytest.fixture(scope="module", params=["in-process", "socket", "socket, PostgreSQL"])
def contract(request: pytest.FixtureRequest, prepared: Any) -> TestAccount:
    """An account that a module's tests share; over a socket it is the first one of a real server."""
    if request.param == "in-process":
        return new_account()
    server = request.getfixturevalue("server" if request.param == "socket" else "server_on_postgresql")
    account = TestAccount(ACCOUNT, endpoint=server.url)
    account.administrator = TestUser(account, "admin", f"arn:aws:iam::{ACCOUNT}:user/admin", ACCESS_KEY_ID, SECRET)
    return account


@pytest.fixture(scope="module")
def aws(contract: TestAccount) -> Any:
    """The contract account's KMS client."""
    return contract.client()


@pytest.fixture(scope="module")
def keys(aws: Any) -> dict[str, dict[str, Any]]:
    """One key of each kind that tests only use; KeyMetadata by a short name."""

    def made(**parameters: Any) -> dict[str, Any]:
        return aws.create_key(**parameters)["KeyMetadata"]

    found = {
        "symmetric": made(),
        "other symmetric": made(),
        "rsa encryption": made(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT"),
        "rsa signing": made(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY"),
        "p256": made(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY"),
        "secp256k1": made(KeySpec="ECC_SECG_P256K1", KeyUsage="SIGN_VERIFY"),
        "ed25519": made(KeySpec="ECC_NIST_EDWARDS25519", KeyUsage="SIGN_VERIFY"),
        "ml-dsa": made(KeySpec="ML_DSA_44", KeyUsage="SIGN_VERIFY"),
        "agreement": made(KeySpec="ECC_NIST_P256", KeyUsage="KEY_AGREEMENT"),
        "hmac": made(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC"),
        "kem": made(KeySpec="ML_KEM_768", KeyUsage="ENCAPSULATE_DECAPSULATE"),
        "external": made(Origin="EXTERNAL"),
        "disabled": made(),
        "disabled hmac": made(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC"),
        "disabled rsa": made(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT"),
    }
    for name in ("disabled", "disabled hmac", "disabled rsa"):
        aws.disable_key(KeyId=found[name]["KeyId"])
    return found


def _uses(keys: dict[str, Any], aws: Any) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """operation → (kind of key, member, the rest of a call that succeeds)."""
    blob = aws.encrypt(KeyId=keys["symmetric"]["KeyId"], Plaintext=b"x")["CiphertextBlob"]
    public = aws.get_public_key(KeyId=keys["agreement"]["KeyId"])["PublicKey"]
    message = {"Message": b"m", "SigningAlgorithm": "ECDSA_SHA_256"}
    signature = aws.sign(KeyId=keys["p256"]["KeyId"], **message)["Signature"]
    mac = aws.generate_mac(KeyId=keys["hmac"]["KeyId"], Message=b"m", MacAlgorithm="HMAC_SHA_256")["Mac"]
    sealed = aws.encapsulate(KeyId=keys["kem"]["KeyId"], EncapsulationAlgorithm="ML_KEM")
    pair = {"KeyPairSpec": "ECC_NIST_P256"}
    return {
        "DescribeKey": ("symmetric", "KeyId", {}),
        "Encrypt": ("symmetric", "KeyId", {"Plaintext": b"x"}),
        "Decrypt": ("symmetric", "KeyId", {"CiphertextBlob": blob}),
        "ReEncrypt": ("symmetric", "DestinationKeyId", {"CiphertextBlob": blob}),
        "GenerateDataKey": ("symmetric", "KeyId", {"KeySpec": "AES_256"}),
        "GenerateDataKeyWithoutPlaintext": ("symmetric", "KeyId", {"KeySpec": "AES_256"}),
        "GenerateDataKeyPair": ("symmetric", "KeyId", pair),
        "GenerateDataKeyPairWithoutPlaintext": ("symmetric", "KeyId", pair),
        "GetPublicKey": ("p256", "KeyId", {}),
        "Sign": ("p256", "KeyId", message),
        "Verify": ("p256", "KeyId", {**message, "Signature": signature}),
        "GenerateMac": ("hmac", "KeyId", {"Message": b"m", "MacAlgorithm": "HMAC_SHA_256"}),
        "VerifyMac": ("hmac", "KeyId", {"Message": b"m", "MacAlgorithm": "HMAC_SHA_256", "Mac": mac}),
        "DeriveSharedSecret": ("agreement", "KeyId", {"PublicKey": public, "KeyAgreementAlgorithm": "ECDH"}),
        "Encapsulate": ("kem", "KeyId", {"EncapsulationAlgorithm": "ML_KEM"}),
        "Decapsulate": (
            "kem",
            "KeyId",
            {
                "EncapsulationAlgorithm": "ML_KEM",
                "SharedSecretCiphertextBlob": sealed["SharedSecretCiphertextBlob"],
            },
        ),
    }


@pytest.fixture(scope="module")
def uses(keys: dict[str, Any], aws: Any) -> dict[str, tuple[str, str, dict[str, Any]]]:
    return _uses(keys, aws)
