"""Key policies as PutKeyPolicy and CreateKey take them: what is refused, what is taken and has no effect, and what no text can do.

Sources: KMS Developer Guide, "Creating a key policy" and "Using set operators with condition keys"; API Reference, PutKeyPolicy.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from engine.iam import models as iam_models
from engine.iam.policy import stored_policy
from engine.kms import models
from engine.store.transaction import changed, iam_entity, key_entity, write
from tests.conftest import REGION, TestAccount, TestUser

MALFORMED = "MalformedPolicyDocumentException"


def policy(account: TestAccount, *statements: dict[str, Any], **more: Any) -> str:
    """A key policy that lets the account in, with more statements."""
    trust = {"Effect": "Allow", "Principal": {"AWS": account.root_arn}, "Action": "kms:*", "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [trust, *statements], **more})


def put(account: TestAccount, key_id: str, text: str) -> None:
    account.client().put_key_policy(KeyId=key_id, Policy=text)


def code(call: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call()
    return str(refused.value.response["Error"]["Code"])


@pytest.mark.parametrize("lacks", ["Action", "Resource"])
def test_a_statement_without_an_action_or_a_resource_is_taken_and_has_no_effect(
    account: TestAccount, lacks: str
) -> None:
    bob = account.create_user("bob")
    statement = {"Effect": "Allow", "Principal": {"AWS": bob.arn}, "Action": "kms:*", "Resource": "*"}
    key_id = account.create_key(Policy=policy(account, statement))
    account.client(user=bob).describe_key(KeyId=key_id)
    del statement[lacks]
    put(account, key_id, policy(account, statement))
    assert code(lambda: account.client(user=bob).describe_key(KeyId=key_id)) == "AccessDeniedException"
    kept = json.loads(account.client().get_key_policy(KeyId=key_id)["Policy"])
    assert lacks not in kept["Statement"][1]


@pytest.mark.parametrize("lacks", ["Action", "Resource"])
def test_a_deny_without_an_action_or_a_resource_denies_nothing(account: TestAccount, lacks: str) -> None:
    statement = {"Effect": "Deny", "Principal": "*", "Action": "kms:DescribeKey", "Resource": "*"}
    del statement[lacks]
    key_id = account.create_key(Policy=policy(account, statement))
    account.client().describe_key(KeyId=key_id)


@pytest.mark.parametrize(
    "principal", [{"AWS": "nobody"}, {"AWS": "arn:aws:iam::111122223333:group/g"}, {"Service": "ec2"}, {"Other": "x"}]
)
def test_what_cannot_be_a_principal_is_refused(account: TestAccount, principal: dict[str, str]) -> None:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "kms:Decrypt", "Resource": "*"}
    with pytest.raises(ClientError) as refused:
        account.create_key(Policy=policy(account, statement))
    words = "Policy contains a statement with one or more invalid principals."
    assert refused.value.response["Error"] == {"Code": MALFORMED, "Message": words}


@pytest.mark.parametrize("effect", ["Allow", "Deny"])
@pytest.mark.parametrize(
    ("key", "words"),
    [
        (
            "kms:EncryptionContext:Department",
            "OverlyPermissiveCondition:EncryptionContext: Using the ForAllValues set operator with a single-valued condition key "
            "matches requests without the specified encryption context or with an unspecified encryption context. "
            "To fix, remove ForAllValues.",
        ),
        (
            "aws:RequestTag/team",
            "OverlyPermissiveCondition: Using the ForAllValues set operator with a single-valued condition key matches requests "
            "without the specified tag or with an unspecified tag. To fix, remove ForAllValues.",
        ),
    ],
)
def test_for_all_values_over_a_key_of_one_value_is_refused(
    account: TestAccount, key: str, words: str, effect: str
) -> None:
    condition = {"ForAllValues:StringEquals": {key: "IT"}}
    statement = {"Effect": effect, "Principal": "*", "Action": "kms:Decrypt", "Resource": "*", "Condition": condition}
    with pytest.raises(ClientError) as refused:
        account.create_key(Policy=policy(account, statement))
    assert refused.value.response["Error"] == {"Code": MALFORMED, "Message": words}


@pytest.mark.parametrize(
    "condition",
    [
        {"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": "a"}},
        {"ForAnyValue:StringEquals": {"kms:EncryptionContext:a": "b"}},
        {"StringEquals": {"kms:EncryptionContext:a": "b"}},
    ],
)
def test_other_set_operators_are_taken(account: TestAccount, condition: dict[str, Any]) -> None:
    statement = {"Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*", "Condition": condition}
    account.create_key(Policy=policy(account, statement))


DEEP = "[" * 2_000 + "]" * 2_000
TEXTS = {
    "nested deeply": f'{{"Statement": {DEEP}}}',
    "nested less deeply": f'{{"Statement": [{DEEP[1_800:2_200]}]}}',
    "an Id that is nested": None,
    "a long number": f'{{"Statement": {"9" * 20_000}}}',
    "half a character for an element": '{"\\ud800": 1, "Statement": []}',
    "half a character for a principal": None,
    "half a character for an action": None,
    "half a character for an operator": None,
}


@pytest.mark.parametrize("name", TEXTS)
def test_no_text_is_more_than_malformed(account: TestAccount, name: str) -> None:
    text = TEXTS[name]
    half = "HALF"
    allow = {"Effect": "Allow", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"}
    made = {
        "an Id that is nested": policy(account, Id=[[[[]]]]),
        "half a character for a principal": policy(
            account, {**allow, "Principal": {"AWS": f"arn:aws:iam::{account.account_id}:user/{half}"}}
        ),
        "half a character for an action": policy(account, {**allow, "Action": half}),
        "half a character for an operator": policy(account, {**allow, "Condition": {half: {"a:b": "c"}}}),
    }
    written = text if text is not None else made[name].replace(half, "\\ud800")
    key_id = account.create_key()
    assert code(lambda: put(account, key_id, written)) == MALFORMED


@pytest.fixture
def operator(account: TestAccount) -> TestUser:
    everything = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    return account.create_user("op", json.dumps({"Version": "2012-10-17", "Statement": everything}))


UNREADABLE = '{"Version": "2099-01-01", "Statement": []}'


def test_a_stored_identity_policy_that_cannot_be_read_stops_its_user_and_nobody_else(
    account: TestAccount, operator: TestUser
) -> None:
    key_id = account.create_key()
    account.client(user=operator).describe_key(KeyId=key_id)
    with write():
        iam_models.InlinePolicy.objects.filter(user__name="op", user__account_id=account.account_id).update(
            document=UNREADABLE
        )
        changed(iam_entity(account.account_id))
    assert code(lambda: account.client(user=operator).describe_key(KeyId=key_id)) == "AccessDeniedException"
    account.client().describe_key(KeyId=key_id)
    account.client("iam").delete_user_policy(UserName="op", PolicyName="test")


def test_a_stored_key_policy_that_cannot_be_read_stops_its_key_and_no_other(account: TestAccount) -> None:
    broken, whole = account.create_key(), account.create_key()
    with write():
        models.Key.objects.filter(key_id=broken).update(policy=UNREADABLE)
        changed(key_entity(account.account_id, REGION, broken))
    assert code(lambda: account.client().describe_key(KeyId=broken)) == "AccessDeniedException"
    account.client().describe_key(KeyId=whole)
    account.client().list_keys()


@pytest.mark.parametrize("kind", ["identity", "resource", "boundary", "session", "trust"])
def test_what_cannot_be_read_allows_nothing(kind: Any) -> None:
    found = stored_policy(UNREADABLE, name="x", kind=kind)
    assert not any(statement.allows for statement in found.statements)
    assert bool(found.statements) is (kind == "identity")
