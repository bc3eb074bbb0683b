"""What goes wrong with a token: the right error, nothing released, and on again without a restart once it is mended."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engine import throttling
from engine.hsm.token import Reason, Token, TokenError
from engine.hsm.token_process import TokenProcess
from engine.kms import models
from engine.kms.stores import tokens
from tests.engine.kms.contract import refusal
from tests.engine.kms.stores.conftest import Store
from tests.support import key_stores
from tests.support.softhsm import MODULE

AWAY = ("KMSInvalidStateException", "KMS cannot communicate with your CloudHSM cluster")


def code_of(call: Any, *args: Any, **parameters: Any) -> str:
    """The error that a call answers, which may be a fault of the service's side; empty if it succeeds."""
    try:
        call(*args, **parameters)
    except Exception as error:
        found: str = error.response["Error"]["Code"]  # type: ignore[attr-defined]
        return found
    return ""


@contextmanager
def taken_away(store: Store, tmp_path: Path) -> Iterator[None]:
    away = tmp_path / "away"
    shutil.move(store.cluster.folder, away)
    try:
        yield
    finally:
        shutil.move(away, store.cluster.folder)


def test_a_token_that_is_taken_away_is_told_and_used_again_once_it_is_back(store: Store, tmp_path: Path) -> None:
    blob = store.encrypt()
    with taken_away(store, tmp_path):
        for call in (lambda: store.encrypt(), lambda: store.decrypt(blob)):
            assert code_of(call) == "KMSInvalidStateException"
        assert code_of(key_stores.key_in, store.kms, store.store_id) == "CloudHsmClusterInvalidConfigurationException"
        assert key_stores.entry(store.kms, store.store_id)["ConnectionState"] == "CONNECTED"
        assert store.key_state == "Enabled"
    time.sleep(tokens._LOOK_AGAIN)
    assert store.decrypt(blob) == b"secret"
    assert store.decrypt(store.encrypt(b"again")) == b"again"


