"""What is done to a key from its page: offered, disabled with the reason, confirmed, carried out."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from django.test import Client

from keys.lifecycle import action_rules
from tests.conftest import REGION, TestAccount
from tests.support.answers import text

CALLS: dict[str, Any] = {
    "enable": ("enable_key", {}),
    "disable": ("disable_key", {}),
    "delete": ("schedule_key_deletion", {}),
    "cancel-deletion": ("cancel_key_deletion", {}),
    "rotate": ("rotate_key_on_demand", {}),
    "rotation-on": ("enable_key_rotation", {}),
    "rotation-off": ("disable_key_rotation", {}),
    "describe": ("update_key_description", {"Description": "x"}),
    "tag-add": ("tag_resource", {"Tags": [{"TagKey": "a", "TagValue": "b"}]}),
    "tag-delete": ("untag_resource", {"TagKeys": ["a"]}),
    "replicate": ("replicate_key", {"ReplicaRegion": "ap-south-1"}),
    "grant-add": ("create_grant", {"Operations": ["DescribeKey"]}),
}


def in_state(account: TestAccount, state: str) -> str:
    kms = account.client()
    if state == "PendingImport":
        return account.create_key(Origin="EXTERNAL", MultiRegion=True)
    key_id = account.create_key(MultiRegion=True)
    if state == "PendingReplicaDeletion":
        kms.replicate_key(KeyId=key_id, ReplicaRegion="eu-west-1")
        account.move_clock(minutes=10)
    if state in ("PendingDeletion", "PendingReplicaDeletion"):
        kms.schedule_key_deletion(KeyId=key_id)
    elif state == "Disabled":
        kms.disable_key(KeyId=key_id)
    return key_id


@pytest.mark.parametrize("state", ["Enabled", "Disabled", "PendingImport", "PendingDeletion", "PendingReplicaDeletion"])
@pytest.mark.parametrize("action", CALLS)
def test_what_a_disabled_action_says_is_what_the_engine_answers(account: TestAccount, action: str, state: str) -> None:
    key_id = in_state(account, state)
    kms = account.client()
    key = kms.describe_key(KeyId=key_id)["KeyMetadata"]
    assert key["KeyState"] == state
    operation, parameters = CALLS[action]
    if action == "grant-add":
        parameters = {**parameters, "GranteePrincipal": account.root_arn}
    said = action_rules.refused_actions(key).get(action, "")
    try:
        getattr(kms, operation)(KeyId=key_id, **parameters)
        answered = ""
    except ClientError as error:
        answered = f"{error.response['Error']['Code']}: {error.response['Error']['Message']}"
    assert said == answered


def test_a_key_is_replicated_and_its_primary_changed_by_choice(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key(MultiRegion=True)
    offered = signed_in.get(f"/keys/{key_id}/tab/regions/").context["replica_regions"]
    assert REGION not in offered
    previewed = signed_in.post(f"/keys/{key_id}/do/replicate/", {"region": "eu-west-1", "preview": "1"})
    assert "aws_kms_replica_key" in text(previewed)
    signed_in.post(f"/keys/{key_id}/do/replicate/", {"region": "eu-west-1"})
    assert account.client(region="eu-west-1").describe_key(KeyId=key_id)["KeyMetadata"]["MultiRegion"]
    account.move_clock(minutes=10)
    context = signed_in.get(f"/keys/{key_id}/tab/regions/").context
    assert "eu-west-1" not in context["replica_regions"]
    assert context["primary_regions"] == ["eu-west-1"]
    signed_in.post(f"/keys/{key_id}/do/primary/", {"region": "eu-west-1"})
    account.move_clock(minutes=10)
    configuration = account.client().describe_key(KeyId=key_id)["KeyMetadata"]["MultiRegionConfiguration"]
    assert configuration["PrimaryKey"]["Region"] == "eu-west-1"


def test_what_aws_refuses_of_a_name_stands_beside_its_field(account: TestAccount, signed_in: Client) -> None:
    key_id, other = account.create_key(), account.create_key()
    account.client().create_alias(AliasName="alias/taken", TargetKeyId=other)
    for action, field, given in (
        ("alias-add", "alias", "taken"),
        ("alias-add", "alias", "aws/mine"),
        ("tag-add", "key", "aws:mine"),
    ):
        answer = signed_in.post(f"/keys/{key_id}/do/{action}/", {field: given, "value": ""})
        assert list(answer.context["form"].errors) == [field]
        assert f'value="{given}"' in text(answer)


def test_a_disabled_action_says_the_error_it_would_give(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key()
    account.client().disable_key(KeyId=key_id)
    page = text(signed_in.get(f"/keys/{key_id}/"))
    assert "DisabledException: arn:aws:kms:" in page
