"""IAM and STS through boto3: what the CLI and Terraform lean on, and that a change holds on the very next request."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from engine import clock
from engine.iam import credentials, signin
from engine.wire.errors import AWSError
from tests.conftest import TestAccount, make_client

ALLOW_LIST = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:ListKeys", "Resource": "*"}]}
)


def refusal(call: Any, **parameters: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call(**parameters)
    return refused.value.response["Error"]["Code"], refused.value.response["Error"]["Message"]


def test_a_user_is_created_found_and_deleted(account: TestAccount) -> None:
    iam = account.client("iam")
    made = iam.create_user(UserName="ann", Path="/staff/", Tags=[{"Key": "team", "Value": "blue"}])["User"]
    assert made["Arn"] == f"arn:aws:iam::{account.account_id}:user/staff/ann"
    assert iam.get_user(UserName="ann")["User"]["Tags"] == [{"Key": "team", "Value": "blue"}]
    assert refusal(iam.create_user, UserName="ANN") == ("EntityAlreadyExists", "User with name ANN already exists.")
    iam.create_access_key(UserName="ann")
    assert refusal(iam.delete_user, UserName="ann")[0] == "DeleteConflict"
    for key in iam.list_access_keys(UserName="ann")["AccessKeyMetadata"]:
        iam.delete_access_key(UserName="ann", AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName="ann")
    assert refusal(iam.get_user, UserName="ann") == ("NoSuchEntity", "The user with name ann cannot be found.")


def test_an_illegal_group_name_is_refused_as_iam_does(account: TestAccount) -> None:
    code, message = refusal(account.client("iam").create_group, GroupName="MY KMS GROUP")
    assert code == "ValidationError"
    assert "groupName" in message


def test_a_user_has_two_access_keys_at_most(account: TestAccount) -> None:
    iam = account.client("iam")
    iam.create_user(UserName="ann")
    iam.create_access_key(UserName="ann")
    iam.create_access_key(UserName="ann")
    assert refusal(iam.create_access_key, UserName="ann")[0] == "LimitExceeded"


def test_a_groups_policy_holds_for_its_users_at_once(account: TestAccount) -> None:
    iam, user = account.client("iam"), account.create_user("ann")
    assert refusal(user.client().list_keys)[0] == "AccessDeniedException"
    iam.create_group(GroupName="readers")
    iam.put_group_policy(GroupName="readers", PolicyName="list", PolicyDocument=ALLOW_LIST)
    iam.add_user_to_group(GroupName="readers", UserName="ann")
    assert user.client().list_keys()["Keys"] == []
    iam.remove_user_from_group(GroupName="readers", UserName="ann")
    assert refusal(user.client().list_keys)[0] == "AccessDeniedException"


def test_a_deactivated_access_key_is_refused_on_the_next_request(account: TestAccount) -> None:
    user = account.create_user("ann", ALLOW_LIST)
    kms = user.client()
    assert kms.list_keys()["Keys"] == []
    iam = account.client("iam")
    iam.update_access_key(UserName="ann", AccessKeyId=user.access_key_id, Status="Inactive")
    assert refusal(kms.list_keys) == (
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
    )
    iam.update_access_key(UserName="ann", AccessKeyId=user.access_key_id, Status="Active")
    assert kms.list_keys()["Keys"] == []


def test_managed_policies_have_versions_and_attachments(account: TestAccount) -> None:
    iam, user = account.client("iam"), account.create_user("ann")
    arn = iam.create_policy(PolicyName="list", PolicyDocument=ALLOW_LIST)["Policy"]["Arn"]
    iam.attach_user_policy(UserName="ann", PolicyArn=arn)
    assert user.client().list_keys()["Keys"] == []
    deny = ALLOW_LIST.replace("Allow", "Deny")
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=deny, SetAsDefault=True)
    assert refusal(user.client().list_keys)[0] == "AccessDeniedException"
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
    assert user.client().list_keys()["Keys"] == []
    assert iam.get_policy_version(PolicyArn=arn, VersionId="v2")["PolicyVersion"]["Document"] == json.loads(deny)
    assert iam.list_entities_for_policy(PolicyArn=arn)["PolicyUsers"][0]["UserName"] == "ann"
    assert refusal(iam.delete_policy, PolicyArn=arn)[0] == "DeleteConflict"


def test_a_permissions_boundary_narrows(account: TestAccount) -> None:
    iam, user = account.client("iam"), account.create_user("ann", ALLOW_LIST)
    iam.put_user_permissions_boundary(UserName="ann", PermissionsBoundary="arn:aws:iam::aws:policy/IAMReadOnlyAccess")
    assert refusal(user.client().list_keys)[0] == "AccessDeniedException"
    iam.delete_user_permissions_boundary(UserName="ann")
    assert user.client().list_keys()["Keys"] == []


def test_a_role_is_assumed_by_whom_it_trusts(account: TestAccount) -> None:
    iam, user = account.client("iam"), account.create_user("ann")
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": user.arn},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"sts:ExternalId": "42"}},
            }
        ],
    }
    role = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    iam.put_role_policy(RoleName="reader", PolicyName="list", PolicyDocument=ALLOW_LIST)
    sts = user.client("sts")
    wanted = {"RoleArn": role["Arn"], "RoleSessionName": "lesson"}
    assert refusal(sts.assume_role, **wanted)[0] == "AccessDenied"
    made = sts.assume_role(**wanted, ExternalId="42")["Credentials"]
    given = (made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
    assert make_client("kms", "us-east-1", *given).list_keys()["Keys"] == []
    identity = make_client("sts", "us-east-1", *given).get_caller_identity()
    assert identity["Arn"] == f"arn:aws:sts::{account.account_id}:assumed-role/reader/lesson"
    iam.delete_role_policy(RoleName="reader", PolicyName="list")
    assert refusal(make_client("kms", "us-east-1", *given).list_keys)[0] == "AccessDeniedException"
    iam.delete_role(RoleName="reader")
    assert refusal(make_client("kms", "us-east-1", *given).list_keys)[0] == "UnrecognizedClientException"


def test_a_session_token_of_another_key_is_refused(account: TestAccount) -> None:
    sts = account.client("sts")
    one, two = sts.get_session_token()["Credentials"], sts.get_session_token()["Credentials"]
    mixed = make_client("kms", "us-east-1", one["AccessKeyId"], one["SecretAccessKey"], two["SessionToken"])
    assert refusal(mixed.list_keys)[0] == "UnrecognizedClientException"


def test_guessing_a_password_is_slowed(account: TestAccount) -> None:
    where = {"source_ip": "192.0.2.1", "user_agent": "test"}
    for _ in range(signin.ATTEMPTS):
        with pytest.raises(signin.SignInRefused, match="not right"):
            signin.sign_in(account.account_id, "admin", "wrong", **where)
    with pytest.raises(signin.SignInRefused, match="Too many attempts"):
        signin.sign_in(account.account_id, "admin", account.administrator.password, **where)
    assert signin.sign_in(
        account.account_id, "admin", account.administrator.password, source_ip="192.0.2.2", user_agent="test"
    )


def test_a_password_is_checked_for_length_and_never_shown(account: TestAccount) -> None:
    iam = account.client("iam")
    iam.create_user(UserName="ann")
    assert refusal(iam.create_login_profile, UserName="ann", Password="short")[0] == "PasswordPolicyViolation"
    iam.create_login_profile(UserName="ann", Password="long enough")
    assert iam.get_login_profile(UserName="ann")["LoginProfile"]["UserName"] == "ann"


TRUST_S3 = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
)


@pytest.mark.parametrize(
    ("word", "made"), [("user", {}), ("group", {}), ("role", {"AssumeRolePolicyDocument": TRUST_S3})]
)
def test_inline_policies_and_attachments_are_put_shown_listed_and_taken_away(
    account: TestAccount, word: str, made: dict[str, Any]
) -> None:
    iam, who = account.client("iam"), {f"{word.capitalize()}Name": "one"}
    getattr(iam, f"create_{word}")(**who, **made)
    for name in ("b", "a"):
        getattr(iam, f"put_{word}_policy")(**who, PolicyName=name, PolicyDocument=ALLOW_LIST)
    shown = getattr(iam, f"get_{word}_policy")(**who, PolicyName="a")
    assert (shown["PolicyName"], shown["PolicyDocument"]) == ("a", json.loads(ALLOW_LIST))
    assert getattr(iam, f"list_{word}_policies")(**who)["PolicyNames"] == ["a", "b"]
    getattr(iam, f"delete_{word}_policy")(**who, PolicyName="a")
    assert getattr(iam, f"list_{word}_policies")(**who)["PolicyNames"] == ["b"]
    arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    getattr(iam, f"attach_{word}_policy")(**who, PolicyArn=arn)
    listed = getattr(iam, f"list_attached_{word}_policies")
    assert listed(**who)["AttachedPolicies"] == [{"PolicyName": "ReadOnlyAccess", "PolicyArn": arn}]
    getattr(iam, f"detach_{word}_policy")(**who, PolicyArn=arn)
    assert listed(**who)["AttachedPolicies"] == []


def test_a_group_is_renamed_and_shows_its_users(account: TestAccount) -> None:
    iam = account.client("iam")
    iam.create_group(GroupName="readers")
    iam.create_user(UserName="ann")
    iam.add_user_to_group(GroupName="readers", UserName="ann")
    iam.update_group(GroupName="readers", NewGroupName="viewers", NewPath="/staff/")
    shown = iam.get_group(GroupName="viewers")
    assert shown["Group"]["Arn"] == f"arn:aws:iam::{account.account_id}:group/staff/viewers"
    assert [user["UserName"] for user in shown["Users"]] == ["ann"]
    assert [group["GroupName"] for group in iam.list_groups_for_user(UserName="ann")["Groups"]] == ["viewers"]
    assert [group["GroupName"] for group in iam.list_groups(PathPrefix="/staff/")["Groups"]] == ["viewers"]
    iam.update_user(UserName="ann", NewUserName="Ann")
    assert iam.get_user(UserName="ann")["User"]["UserName"] == "Ann"


@pytest.mark.parametrize(
    ("action", "change"),
    [
        ("iam:UpdateUser", {"UserName": "ann", "NewPath": "/admins/"}),
        ("iam:UpdateUser", {"UserName": "ann", "NewUserName": "boss"}),
        ("iam:UpdateGroup", {"GroupName": "readers", "NewPath": "/admins/"}),
    ],
)
def test_who_renames_may_for_the_new_name_too(account: TestAccount, action: str, change: dict[str, str]) -> None:
    iam = account.client("iam")
    iam.create_user(UserName="ann", Path="/team/")
    iam.create_group(GroupName="readers", Path="/team/")
    named = [f"arn:aws:iam::{account.account_id}:{each}" for each in ("user/team/ann*", "group/team/*")]
    statement = {"Effect": "Allow", "Action": action, "Resource": named}
    renames = account.create_user("bob", json.dumps({"Version": "2012-10-17", "Statement": [statement]})).client("iam")
    call = getattr(renames, xform_name(action.partition(":")[2]))
    code, message = refusal(call, **change)
    assert (code, "/admins/" in message or "boss" in message) == ("AccessDenied", True)
    assert renames.update_user(UserName="ann", NewUserName="anna") if action == "iam:UpdateUser" else True


def test_a_roles_trust_is_changed_and_holds_at_once(account: TestAccount) -> None:
    iam, sts = account.client("iam"), account.client("sts")
    arn = iam.create_role(RoleName="app", AssumeRolePolicyDocument=TRUST_S3)["Role"]["Arn"]
    assert refusal(sts.assume_role, RoleArn=arn, RoleSessionName="one")[0] == "AccessDenied"
    trusting = TRUST_S3.replace('{"Service": "s3.amazonaws.com"}', json.dumps({"AWS": account.root_arn}))
    iam.update_assume_role_policy(RoleName="app", PolicyDocument=trusting)
    assert iam.get_role(RoleName="app")["Role"]["AssumeRolePolicyDocument"] == json.loads(trusting)
    assert sts.assume_role(RoleArn=arn, RoleSessionName="one")
    assert refusal(iam.update_assume_role_policy, RoleName="app", PolicyDocument="{")[0] == "MalformedPolicyDocument"


def test_when_an_access_key_was_last_used(account: TestAccount) -> None:
    iam, user = account.client("iam"), account.create_user("ann", ALLOW_LIST)
    never = iam.get_access_key_last_used(AccessKeyId=user.access_key_id)
    assert (never["UserName"], never["AccessKeyLastUsed"]) == ("ann", {"ServiceName": "N/A", "Region": "N/A"})
    user.client().list_keys()
    used = iam.get_access_key_last_used(AccessKeyId=user.access_key_id)["AccessKeyLastUsed"]
    assert (used["ServiceName"], used["Region"]) == ("kms", "us-east-1")


def test_when_a_password_was_last_used_is_shown(account: TestAccount) -> None:
    iam = account.client("iam")
    assert "PasswordLastUsed" not in iam.get_user(UserName="admin")["User"]
    signin.sign_in(
        account.account_id, "admin", account.administrator.password, source_ip="192.0.2.3", user_agent="test"
    )
    assert "PasswordLastUsed" in iam.get_user(UserName="admin")["User"]


def test_a_login_profile_needs_a_password(account: TestAccount) -> None:
    iam = account.client("iam")
    iam.create_user(UserName="ann")
    assert refusal(iam.create_login_profile, UserName="ann") == ("ValidationError", "Password is required.")


def test_a_session_of_an_hour_ends_with_it(account: TestAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    made = account.client("sts").get_session_token(DurationSeconds=900)["Credentials"]
    kms = make_client("kms", "us-east-1", made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
    assert kms.list_keys()["Keys"] == []
    real = clock.real_now
    monkeypatch.setattr(clock, "real_now", lambda: real() + timedelta(seconds=901))
    found = credentials_found(made)
    assert found == "ExpiredTokenException"


def credentials_found(made: dict[str, Any]) -> str:
    """The error that looking up temporary credentials raises (a signature of now would be too old on a moved real clock)."""
    with pytest.raises(AWSError) as reason:
        credentials.find(made["AccessKeyId"], made["SessionToken"])
    return reason.value.code


@pytest.mark.parametrize("token", ["", "AAAA", "no base64!", "AjExMTEyMjIyMzMzMw=="])
def test_a_forged_session_token_is_nobodys(account: TestAccount, token: str) -> None:
    made = account.client("sts").get_session_token()["Credentials"]
    with pytest.raises(AWSError) as reason:
        credentials.find(made["AccessKeyId"], token)
    assert reason.value.code == "UnrecognizedClientException"