def test_a_token_that_is_away_is_not_looked_for_by_every_call(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Counter[str]()
    call = TokenProcess._call

    def count(token: TokenProcess, name: str, *arguments: Any) -> Any:
        asked[name] += 1
        return call(token, name, *arguments)

    monkeypatch.setattr(TokenProcess, "_call", count)
    monkeypatch.setattr(tokens, "_LOOK_AGAIN", 60.0)
    with taken_away(store, tmp_path):
        assert {code_of(store.encrypt) for _ in range(10)} == {"KMSInvalidStateException"}
    assert asked["encrypt"] <= 2
    assert code_of(store.encrypt) == "KMSInvalidStateException"
    store.disconnect()
    assert store.connect()["ConnectionState"] == "CONNECTED"
    assert store.decrypt(store.encrypt()) == b"secret"


def test_nothing_wrong_is_released_while_a_token_comes_and_goes_under_use(store: Store, tmp_path: Path) -> None:
    blobs, answers, stop = [store.encrypt(b"%d" % number) for number in range(5)], [], threading.Event()

    def use() -> None:
        while not stop.is_set():
            for number, blob in enumerate(blobs):
                try:
                    answers.append(store.decrypt(blob) == b"%d" % number)
                except store.kms.exceptions.KMSInvalidStateException:
                    answers.append(True)

    threads = [threading.Thread(target=use) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        time.sleep(0.1)
        with taken_away(store, tmp_path):
            time.sleep(0.1)
    stop.set()
    for thread in threads:
        thread.join()
    assert answers
    assert all(answers)
    time.sleep(tokens._LOOK_AGAIN)
    assert [store.decrypt(blob) for blob in blobs] == [b"%d" % number for number in range(5)]


def test_a_token_that_is_away_at_the_connection_fails_it_and_the_store_connects_when_it_is_back(
    store: Store, tmp_path: Path
) -> None:
    store.disconnect()
    with taken_away(store, tmp_path):
        found = store.connect()
        assert (found["ConnectionState"], found["ConnectionErrorCode"]) == ("FAILED", "INSUFFICIENT_CLOUDHSM_HSMS")
        assert store.key_state == "Unavailable"
    assert refusal(store.connect)[0] == "CustomKeyStoreInvalidStateException"
    store.disconnect()
    assert "ConnectionErrorCode" not in store.connect()
    assert store.key_state == "Enabled"


def test_a_pin_that_was_changed_fails_the_next_connection_until_the_store_has_it(store: Store) -> None:
    blob = store.encrypt()
    store.disconnect()
    Token(MODULE, store.cluster.label, store.cluster.pin).change_pin("another-pin-99")
    found = store.connect()
    assert (found["ConnectionState"], found["ConnectionErrorCode"]) == ("FAILED", "INVALID_CREDENTIALS")
    store.disconnect()
    store.kms.update_custom_key_store(CustomKeyStoreId=store.store_id, KeyStorePassword="another-pin-99")
    assert store.connect()["ConnectionState"] == "CONNECTED"
    assert store.decrypt(blob) == b"secret"


def test_an_object_that_was_deleted_in_the_token_is_told_of_its_key_alone(store: Store) -> None:
    other = key_stores.key_in(store.kms, store.store_id)["KeyId"]
    blob = store.encrypt()
    Token(MODULE, store.cluster.label, store.cluster.pin).destroy(bytes.fromhex(store.key_id.replace("-", "")))
    message = "KMS cannot find the key material of this KMS key in your CloudHSM cluster"
    assert refusal(store.encrypt) == ("KMSInvalidStateException", message)
    assert refusal(store.decrypt, blob) == ("KMSInvalidStateException", message)
    assert store.kms.encrypt(KeyId=other, Plaintext=b"x")["CiphertextBlob"]


# What a token's failures are told as, each as it happens to the one function that speaks to tokens.
ANSWERS = {
    # reason: (Encrypt, CreateKey, GenerateRandom, ConnectionErrorCode)
    Reason.GONE: ("KMSInvalidStateException", "CloudHsmClusterInvalidConfigurationException",
                  "CustomKeyStoreInvalidStateException", "INSUFFICIENT_CLOUDHSM_HSMS"),
    Reason.MODULE: ("KMSInvalidStateException", "CloudHsmClusterInvalidConfigurationException",
                    "CustomKeyStoreInvalidStateException", "NETWORK_ERRORS"),
    Reason.PIN_INCORRECT: ("KMSInvalidStateException", "CloudHsmClusterInvalidConfigurationException",
                           "CustomKeyStoreInvalidStateException", "INVALID_CREDENTIALS"),
    Reason.PIN_LOCKED: ("KMSInvalidStateException", "CloudHsmClusterInvalidConfigurationException",
                        "CustomKeyStoreInvalidStateException", "USER_LOCKED_OUT"),
    Reason.NO_USER: ("KMSInvalidStateException", "CloudHsmClusterInvalidConfigurationException",
                     "CustomKeyStoreInvalidStateException", "USER_NOT_FOUND"),
    Reason.FULL: ("KMSInvalidStateException", "CloudHsmClusterInvalidConfigurationException",
                  "CustomKeyStoreInvalidStateException", "INTERNAL_ERROR"),
    Reason.SLOW: ("DependencyTimeoutException", "DependencyTimeoutException", "DependencyTimeoutException",
                  "NETWORK_ERRORS"),
    Reason.BUSY: ("ThrottlingException", "ThrottlingException", "ThrottlingException", "NETWORK_ERRORS"),
    Reason.FAILED: ("KMSInvalidStateException", "CloudHsmClusterInvalidConfigurationException",
                    "CustomKeyStoreInvalidStateException", "INTERNAL_ERROR"),
}  # fmt: skip


@pytest.mark.parametrize("reason", ANSWERS, ids=lambda reason: reason.name)
def test_each_failure_of_a_token_has_its_answer(store: Store, reason: Reason, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise TokenError(reason)

    with monkeypatch.context() as patch:
        patch.setattr(TokenProcess, "_call", fail)
        answers = (
            code_of(store.encrypt),
            code_of(key_stores.key_in, store.kms, store.store_id),
            code_of(store.kms.generate_random, NumberOfBytes=8, CustomKeyStoreId=store.store_id),
        )
        store.disconnect()
        found = store.connect()
    assert (*answers, found["ConnectionErrorCode"]) == ANSWERS[reason]
    store.disconnect()
    store.connect()
    assert store.decrypt(store.encrypt()) == b"secret"


def test_a_token_that_did_not_answer_is_asked_by_one_call_at_a_time_until_it_does(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Semaphore(0)
    answering = threading.Event()

    def hang(token: TokenProcess, *_: Any) -> None:
        begun.release()
        answering.wait(0.5)
        raise TokenError(Reason.SLOW)

    with monkeypatch.context() as patch:
        patch.setattr(TokenProcess, "encrypt", hang)
        assert code_of(store.encrypt) == "DependencyTimeoutException"
        assert begun.acquire(timeout=20)
        threads = [threading.Thread(target=code_of, args=(store.encrypt,)) for _ in range(5)]
        for thread in threads:
            thread.start()
        time.sleep(0.2)
        assert begun.acquire(timeout=20)
        assert not begun.acquire(blocking=False)  # the others were refused at once
        answering.set()
        for thread in threads:
            thread.join()
    assert store.decrypt(store.encrypt()) == b"secret"


def test_a_store_has_a_quota_of_its_own(store: Store) -> None:
    throttling.configure("cloudhsm-key-store=1")
    try:
        calls = (store.encrypt, lambda: store.kms.generate_random(NumberOfBytes=8, CustomKeyStoreId=store.store_id))
        assert {code_of(call) for call in calls * 4} == {"", "ThrottlingException"}
        assert code_of(store.kms.encrypt, KeyId=store.account.create_key(), Plaintext=b"x") == ""
    finally:
        throttling.configure("")
    assert store.decrypt(store.encrypt()) == b"secret"


def test_a_cluster_that_is_not_registered_any_more_is_told(store: Store) -> None:
    store.disconnect()
    models.CloudHsmCluster.objects.filter(cluster_id=store.cluster.cluster_id).delete()
    found = store.connect()
    assert (found["ConnectionState"], found["ConnectionErrorCode"]) == ("FAILED", "CLUSTER_NOT_FOUND")


def test_a_connection_that_nobody_ends_has_failed_after_its_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its worker died, say."""
    store.disconnect()
    with monkeypatch.context() as patch:
        patch.setattr("engine.kms.stores.connection._connect", lambda place, attempt: None)
        store.kms.connect_custom_key_store(CustomKeyStoreId=store.store_id)
    assert key_stores.entry(store.kms, store.store_id)["ConnectionState"] == "CONNECTING"
    monkeypatch.setattr("engine.kms.stores.snapshots.ATTEMPT", timedelta(seconds=-1))
    found = key_stores.entry(store.kms, store.store_id)
    assert (found["ConnectionState"], found["ConnectionErrorCode"]) == ("FAILED", "INTERNAL_ERROR")
    store.disconnect()
    assert key_stores.entry(store.kms, store.store_id)["ConnectionState"] == "DISCONNECTED"


def test_the_token_of_a_process_is_not_that_of_its_parent(store: Store) -> None:
    store.encrypt()
    assert tokens._devices
    child = os.fork()
    if child == 0:
        os._exit(len(tokens._devices))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
