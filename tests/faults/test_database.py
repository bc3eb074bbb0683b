"""The database stops, or stops answering: calls fail as AWS fails and change nothing, and all goes on by itself afterwards."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.support.postgres import Postgres
from tests.support.server import Server

pytestmark = pytest.mark.slow
TIMEOUT = 1


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    with Postgres() as running:
        yield running


def refused(call: object, **parameters: object) -> str:
    with pytest.raises(ClientError) as error:
        call(**parameters)  # type: ignore[operator]
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    return str(error.value.response["Error"]["Code"])


def test_a_database_that_pauses_or_restarts_fails_calls_and_they_recover(
    own_postgres: Postgres, tmp_path: Path
) -> None:
    server = Server(
        tmp_path / "data",
        KMSCONSOLE_DATABASE_URL=own_postgres.database(),
        KMSCONSOLE_DATABASE_TIMEOUT=str(TIMEOUT),
        KMSCONSOLE_WORKERS="1",
    )
    with server:
        kms = server.client()
        key_id = kms.create_key()["KeyMetadata"]["KeyId"]
        sealed = kms.encrypt(KeyId=key_id, Plaintext=b"before")["CiphertextBlob"]
        for stop, start in (
            (own_postgres.pause, own_postgres.resume),
            (own_postgres.stop, own_postgres.start),
        ):
            stop()
            began = time.monotonic()
            for call, parameters in (
                (kms.encrypt, {"KeyId": key_id, "Plaintext": b"x"}),
                (kms.disable_key, {"KeyId": key_id}),
                (kms.create_key, {}),
            ):
                assert refused(call, **parameters) == "KMSInternalException"
            assert time.monotonic() - began < 50  # given up, not hanging
            start()
            deadline = time.monotonic() + 60
            while True:
                try:
                    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"before"
                    break
                except ClientError:
                    assert time.monotonic() < deadline, "it did not recover"
                    time.sleep(0.1)
            for _ in range(40):  # each thread of the worker has a connection of its own
                kms.update_key_description(KeyId=key_id, Description="after")
            assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["Enabled"] is True
            assert len(kms.list_keys()["Keys"]) == 1
