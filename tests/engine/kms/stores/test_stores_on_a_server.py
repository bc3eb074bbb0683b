"""A custom key store on a real server of two workers: one state for both, and a device that hangs holds up nobody else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.engine.kms.contract import refusal
from tests.support import key_stores
from tests.support.key_stores import Cluster
from tests.support.server import Server
from tests.support.softhsm import PIN, hanging

CLIENTS = 6  # each with a connection of its own: the kernel gives them to both workers


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("stores") / "data", KMSCONSOLE_WORKERS="2") as running:
        yield running


@pytest.fixture(scope="module")
def cluster(two_workers: Server) -> Cluster:
    return key_stores.training_cluster(two_workers)


@pytest.fixture(scope="module")
def store_id(two_workers: Server, cluster: Cluster) -> str:
    return key_stores.connected_store(two_workers.client(), cluster)


@pytest.fixture(scope="module")
def key_id(two_workers: Server, store_id: str) -> str:
    key_id: str = key_stores.key_in(two_workers.client(), store_id)["KeyId"]
    return key_id


def test_every_worker_uses_the_key_and_knows_whether_its_store_is_connected(
    two_workers: Server, store_id: str, key_id: str
) -> None:
    clients = [two_workers.client() for _ in range(CLIENTS)]
    blobs = [each.encrypt(KeyId=key_id, Plaintext=b"secret")["CiphertextBlob"] for each in clients]
    assert {each.decrypt(CiphertextBlob=blobs[0])["Plaintext"] for each in clients} == {b"secret"}
    clients[0].disconnect_custom_key_store(CustomKeyStoreId=store_id)
    arn = f"arn:aws:kms:us-east-1:111122223333:key/{key_id}"
    for each in clients:
        assert each.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "Unavailable"
        assert refusal(each.decrypt, CiphertextBlob=blobs[0]) == ("KMSInvalidStateException", f"{arn} is unavailable.")
    assert key_stores.connect(clients[1], store_id)["ConnectionState"] == "CONNECTED"
    assert {each.decrypt(CiphertextBlob=blob)["Plaintext"] for each, blob in zip(clients, blobs, strict=True)} == {
        b"secret"
    }


def test_a_connected_store_is_so_after_the_server_was_killed(two_workers: Server, key_id: str) -> None:
    blob = two_workers.client().encrypt(KeyId=key_id, Plaintext=b"kept")["CiphertextBlob"]
    two_workers.kill()
    two_workers.start()
    assert two_workers.client().decrypt(CiphertextBlob=blob)["Plaintext"] == b"kept"


def test_a_token_that_hangs_is_told_in_time_and_other_keys_go_on(
    two_workers: Server, cluster: Cluster, key_id: str
) -> None:
    kms = two_workers.client()
    other = kms.create_key()["KeyMetadata"]["KeyId"]
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"kept")["CiphertextBlob"]

    def encrypt(client: Any, used: str) -> tuple[str, float]:
        begin = time.monotonic()
        return _code_of(client.encrypt, KeyId=used, Plaintext=b"x"), time.monotonic() - begin

    with ThreadPoolExecutor(40) as threads:
        with hanging(cluster.folder):
            waiting = [threads.submit(encrypt, two_workers.client(), key_id) for _ in range(40)]
            time.sleep(0.3)
            others = [encrypt(kms, other) for _ in range(200)]
            assert kms.list_keys()["Keys"]  # a call that needs a thread
            wait(waiting, timeout=8)  # more than a call may take
        answers = [each.result() for each in waiting]
    assert {code for code, _seconds in others} == {""}
    assert sorted(seconds for _code, seconds in others)[-3] < 0.5
    codes = {code for code, _seconds in answers}
    assert "DependencyTimeoutException" in codes
    assert codes <= {"DependencyTimeoutException", "ThrottlingException", ""}
    assert max(seconds for _code, seconds in answers) < 12
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"kept"


def _code_of(call: Any, **parameters: Any) -> str:
    """The error that a call answers, which may be a fault of the service's side; empty if it succeeds."""
    try:
        call(**parameters)
    except ClientError as error:
        code: str = error.response["Error"]["Code"]
        return code
    return ""


def test_no_secret_is_in_the_log_the_trail_or_the_database(two_workers: Server, store_id: str) -> None:
    kms = two_workers.client()
    wrong = "wrong-password-7"
    kms.disconnect_custom_key_store(CustomKeyStoreId=store_id)
    kms.update_custom_key_store(CustomKeyStoreId=store_id, KeyStorePassword=wrong)
    assert key_stores.connect(kms, store_id)["ConnectionErrorCode"] == "INVALID_CREDENTIALS"
    kms.disconnect_custom_key_store(CustomKeyStoreId=store_id)
    kms.update_custom_key_store(CustomKeyStoreId=store_id, KeyStorePassword=PIN)
    assert key_stores.connect(kms, store_id)["ConnectionState"] == "CONNECTED"
    files = [path for path in two_workers.folder.rglob("*") if path.is_file()]
    kept = [two_workers.output().encode(), *(path.read_bytes() for path in files)]
    for secret in (PIN, wrong):
        assert not [each[:80] for each in kept if secret.encode() in each]
