"""Calls across accounts in the record: whose record they are in, and what it says of who called."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError
from django.db import OperationalError

from engine.store import transaction
from tests.conftest import TestAccount
from tests.engine.trail.test_trail import events, of_the_file_journal
from tests.support.policies import allow, document, trusting


def shared_key(account: TestAccount, other_account: TestAccount) -> str:
    """The ARN of a key that the other account may use."""
    policy = trusting(account, allow("kms:*", Principal={"AWS": other_account.account_id}))
    return str(account.client().create_key(Policy=policy)["KeyMetadata"]["Arn"])


def test_a_call_across_accounts_is_in_both_trails(account: TestAccount, other_account: TestAccount) -> None:
    arn = shared_key(account, other_account)
    other_account.client().encrypt(KeyId=arn, Plaintext=b"x")
    mine, theirs = events(account, EventName="Encrypt")[0], events(other_account, EventName="Encrypt")[0]
    assert mine["sharedEventID"] == theirs["sharedEventID"]
    assert (mine["recipientAccountId"], theirs["recipientAccountId"]) == (account.account_id, other_account.account_id)


def test_a_refusal_of_another_accounts_key_is_in_the_callers_trail_alone(
    account: TestAccount, other_account: TestAccount
) -> None:
    """Else anybody who has a key's ARN could write into the record of its account, and raise its alerts."""
    kms, key_id = account.client(), account.create_key()
    arn = kms.describe_key(KeyId=key_id)["KeyMetadata"]["Arn"]
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]
    theirs, before = other_account.client(), len(events(account))
    calls: list[tuple[Any, dict[str, Any]]] = [
        (theirs.encrypt, {"KeyId": arn, "Plaintext": b"x"}),
        (theirs.encrypt, {"KeyId": arn.replace(f"key/{key_id}", "alias/none"), "Plaintext": b"x"}),
        (theirs.decrypt, {"CiphertextBlob": blob}),
        (theirs.re_encrypt, {"CiphertextBlob": blob, "DestinationKeyId": other_account.create_key()}),
        (theirs.schedule_key_deletion, {"KeyId": arn}),
        (theirs.retire_grant, {"KeyId": arn, "GrantId": "0" * 64}),
        (theirs.create_alias, {"AliasName": "alias/mine", "TargetKeyId": arn}),
        (
            other_account.client("sts").assume_role,
            {"RoleArn": f"arn:aws:iam::{account.account_id}:role/none", "RoleSessionName": "attempt"},
        ),
    ]
    for call, parameters in calls:
        with pytest.raises(ClientError, match="AccessDenied"):
            call(**parameters)
    assert len(events(account)) == before + 1  # what this test itself looked up
    own = [each for each in events(other_account) if each.get("errorCode") == "AccessDenied"]
    assert len(own) == len(calls)
    assert all("sharedEventID" not in each for each in own)


def test_an_account_is_told_who_of_another_took_its_role(account: TestAccount, other_account: TestAccount) -> None:
    trust = document({"Effect": "Allow", "Principal": {"AWS": other_account.account_id}, "Action": "sts:AssumeRole"})
    role = account.client("iam").create_role(RoleName="visitors", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    other_account.client("sts").assume_role(RoleArn=role, RoleSessionName="visit")
    (mine,), (theirs,) = events(account, EventName="AssumeRole"), events(other_account, EventName="AssumeRole")
    assert mine["resources"] == [{"accountId": account.account_id, "type": "AWS::IAM::Role", "ARN": role}]
    assert mine["sharedEventID"] == theirs["sharedEventID"]
    assert mine["userIdentity"] == {
        "type": "AWSAccount",
        "principalId": theirs["userIdentity"]["principalId"],
        "accountId": other_account.account_id,
    }
    assert theirs["userIdentity"]["arn"] == other_account.administrator.arn
    assert mine["responseElements"] == theirs["responseElements"]


@of_the_file_journal
def test_a_change_across_accounts_that_was_not_committed_is_voided_in_both_trails(
    account: TestAccount, other_account: TestAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn, written = shared_key(account, other_account), transaction.write

    @contextmanager
    def failing() -> Iterator[None]:
        with written():
            yield
            raise OperationalError("disk I/O error")

    grant = {"KeyId": arn, "GranteePrincipal": other_account.administrator.arn, "Operations": ["Decrypt"]}
    with monkeypatch.context() as patched:
        patched.setattr(transaction, "write", failing)
        with pytest.raises(ClientError, match="KMSInternalException"):
            other_account.client().create_grant(**grant)
    for each in (account, other_account):
        (made,) = [found for found in events(each, EventName="CreateGrant") if "errorCode" not in found]
        (voided,) = events(each, EventName="EventVoided")
        assert voided["serviceEventDetails"]["voidedEventID"] == made["eventID"]
        assert made["voided"] is True
