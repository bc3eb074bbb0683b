"""A call on a key in a store is not carried out in an event loop: nothing has happened there, and a thread begins it anew."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from engine import service, throttling
from engine.kms.stores.use import DeviceCall
from engine.wire.http import HttpRequest
from tests.conftest import TestAccount
from tests.engine.kms.stores.conftest import Store


def signed(account: TestAccount, operation: str, **parameters: object) -> HttpRequest:
    user = account.administrator
    target = {"X-Amz-Target": f"TrentService.{operation}", "Content-Type": "application/x-amz-json-1.1"}
    request = AWSRequest("POST", "http://engine.local/", data=json.dumps(parameters).encode(), headers=target)
    SigV4Auth(Credentials(user.access_key_id, user.secret_access_key), "kms", "us-east-1").add_auth(request)
    made = request.prepare()
    headers = {name.lower(): str(value) for name, value in made.headers.items()}
    return HttpRequest("POST", "/", "", {"host": "engine.local", **headers}, bytes(made.body), source_ip="127.0.0.1")


async def _begin(request: HttpRequest) -> int:
    return service.begin(request).response.status


def begin(request: HttpRequest) -> int:
    """In an event loop of a thread of its own, as a server's: tests allow what Django refuses there, for Playwright's loop is in theirs."""
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as thread:
        patch.delenv("DJANGO_ALLOW_ASYNC_UNSAFE")
        return thread.submit(lambda: asyncio.run(_begin(request))).result()


def test_an_event_loop_answers_for_other_keys_and_leaves_those_of_stores_to_threads(store: Store) -> None:
    other = store.account.create_key()
    store.kms.encrypt(KeyId=other, Plaintext=b"x")  # caches have both keys now
    store.encrypt()
    assert begin(signed(store.account, "Encrypt", KeyId=other, Plaintext="eA==")) == 200
    for operation, parameters in (
        ("Encrypt", {"KeyId": store.key_id, "Plaintext": "eA=="}),
        ("GenerateDataKey", {"KeyId": store.key_id, "KeySpec": "AES_256"}),
        ("GenerateRandom", {"CustomKeyStoreId": store.store_id, "NumberOfBytes": 8}),
    ):
        with pytest.raises(DeviceCall):
            begin(signed(store.account, operation, **parameters))


def test_a_call_that_is_begun_anew_is_counted_once(store: Store) -> None:
    store.encrypt()
    request = signed(store.account, "Encrypt", KeyId=store.key_id, Plaintext="eA==")
    throttling.configure("symmetric=1")
    try:
        with pytest.raises(DeviceCall):
            begin(request)
        assert service.handle(request).status == 200
        assert b"ThrottlingException" in service.handle(request).body
    finally:
        throttling.configure("")
