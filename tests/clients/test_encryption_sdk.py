"""The AWS Encryption SDK for Python, unchanged, with our keys: envelope encryption of a file far over 4 KB."""

from __future__ import annotations

import os
import time
from typing import Any

import aws_encryption_sdk
import botocore.session
import pytest
from aws_encryption_sdk import CommitmentPolicy
from aws_encryption_sdk.exceptions import AWSEncryptionSDKClientError
from aws_encryption_sdk.key_providers.kms import (
    DiscoveryFilter,
    MRKAwareDiscoveryAwsKmsMasterKeyProvider,
    MRKAwareStrictAwsKmsMasterKeyProvider,
    StrictAwsKmsMasterKeyProvider,
)

from tests.support.server import ACCESS_KEY_ID, ACCOUNT, SECRET, Server

pytestmark = [pytest.mark.client, pytest.mark.slow]


@pytest.fixture
def session(server: Server, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A botocore session as any program has: an endpoint and a key in its environment."""
    for name, value in {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    return botocore.session.Session()


@pytest.fixture
def sdk() -> Any:
    return aws_encryption_sdk.EncryptionSDKClient(commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)


def test_a_large_file_is_encrypted_and_opened(server: Server, session: Any, sdk: Any) -> None:
    arn = server.client().create_key()["KeyMetadata"]["Arn"]
    provider = StrictAwsKmsMasterKeyProvider(key_ids=[arn], botocore_session=session)
    plaintext = os.urandom(300_000)
    sealed, _ = sdk.encrypt(source=plaintext, key_provider=provider, encryption_context={"file": "report"})
    opened, header = sdk.decrypt(source=sealed, key_provider=provider)
    assert opened == plaintext
    assert header.encryption_context["file"] == "report"


def test_a_changed_message_is_refused(server: Server, session: Any, sdk: Any) -> None:
    arn = server.client().create_key()["KeyMetadata"]["Arn"]
    provider = StrictAwsKmsMasterKeyProvider(key_ids=[arn], botocore_session=session)
    sealed, _ = sdk.encrypt(source=b"x" * 100, key_provider=provider, encryption_context={"file": "report"})
    with pytest.raises(AWSEncryptionSDKClientError):
        sdk.decrypt(source=sealed.replace(b"report", b"rEport"), key_provider=provider)


def test_a_replica_in_another_region_opens_by_discovery(server: Server, session: Any, sdk: Any) -> None:
    kms = server.client()
    primary = kms.create_key(MultiRegion=True)["KeyMetadata"]
    kms.replicate_key(KeyId=primary["KeyId"], ReplicaRegion="eu-west-1")
    time.sleep(1.2)
    strict = MRKAwareStrictAwsKmsMasterKeyProvider(key_ids=[primary["Arn"]], botocore_session=session)
    sealed, _ = sdk.encrypt(source=b"for both Regions", key_provider=strict)
    discovery = MRKAwareDiscoveryAwsKmsMasterKeyProvider(
        botocore_session=session,
        discovery_region="eu-west-1",
        discovery_filter=DiscoveryFilter(partition="aws", account_ids=[ACCOUNT]),
    )
    opened, _ = sdk.decrypt(source=sealed, key_provider=discovery)
    assert opened == b"for both Regions"
