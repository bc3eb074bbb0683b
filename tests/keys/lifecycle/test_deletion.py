"""Scheduling a deletion: what it costs is shown first, and the more is at stake the more is confirmed."""

from __future__ import annotations

from datetime import UTC, datetime

from django.test import Client

from tests.conftest import TestAccount
from tests.support.answers import text


def test_a_key_in_use_is_deleted_only_by_typing_its_alias(account: TestAccount, signed_in: Client) -> None:
    key_id, kms = account.create_key(), account.client()
    kms.create_alias(AliasName="alias/payroll", TargetKeyId=key_id)
    kms.encrypt(KeyId=key_id, Plaintext=b"x")
    address, sent = f"/keys/{key_id}/delete/", {"days": "8", "confirmed": "on"}
    assert signed_in.post(address, sent).status_code == 422
    wrong = signed_in.post(address, {**sent, "typed": "payrol"})
    assert "This is not “payroll”." in text(wrong)
    assert 'value="payrol"' in text(wrong)
    signed_in.post(address, {**sent, "typed": "payroll"})
    key = kms.describe_key(KeyId=key_id)["KeyMetadata"]
    assert key["KeyState"] == "PendingDeletion"
    assert (key["DeletionDate"] - datetime.now(UTC)).days in (7, 8)


def test_deletion_is_scheduled_only_when_it_is_confirmed(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key()
    address = f"/keys/{key_id}/do/delete/"
    refused = signed_in.post(address, {"days": "12"})
    assert refused.status_code == 422
    assert 'value="12"' in text(refused)
    signed_in.post(address, {"days": "12", "confirmed": "on"})
    assert account.client().describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "PendingDeletion"


def test_the_deletion_of_a_multi_region_key_says_what_becomes_of_its_related_keys(
    account: TestAccount, signed_in: Client
) -> None:
    kms, key_id = account.client(), account.create_key(MultiRegion=True)
    kms.replicate_key(KeyId=key_id, ReplicaRegion="eu-west-1")
    address, never = f"/keys/{key_id}/delete/", "can never be opened again"
    primary = signed_in.get(address)
    assert (primary.context["replicas"], primary.context["related"]) == (["eu-west-1"], [])
    assert never in text(primary)
    done = text(signed_in.post(address, {"days": "12", "confirmed": "on"}, follow=True))
    assert "Its waiting period begins when its last replica key is deleted." in done
    signed_in.post("/region/", {"region": "eu-west-1"})
    replica = signed_in.get(address)
    assert (replica.context["replicas"], replica.context["related"]) == ([], ["us-east-1"])
    assert never not in text(replica)
