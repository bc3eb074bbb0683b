"""A policy is about who a name stood for when it was stored: a user or role made anew under an old name inherits nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import TestAccount, TestUser, make_client

ALLOW_ASSUME = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}]}
)


def key_policy(account: TestAccount, named: Any) -> str:
    statements = [
        {"Effect": "Allow", "Principal": {"AWS": account.root_arn}, "Action": "kms:*", "Resource": "*"},
        {"Sid": "Use", "Effect": "Allow", "Principal": {"AWS": named}, "Action": "kms:Encrypt", "Resource": "*"},
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def trust(principal: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def make_anew(account: TestAccount, user: TestUser) -> TestUser:
    iam = account.client("iam")
    iam.delete_access_key(UserName=user.name, AccessKeyId=user.access_key_id)
    iam.delete_user(UserName=user.name)
    return account.create_user(user.name)


def refused(call: Any, **parameters: Any) -> str:
    with pytest.raises(ClientError) as reason:
        call(**parameters)
    return str(reason.value.response["Error"]["Code"])


def named_in(account: TestAccount, key_id: str) -> Any:
    policy = json.loads(account.client().get_key_policy(KeyId=key_id)["Policy"])
    return policy["Statement"][1]["Principal"]["AWS"]


def test_a_user_made_anew_does_not_inherit_what_a_key_policy_gave(account: TestAccount) -> None:
    ann = account.create_user("ann")
    key = account.create_key(Policy=key_policy(account, ann.arn))
    assert ann.client().encrypt(KeyId=key, Plaintext=b"x")
    anew = make_anew(account, ann)
    assert anew.arn == ann.arn
    assert refused(anew.client().encrypt, KeyId=key, Plaintext=b"x") == "AccessDeniedException"
    account.client().put_key_policy(KeyId=key, Policy=key_policy(account, anew.arn))
    assert anew.client().encrypt(KeyId=key, Plaintext=b"x")


def test_a_key_policy_shows_a_deleted_user_as_its_unique_id(account: TestAccount) -> None:
    ann = account.create_user("ann")
    written = key_policy(account, [ann.arn, account.administrator.arn])
    key = account.create_key(Policy=written)
    assert account.client().get_key_policy(KeyId=key)["Policy"] == written
    unique_id = account.client("iam").get_user(UserName="ann")["User"]["UserId"]
    make_anew(account, ann)
    assert named_in(account, key) == [unique_id, account.administrator.arn]


def test_a_policy_with_the_id_of_nobody_cannot_be_stored(account: TestAccount) -> None:
    ann = account.create_user("ann")
    key = account.create_key(Policy=key_policy(account, ann.arn))
    make_anew(account, ann)
    gone = account.client().get_key_policy(KeyId=key)["Policy"]
    assert refused(account.client().put_key_policy, KeyId=key, Policy=gone) == "MalformedPolicyDocumentException"


def test_a_unique_id_stands_for_its_user(account: TestAccount) -> None:
    ann = account.create_user("ann")
    unique_id = account.client("iam").get_user(UserName="ann")["User"]["UserId"]
    key = account.create_key(Policy=key_policy(account, unique_id))
    assert ann.client().encrypt(KeyId=key, Plaintext=b"x")


def test_a_renamed_user_keeps_its_access_and_is_shown_by_its_new_name(account: TestAccount) -> None:
    ann = account.create_user("ann")
    key = account.create_key(Policy=key_policy(account, ann.arn))
    account.client("iam").update_user(UserName="ann", NewUserName="anna", NewPath="/staff/")
    assert ann.client().encrypt(KeyId=key, Plaintext=b"x")
    assert named_in(account, key) == f"arn:aws:iam::{account.account_id}:user/staff/anna"


def test_grants_are_listed_by_who_has_the_name_now(account: TestAccount) -> None:
    """As they are shown: by the new name of who was renamed, and none of a predecessor of the same name."""
    kms, iam, ann = account.client(), account.client("iam"), account.create_user("ann")
    unique_id, key = iam.get_user(UserName="ann")["User"]["UserId"], account.create_key()
    kms.create_grant(KeyId=key, GranteePrincipal=ann.arn, RetiringPrincipal=ann.arn, Operations=["Decrypt"])
    iam.update_user(UserName="ann", NewUserName="anna")

    def listed(who: str) -> list[int]:
        by_grantee = kms.list_grants(KeyId=key, GranteePrincipal=who)
        return [len(each["Grants"]) for each in (by_grantee, kms.list_retirable_grants(RetiringPrincipal=who))]

    (shown,) = kms.list_grants(KeyId=key)["Grants"]
    assert shown["GranteePrincipal"] == shown["RetiringPrincipal"] == f"{ann.arn}a"
    assert (listed(f"{ann.arn}a"), listed(ann.arn)) == ([1, 1], [0, 0])
    account.create_user("ann")
    assert listed(ann.arn) == [0, 0]
    iam.delete_access_key(UserName="anna", AccessKeyId=ann.access_key_id)
    iam.delete_user(UserName="anna")
    account.create_user("anna")
    assert listed(f"{ann.arn}a") == [0, 0]
    assert len(kms.list_grants(KeyId=key, GranteePrincipal=unique_id)["Grants"]) == 1


def test_a_role_made_anew_does_not_inherit_what_a_key_policy_gave(account: TestAccount) -> None:
    iam, sts = account.client("iam"), account.client("sts")
    role = iam.create_role(RoleName="app", AssumeRolePolicyDocument=trust(account.administrator.arn))["Role"]
    key = account.create_key(Policy=key_policy(account, role["Arn"]))

    def encrypt() -> Any:
        made = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="one")["Credentials"]
        given = (made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
        return make_client("kms", "us-east-1", *given).encrypt(KeyId=key, Plaintext=b"x")

    assert encrypt()
    iam.delete_role(RoleName="app")
    iam.create_role(RoleName="app", AssumeRolePolicyDocument=trust(account.administrator.arn))
    assert refused(encrypt) == "AccessDeniedException"
    assert named_in(account, key) == role["RoleId"]


def test_a_user_made_anew_may_not_assume_the_role_that_trusted_its_predecessor(account: TestAccount) -> None:
    iam, ann = account.client("iam"), account.create_user("ann")
    role = iam.create_role(RoleName="app", AssumeRolePolicyDocument=trust(ann.arn))["Role"]
    wanted = {"RoleArn": role["Arn"], "RoleSessionName": "one"}
    assert ann.client("sts").assume_role(**wanted)
    unique_id = iam.get_user(UserName="ann")["User"]["UserId"]
    anew = make_anew(account, ann)
    assert refused(anew.client("sts").assume_role, **wanted) == "AccessDenied"
    shown = iam.get_role(RoleName="app")["Role"]["AssumeRolePolicyDocument"]
    assert shown["Statement"][0]["Principal"]["AWS"] == unique_id


def test_a_trust_policy_names_nobody_who_is_not_there(account: TestAccount) -> None:
    nobody = f"arn:aws:iam::{account.account_id}:user/nobody"
    with pytest.raises(ClientError) as reason:
        account.client("iam").create_role(RoleName="app", AssumeRolePolicyDocument=trust(nobody))
    error = reason.value.response["Error"]
    assert error["Code"] == "MalformedPolicyDocument"
    assert error["Message"] == f'Invalid principal in policy: "AWS":"{nobody}"'


def test_a_user_made_anew_does_not_inherit_grants(account: TestAccount) -> None:
    kms, ann, key = account.client(), account.create_user("ann"), account.create_key()
    made = kms.create_grant(
        KeyId=key, GranteePrincipal=ann.arn, RetiringPrincipal=ann.arn, Operations=["Encrypt", "RetireGrant"]
    )
    assert ann.client().encrypt(KeyId=key, Plaintext=b"x")
    unique_id = account.client("iam").get_user(UserName="ann")["User"]["UserId"]
    anew = make_anew(account, ann)
    assert refused(anew.client().encrypt, KeyId=key, Plaintext=b"x") == "AccessDeniedException"
    assert refused(anew.client().retire_grant, GrantToken=made["GrantToken"]) == "AccessDeniedException"
    (grant,) = kms.list_grants(KeyId=key)["Grants"]
    assert (grant["GranteePrincipal"], grant["RetiringPrincipal"]) == (unique_id, unique_id)


def test_principals_of_accounts_that_are_not_here_are_taken_on_trust(account: TestAccount) -> None:
    stranger = "arn:aws:iam::999999999999:role/app"
    key = account.create_key(Policy=key_policy(account, stranger))
    assert named_in(account, key) == stranger
