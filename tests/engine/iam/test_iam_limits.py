"""IAM's limits, conflicts and lists in AWS's words, and the calls Terraform and the CLI make before they delete what they made."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from engine.iam import aws_managed, quotas
from engine.iam.policy import compile_policy
from tests.conftest import TestAccount, make_client

ALLOW = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]})
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
)
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"


def refused(call: Any, **parameters: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as reason:
        call(**parameters)
    error = reason.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.fixture
def iam(account: TestAccount) -> Any:
    """The administrator's IAM client, with a user ann, a group users and a role app."""
    client = account.client("iam")
    client.create_user(UserName="ann")
    client.create_group(GroupName="users")
    client.create_role(RoleName="app", AssumeRolePolicyDocument=TRUST)
    return client


def small(monkeypatch: pytest.MonkeyPatch, name: str, most: int) -> None:
    monkeypatch.setitem(quotas.QUOTAS, name, most)


def test_an_account_has_so_many_users_groups_roles_and_policies(iam: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch, quotas.USERS, 2)
    small(monkeypatch, quotas.GROUPS, 1)
    small(monkeypatch, quotas.ROLES, 1)
    small(monkeypatch, quotas.POLICIES, 5)
    assert refused(iam.create_user, UserName="b") == ("LimitExceeded", "Cannot exceed quota for UsersPerAccount: 2")
    assert refused(iam.create_group, GroupName="b") == ("LimitExceeded", "Cannot exceed quota for GroupsPerAccount: 1")
    assert refused(iam.create_role, RoleName="b", AssumeRolePolicyDocument=TRUST) == (
        "LimitExceeded",
        "Cannot exceed quota for RolesPerAccount: 1",
    )
    assert refused(iam.create_policy, PolicyName="b", PolicyDocument=ALLOW) == (
        "LimitExceeded",
        "Cannot exceed quota for PoliciesPerAccount: 5",
    )


def test_a_user_has_two_access_keys_and_ten_groups(iam: Any) -> None:
    for _ in range(2):
        iam.create_access_key(UserName="ann")
    assert refused(iam.create_access_key, UserName="ann") == (
        "LimitExceeded",
        "Cannot exceed quota for AccessKeysPerUser: 2",
    )
    for number in range(10):
        iam.create_group(GroupName=f"g{number}")
        iam.add_user_to_group(GroupName=f"g{number}", UserName="ann")
    iam.add_user_to_group(GroupName="g0", UserName="ann")
    assert refused(iam.add_user_to_group, GroupName="users", UserName="ann") == (
        "LimitExceeded",
        "Cannot exceed quota for GroupsPerUser: 10",
    )


@pytest.mark.parametrize(("word", "name"), [("user", "ann"), ("group", "users"), ("role", "app")])
def test_ten_managed_policies_are_attached_at_most(iam: Any, word: str, name: str) -> None:
    who = {f"{word.capitalize()}Name": name}
    attach = getattr(iam, f"attach_{word}_policy")
    for number in range(10):
        made = iam.create_policy(PolicyName=f"p{number}", PolicyDocument=ALLOW)["Policy"]["Arn"]
        attach(**who, PolicyArn=made)
    attach(**who, PolicyArn=made)
    limit = f"Cannot exceed quota for PoliciesPer{word.capitalize()}: 10"
    assert refused(attach, **who, PolicyArn=READ_ONLY) == ("LimitExceeded", limit)


@pytest.mark.parametrize(
    ("word", "name", "most"), [("user", "ann", 2048), ("group", "users", 5120), ("role", "app", 10240)]
)
def test_inline_policies_share_their_room(iam: Any, word: str, name: str, most: int) -> None:
    who = {f"{word.capitalize()}Name": name}
    put = getattr(iam, f"put_{word}_policy")
    keys = [f"arn:aws:kms:us-east-1:111122223333:key/{number:036}" for number in range((most // 2 - 100) // 80)]
    half = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": keys}]}, indent=4
    )
    put(**who, PolicyName="one", PolicyDocument=half)
    put(**who, PolicyName="one", PolicyDocument=half)
    put(**who, PolicyName="two", PolicyDocument=half)
    assert refused(put, **who, PolicyName="three", PolicyDocument=half) == (
        "LimitExceeded",
        f"Maximum policy size of {most} bytes exceeded for {word} {name}",
    )


def test_a_managed_policy_has_five_versions(iam: Any) -> None:
    arn = iam.create_policy(PolicyName="p", PolicyDocument=ALLOW)["Policy"]["Arn"]
    for _ in range(4):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=ALLOW)
    assert refused(iam.create_policy_version, PolicyArn=arn, PolicyDocument=ALLOW) == (
        "LimitExceeded",
        "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.",
    )
    assert refused(iam.delete_policy_version, PolicyArn=arn, VersionId="v1") == (
        "DeleteConflict",
        "Cannot delete the default version of a policy.",
    )
    iam.delete_policy_version(PolicyArn=arn, VersionId="v2")
    made = iam.create_policy_version(PolicyArn=arn, PolicyDocument=ALLOW)["PolicyVersion"]
    assert (made["VersionId"], made["IsDefaultVersion"]) == ("v6", False)
    assert [each["VersionId"] for each in iam.list_policy_versions(PolicyArn=arn)["Versions"]] == [
        "v6",
        "v5",
        "v4",
        "v3",
        "v1",
    ]


def test_a_version_that_is_not_there(iam: Any, account: TestAccount) -> None:
    arn = iam.create_policy(PolicyName="p", PolicyDocument=ALLOW)["Policy"]["Arn"]
    nothing = f"arn:aws:iam::{account.account_id}:policy/nothing"
    for call in (iam.get_policy_version, iam.delete_policy_version, iam.set_default_policy_version):
        for wrong, version in ((arn, "v9"), (nothing, "v1")):
            assert refused(call, PolicyArn=wrong, VersionId=version) == (
                "NoSuchEntity",
                f"Policy {wrong} version {version} does not exist or is not attachable.",
            )
    assert refused(iam.get_policy, PolicyArn=nothing) == ("NoSuchEntity", f"Policy {nothing} was not found.")
    assert refused(iam.get_policy_version, PolicyArn=READ_ONLY, VersionId="v141")[0] == "NoSuchEntity"


def test_tags_have_limits(iam: Any) -> None:
    tags = [{"Key": f"k{number}", "Value": "v"} for number in range(50)]
    iam.tag_user(UserName="ann", Tags=tags)
    one = [{"Key": "more", "Value": "v"}]
    assert refused(iam.tag_user, UserName="ann", Tags=one) == (
        "LimitExceeded",
        "The number of tags has reached the maximum limit.",
    )
    iam.untag_user(UserName="ann", TagKeys=["K1"])
    iam.tag_user(UserName="ann", Tags=[{"Key": "K2", "Value": "w"}, *one])
    shown = {each["Key"]: each["Value"] for each in iam.list_user_tags(UserName="ann")["Tags"]}
    assert ("k1" in shown, "k2" in shown, shown["K2"], len(shown)) == (False, False, "w", 50)
    twice = [{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}]
    assert refused(iam.tag_role, RoleName="app", Tags=twice) == (
        "InvalidInput",
        "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
    )
    reserved = [{"Key": "aws:x", "Value": "1"}]
    assert refused(iam.tag_role, RoleName="app", Tags=reserved)[0] == "InvalidInput"


def test_tags_of_a_policy_tell_cases_apart(iam: Any) -> None:
    twice = [{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}]
    arn = iam.create_policy(PolicyName="p", PolicyDocument=ALLOW, Tags=twice)["Policy"]["Arn"]
    assert iam.list_policy_tags(PolicyArn=arn)["Tags"] == twice
    same = [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]
    assert refused(iam.tag_policy, PolicyArn=arn, Tags=same) == ("InvalidInput", "Duplicate tag keys found.")
    iam.tag_policy(PolicyArn=arn, Tags=[{"Key": "a", "Value": "3"}])
    iam.untag_policy(PolicyArn=arn, TagKeys=["A"])
    assert iam.get_policy(PolicyArn=arn)["Policy"]["Tags"] == [{"Key": "a", "Value": "3"}]


TAGGED: list[tuple[str, str, dict[str, Any]]] = [
    ("create_user", "iam:TagUser", {"UserName": "eve"}),
    ("create_role", "iam:TagRole", {"RoleName": "r", "AssumeRolePolicyDocument": TRUST}),
    ("create_policy", "iam:TagPolicy", {"PolicyName": "p", "PolicyDocument": ALLOW}),
    ("create_instance_profile", "iam:TagInstanceProfile", {"InstanceProfileName": "i"}),
    ("create_open_id_connect_provider", "iam:TagOpenIDConnectProvider", {"Url": "https://x.example.com"}),
    ("create_virtual_mfa_device", "iam:TagMFADevice", {"VirtualMFADeviceName": "m"}),
]


@pytest.mark.parametrize(("operation", "action", "parameters"), TAGGED, ids=[row[0] for row in TAGGED])
def test_who_makes_something_with_tags_has_to_be_allowed_to_tag(
    account: TestAccount, operation: str, action: str, parameters: dict[str, Any]
) -> None:
    """As AWS answers CreateRole: "… is not authorized to perform: iam:TagRole on resource: …"."""
    may_make = {"Effect": "Allow", "Action": ["iam:Create*", "iam:Upload*"], "Resource": "*"}
    bob = account.create_user("bob", json.dumps({"Version": "2012-10-17", "Statement": [may_make]}))
    call, tags = getattr(bob.client("iam"), operation), [{"Key": "team", "Value": "blue"}]
    code, words = refused(call, **parameters, Tags=tags)
    assert (code, f"is not authorized to perform: {action} on resource: arn:" in words) == ("AccessDenied", True)
    may_tag = {"Effect": "Allow", "Action": action, "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [may_make, may_tag]})
    account.client("iam").put_user_policy(UserName="bob", PolicyName="test", PolicyDocument=document)
    call(**parameters, Tags=tags)


def test_who_may_change_what_is_bounded_may_change_nothing_else(iam: Any, account: TestAccount) -> None:
    """IAM User Guide, "Delegating responsibility to others using permissions boundaries"."""
    delegated = {
        "Effect": "Allow",
        "Action": ["iam:*RolePolicy", "iam:*UserPolicy", "iam:DeleteRolePermissionsBoundary"],
        "Resource": "*",
        "Condition": {"StringEquals": {"iam:PermissionsBoundary": READ_ONLY}},
    }
    bob = account.create_user("bob", json.dumps({"Version": "2012-10-17", "Statement": [delegated]})).client("iam")
    iam.create_role(RoleName="bounded", AssumeRolePolicyDocument=TRUST, PermissionsBoundary=READ_ONLY)
    for role, may in (("bounded", True), ("app", False)):
        for call, more in (
            (bob.put_role_policy, {"PolicyName": "p", "PolicyDocument": ALLOW}),
            (bob.delete_role_policy, {"PolicyName": "p"}),
            (bob.attach_role_policy, {"PolicyArn": READ_ONLY}),
            (bob.detach_role_policy, {"PolicyArn": READ_ONLY}),
            (bob.delete_role_permissions_boundary, {}),
        ):
            if may:
                call(RoleName=role, **more)
            else:
                assert refused(call, RoleName=role, **more)[0] == "AccessDenied"


def test_tags_asked_for_are_condition_keys(iam: Any, account: TestAccount) -> None:
    only_blue = {
        "Effect": "Allow",
        "Action": ["iam:CreateUser", "iam:TagUser"],
        "Resource": "*",
        "Condition": {
            "StringEquals": {"aws:RequestTag/team": "blue"},
            "ForAllValues:StringEquals": {"aws:TagKeys": ["team"]},
        },
    }
    bob = account.create_user("bob", json.dumps({"Version": "2012-10-17", "Statement": [only_blue]})).client("iam")
    blue, red = ([{"Key": "team", "Value": value}] for value in ("blue", "red"))
    assert refused(bob.create_user, UserName="c")[0] == "AccessDenied"
    assert refused(bob.create_user, UserName="c", Tags=red)[0] == "AccessDenied"
    bob.create_user(UserName="c", Tags=blue)
    bob.tag_user(UserName="ann", Tags=blue)
    more = [*blue, {"Key": "stage", "Value": "one"}]
    assert refused(bob.tag_user, UserName="ann", Tags=more)[0] == "AccessDenied"


# What hangs on a user, group or role, and what IAM says when it is deleted all the same.
CONFLICTS = [
    ("user", "ann", lambda iam: iam.create_access_key(UserName="ann"), "delete access keys first."),
    (
        "user",
        "ann",
        lambda iam: iam.create_login_profile(UserName="ann", Password="long enough"),
        "delete login profile first.",
    ),
    (
        "user",
        "ann",
        lambda iam: iam.add_user_to_group(GroupName="users", UserName="ann"),
        "remove users from group first.",
    ),
    (
        "user",
        "ann",
        lambda iam: iam.attach_user_policy(UserName="ann", PolicyArn=READ_ONLY),
        "detach all policies first.",
    ),
    (
        "user",
        "ann",
        lambda iam: iam.put_user_policy(UserName="ann", PolicyName="p", PolicyDocument=ALLOW),
        "delete policies first.",
    ),
    (
        "group",
        "users",
        lambda iam: iam.add_user_to_group(GroupName="users", UserName="ann"),
        "remove users from group first.",
    ),
    (
        "group",
        "users",
        lambda iam: iam.attach_group_policy(GroupName="users", PolicyArn=READ_ONLY),
        "detach all policies first.",
    ),
    (
        "group",
        "users",
        lambda iam: iam.put_group_policy(GroupName="users", PolicyName="p", PolicyDocument=ALLOW),
        "delete policies first.",
    ),
    (
        "role",
        "app",
        lambda iam: iam.attach_role_policy(RoleName="app", PolicyArn=READ_ONLY),
        "detach all policies first.",
    ),
    (
        "role",
        "app",
        lambda iam: iam.put_role_policy(RoleName="app", PolicyName="p", PolicyDocument=ALLOW),
        "delete policies first.",
    ),
]


@pytest.mark.parametrize(("word", "name", "hang", "words"), CONFLICTS)
def test_nothing_is_deleted_while_something_hangs_on_it(iam: Any, word: str, name: str, hang: Any, words: str) -> None:
    hang(iam)
    delete = getattr(iam, f"delete_{word}")
    assert refused(delete, **{f"{word.capitalize()}Name": name}) == (
        "DeleteConflict",
        f"Cannot delete entity, must {words}",
    )


def test_a_policy_in_use_is_not_deleted(iam: Any) -> None:
    arn = iam.create_policy(PolicyName="p", PolicyDocument=ALLOW)["Policy"]["Arn"]
    iam.attach_user_policy(UserName="ann", PolicyArn=arn)
    attached = ("DeleteConflict", "Cannot delete a policy attached to entities.")
    assert refused(iam.delete_policy, PolicyArn=arn) == attached
    iam.detach_user_policy(UserName="ann", PolicyArn=arn)
    iam.put_role_permissions_boundary(RoleName="app", PermissionsBoundary=arn)
    assert refused(iam.delete_policy, PolicyArn=arn) == attached
    iam.delete_role_permissions_boundary(RoleName="app")
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=ALLOW)
    code, words = refused(iam.delete_policy, PolicyArn=arn)
    assert (code, words.startswith("This policy has more than one version.")) == ("DeleteConflict", True)
    iam.delete_policy_version(PolicyArn=arn, VersionId="v2")
    iam.delete_policy(PolicyArn=arn)


@pytest.mark.parametrize(
    ("operation", "parameters", "words"),
    [
        ("create_user", {"UserName": "ANN"}, "User with name ANN already exists."),
        ("create_group", {"GroupName": "users"}, "Group with name users already exists."),
        ("create_role", {"RoleName": "app", "AssumeRolePolicyDocument": TRUST}, "Role with name app already exists."),
        (
            "create_policy",
            {"PolicyName": "KeyStudent", "PolicyDocument": ALLOW},
            "A policy called KeyStudent already exists. Duplicate names are not allowed.",
        ),
        ("update_user", {"UserName": "ann", "NewUserName": "BOB"}, "User with name BOB already exists."),
    ],
)
def test_a_name_is_given_once(iam: Any, operation: str, parameters: dict[str, Any], words: str) -> None:
    iam.create_user(UserName="bob")
    assert refused(getattr(iam, operation), **parameters) == ("EntityAlreadyExists", words)


NOTHING = "nothing"
MISSING: list[tuple[str, dict[str, Any], str]] = [
    ("get_user", {"UserName": NOTHING}, "The user with name nothing cannot be found."),
    ("update_user", {"UserName": NOTHING}, "The user with name nothing cannot be found."),
    ("get_group", {"GroupName": NOTHING}, "The group with name nothing cannot be found."),
    ("get_role", {"RoleName": NOTHING}, "The role with name nothing cannot be found."),
    ("list_user_tags", {"UserName": NOTHING}, "The user with name nothing cannot be found."),
    (
        "put_role_policy",
        {"RoleName": NOTHING, "PolicyName": "p", "PolicyDocument": ALLOW},
        "The role with name nothing cannot be found.",
    ),
    (
        "get_user_policy",
        {"UserName": "ann", "PolicyName": NOTHING},
        "The user policy with name nothing cannot be found.",
    ),
    (
        "delete_group_policy",
        {"GroupName": "users", "PolicyName": NOTHING},
        "The group policy with name nothing cannot be found.",
    ),
    ("add_user_to_group", {"GroupName": "users", "UserName": NOTHING}, "The user with name nothing cannot be found."),
    (
        "remove_user_from_group",
        {"GroupName": "users", "UserName": NOTHING},
        "The user with name nothing cannot be found.",
    ),
    ("detach_user_policy", {"UserName": "ann", "PolicyArn": READ_ONLY}, f"Policy {READ_ONLY} was not found."),
    (
        "attach_user_policy",
        {"UserName": "ann", "PolicyArn": "arn:aws:iam::aws:policy/Nothing"},
        "Policy arn:aws:iam::aws:policy/Nothing does not exist or is not attachable.",
    ),
    (
        "put_user_permissions_boundary",
        {"UserName": "ann", "PermissionsBoundary": "arn:aws:iam::aws:policy/Nothing"},
        "Scope ARN: arn:aws:iam::aws:policy/Nothing does not exist or is not attachable.",
    ),
    ("get_login_profile", {"UserName": "ann"}, "Login Profile for User ann cannot be found."),
    ("delete_login_profile", {"UserName": "ann"}, "Login Profile for User ann cannot be found."),
    (
        "update_access_key",
        {"UserName": "ann", "AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "Status": "Active"},
        "The Access Key with id AKIAIOSFODNN7EXAMPLE cannot be found.",
    ),
    (
        "delete_access_key",
        {"UserName": "ann", "AccessKeyId": "AKIAIOSFODNN7EXAMPLE"},
        "The Access Key with id AKIAIOSFODNN7EXAMPLE cannot be found.",
    ),
    ("delete_account_alias", {"AccountAlias": "nothing"}, "The account alias nothing cannot be found."),
    ("get_account_password_policy", {}, "The Password Policy with domain name ACCOUNT cannot be found."),
    ("delete_account_password_policy", {}, "The account policy with name PasswordPolicy cannot be found."),
    ("get_instance_profile", {"InstanceProfileName": "web"}, "Instance Profile web cannot be found."),
]


@pytest.mark.parametrize(("operation", "parameters", "words"), MISSING, ids=[row[0] for row in MISSING])
def test_what_is_not_there_is_told_in_iams_words(
    iam: Any, account: TestAccount, operation: str, parameters: dict[str, Any], words: str
) -> None:
    expected = words.replace("ACCOUNT", account.account_id)
    assert refused(getattr(iam, operation), **parameters) == ("NoSuchEntity", expected)


def test_a_service_linked_roles_policy_is_attached_to_nothing_else(iam: Any) -> None:
    policy = "arn:aws:iam::aws:policy/aws-service-role/AWSSupportServiceRolePolicy"
    assert refused(iam.attach_role_policy, RoleName="app", PolicyArn=policy) == (
        "PolicyNotAttachable",
        "Cannot attach a Service Role Policy to a Customer Role.",
    )
    assert refused(iam.attach_user_policy, UserName="ann", PolicyArn=policy)[0] == "PolicyNotAttachable"
    assert refused(iam.attach_group_policy, GroupName="users", PolicyArn=policy)[0] == "PolicyNotAttachable"
    assert refused(iam.put_user_permissions_boundary, UserName="ann", PermissionsBoundary=policy)[0] == (
        "PolicyNotAttachable"
    )


@pytest.mark.parametrize("arn", ["arn:aws:iam::111122223333:not_a_policy/x", "not an arn of any kind"])
def test_what_is_no_policys_arn_is_invalid(iam: Any, arn: str) -> None:
    expected = ("InvalidInput", f"ARN {arn} is not valid.")
    assert refused(iam.put_user_permissions_boundary, UserName="ann", PermissionsBoundary=arn) == expected
    assert refused(iam.create_role, RoleName="r", AssumeRolePolicyDocument=TRUST, PermissionsBoundary=arn) == expected


def test_what_is_no_arn_cannot_be_attached(iam: Any) -> None:
    expected = ("ValidationError", "Invalid ARN:  Could not be parsed!")
    wrong = "longpolicynamebutnoarn"
    assert refused(iam.attach_user_policy, UserName="ann", PolicyArn=wrong) == expected
    assert refused(iam.attach_group_policy, GroupName="users", PolicyArn=wrong) == expected
    assert refused(iam.attach_role_policy, RoleName="app", PolicyArn=wrong) == expected


def test_who_is_not_in_a_group_is_removed_all_the_same(iam: Any) -> None:
    iam.remove_user_from_group(GroupName="users", UserName="ann")


def test_tags_are_listed_in_the_order_in_which_they_were_given(iam: Any) -> None:
    given = [{"Key": name, "Value": "v"} for name in ("zone", "app", "mode")]
    assert iam.create_user(UserName="bob", Tags=given)["User"]["Tags"] == given
    assert iam.list_user_tags(UserName="bob")["Tags"] == given
    iam.tag_user(UserName="bob", Tags=[{"Key": "first", "Value": "v"}])
    assert [tag["Key"] for tag in iam.get_user(UserName="bob")["User"]["Tags"]] == ["zone", "app", "mode", "first"]


def test_an_access_key_that_is_not_there_is_denied(iam: Any, account: TestAccount) -> None:
    assert refused(iam.get_access_key_last_used, AccessKeyId="AKIAIOSFODNN7EXAMPLE") == (
        "AccessDenied",
        f"User: {account.administrator.arn} is not authorized to perform iam:GetAccessKeyLastUsed "
        "on resource: access key AKIAIOSFODNN7EXAMPLE",
    )


# What Terraform asks before it deletes a user with force_destroy, or a role: truly empty lists.
EMPTY = [
    ("list_mfa_devices", {"UserName": "ann"}, "MFADevices"),
    ("list_ssh_public_keys", {"UserName": "ann"}, "SSHPublicKeys"),
    ("list_signing_certificates", {"UserName": "ann"}, "Certificates"),
    ("list_service_specific_credentials", {"UserName": "ann"}, "ServiceSpecificCredentials"),
    ("list_virtual_mfa_devices", {"AssignmentStatus": "Assigned"}, "VirtualMFADevices"),
    ("list_instance_profiles", {}, "InstanceProfiles"),
    ("list_instance_profiles_for_role", {"RoleName": "app"}, "InstanceProfiles"),
    ("list_server_certificates", {}, "ServerCertificateMetadataList"),
    ("list_saml_providers", {}, "SAMLProviderList"),
    ("list_open_id_connect_providers", {}, "OpenIDConnectProviderList"),
]


@pytest.mark.parametrize(("operation", "parameters", "member"), EMPTY, ids=[row[0] for row in EMPTY])
def test_there_are_none(
    iam: Any, account: TestAccount, operation: str, parameters: dict[str, Any], member: str
) -> None:
    assert getattr(iam, operation)(**parameters)[member] == []
    stranger = account.create_user("stranger").client("iam")
    assert refused(getattr(stranger, operation), **parameters)[0] == "AccessDenied"
    if "UserName" in parameters:
        assert refused(getattr(iam, operation), UserName=NOTHING)[0] == "NoSuchEntity"


def test_a_role_is_shown_as_each_operation_shows_it(iam: Any) -> None:
    made = iam.create_role(
        RoleName="r",
        AssumeRolePolicyDocument=TRUST,
        Description="d",
        PermissionsBoundary=READ_ONLY,
        Tags=[{"Key": "a", "Value": "b"}],
    )["Role"]
    assert ("Description" in made, "MaxSessionDuration" in made, "Tags" in made) == (False, False, True)
    got = iam.get_role(RoleName="r")["Role"]
    assert (got["Description"], got["MaxSessionDuration"], got["RoleLastUsed"]) == ("d", 3600, {})
    listed = next(each for each in iam.list_roles()["Roles"] if each["RoleName"] == "r")
    assert ("PermissionsBoundary" in listed, "Tags" in listed, listed["Description"]) == (False, False, "d")
    iam.update_role(RoleName="r", MaxSessionDuration=7200)
    assert iam.update_role_description(RoleName="r", Description="e")["Role"]["Description"] == "e"
    assert iam.get_role(RoleName="r")["Role"]["MaxSessionDuration"] == 7200
    assert "Description" not in iam.get_role(RoleName="app")["Role"]


def test_a_policy_is_shown_as_each_operation_shows_it(iam: Any) -> None:
    made = iam.create_policy(PolicyName="p", PolicyDocument=ALLOW, Description="d")["Policy"]
    assert ("Description" in made, "Tags" in made) == (False, False)
    got = iam.get_policy(PolicyArn=made["Arn"])["Policy"]
    assert (got["Description"], got["Tags"]) == ("d", [])
    listed = next(each for each in iam.list_policies(Scope="Local")["Policies"] if each["PolicyName"] == "p")
    assert "Description" not in listed


def test_awss_policies_are_as_published(iam: Any) -> None:
    own = iam.get_policy(PolicyArn="arn:aws:iam::aws:policy/IAMUserChangePassword")["Policy"]
    assert (own["DefaultVersionId"], own["PolicyId"], own["Path"]) == ("v5", "ANPAJ4L4MM2A7QIEB56MS", "/")
    version = iam.get_policy_version(PolicyArn=own["Arn"], VersionId="v5")["PolicyVersion"]
    assert version["Document"]["Statement"][0]["Action"] == ["iam:ChangePassword"]
    versions = iam.list_policy_versions(PolicyArn=own["Arn"])["Versions"]
    assert [(each["VersionId"], each["IsDefaultVersion"]) for each in versions][:2] == [("v5", True), ("v4", False)]
    first = iam.get_policy_version(PolicyArn=own["Arn"], VersionId="v1")["PolicyVersion"]
    assert (first["IsDefaultVersion"], first["CreateDate"].year) == (False, 2016)
    with pytest.raises(ClientError, match="version v99 does not exist"):
        iam.get_policy_version(PolicyArn=own["Arn"], VersionId="v99")
    names = {each["PolicyName"] for each in iam.list_policies(Scope="AWS", PathPrefix="/job-function/")["Policies"]}
    assert names >= {"ViewOnlyAccess", "Billing", "DatabaseAdministrator", "SupportUser"}


def test_every_policy_of_aws_is_there_in_pages(iam: Any) -> None:
    pages = list(iam.get_paginator("list_policies").paginate(Scope="AWS", PaginationConfig={"PageSize": 1000}))
    assert len(pages[0]["Policies"]) == 1000
    listed = {each["Arn"]: each for page in pages for each in page["Policies"]}
    assert len(listed) > 1500
    ids = {each["PolicyId"] for each in listed.values()}
    assert len(ids) == len(listed)
    assert all(len(each) == 21 for each in ids)
    for name in ("service-role/AWSLambdaBasicExecutionRole", "AmazonS3ReadOnlyAccess", "AmazonEKSClusterPolicy"):
        assert listed[f"arn:aws:iam::aws:policy/{name}"]["IsAttachable"]


def test_every_document_of_aws_is_a_policy_that_can_decide() -> None:
    for published in aws_managed.every():
        compiled = compile_policy(published.document, name=published.name, kind="identity")
        assert compiled.statements, published.arn


def test_an_attached_policy_of_aws_decides(account: TestAccount) -> None:
    user = account.create_user("reader")
    account.client("iam").attach_user_policy(
        UserName="reader", PolicyArn="arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"
    )
    key = account.client().create_key()["KeyMetadata"]["KeyId"]
    assert user.client().describe_key(KeyId=key)["KeyMetadata"]["KeyId"] == key
    with pytest.raises(ClientError, match="not authorized to perform: kms:GetKeyPolicy"):
        user.client().get_key_policy(KeyId=key)


def test_policies_are_listed_by_their_use(iam: Any) -> None:
    iam.attach_user_policy(UserName="ann", PolicyArn=READ_ONLY)
    iam.put_role_permissions_boundary(RoleName="app", PermissionsBoundary="arn:aws:iam::aws:policy/PowerUserAccess")

    def names(**wanted: Any) -> set[str]:
        return {each["PolicyName"] for each in iam.list_policies(Scope="AWS", **wanted)["Policies"]}

    assert names(OnlyAttached=True) == {"AdministratorAccess", "ReadOnlyAccess", "PowerUserAccess"}
    assert names(PolicyUsageFilter="PermissionsPolicy") == {"AdministratorAccess", "ReadOnlyAccess"}
    assert names(PolicyUsageFilter="PermissionsBoundary") == {"PowerUserAccess"}


def test_who_uses_a_policy_is_listed_in_pages(iam: Any) -> None:
    iam.attach_user_policy(UserName="ann", PolicyArn=READ_ONLY)
    iam.attach_group_policy(GroupName="users", PolicyArn=READ_ONLY)
    iam.put_role_permissions_boundary(RoleName="app", PermissionsBoundary=READ_ONLY)

    def found(**wanted: Any) -> list[str]:
        pages = iam.get_paginator("list_entities_for_policy").paginate(PolicyArn=READ_ONLY, **wanted)
        members = ("PolicyGroups", "PolicyUsers", "PolicyRoles")
        return [next(iter(each.values())) for page in pages for member in members for each in page[member]]

    assert found() == ["users", "ann", "app"]
    assert found(PaginationConfig={"PageSize": 1}) == ["users", "ann", "app"]
    assert found(EntityFilter="User") == ["ann"]
    assert found(PolicyUsageFilter="PermissionsBoundary") == ["app"]
    assert found(PolicyUsageFilter="PermissionsPolicy") == ["users", "ann"]
    assert found(PathPrefix="/nowhere/") == []


def test_lists_come_in_pages_and_by_path(iam: Any) -> None:
    for number in range(5):
        iam.create_user(UserName=f"u{number}", Path="/staff/" if number % 2 else "/staff/night/")
    pages = list(iam.get_paginator("list_users").paginate(PathPrefix="/staff/", PaginationConfig={"PageSize": 2}))
    assert [[each["UserName"] for each in page["Users"]] for page in pages] == [["u0", "u1"], ["u2", "u3"], ["u4"]]
    night = iam.list_users(PathPrefix="/staff/night/")["Users"]
    assert [each["UserName"] for each in night] == ["u0", "u2", "u4"]
    assert iam.list_users(PathPrefix="/nowhere/")["Users"] == []
    assert refused(iam.list_users, Marker="nonsense") == ("ValidationError", "Invalid Marker: nonsense")


def test_the_account_summary_counts_and_tells_quotas(iam: Any) -> None:
    summary = iam.get_account_summary()["SummaryMap"]
    counted = {
        name: summary[name] for name in ("Users", "Groups", "Roles", "Policies", "PolicyVersionsInUse", "MFADevices")
    }
    assert counted == {"Users": 2, "Groups": 1, "Roles": 1, "Policies": 6, "PolicyVersionsInUse": 6, "MFADevices": 0}
    told = {
        name: summary[name]
        for name in ("UsersQuota", "PolicySizeQuota", "RolePolicySizeQuota", "VersionsPerPolicyQuota")
    }
    assert told == {
        "UsersQuota": 5000,
        "PolicySizeQuota": 6144,
        "RolePolicySizeQuota": 10240,
        "VersionsPerPolicyQuota": 5,
    }
    assert summary["GlobalEndpointTokenVersion"] == 1
    iam.set_security_token_service_preferences(GlobalEndpointTokenVersion="v2Token")
    assert iam.get_account_summary()["SummaryMap"]["GlobalEndpointTokenVersion"] == 2
    unknown = refused(iam.set_security_token_service_preferences, GlobalEndpointTokenVersion="v3Token")
    assert unknown[0] == "ValidationError"


def test_an_account_has_one_alias(iam: Any, other_account: TestAccount) -> None:
    iam.create_account_alias(AccountAlias="blue-class")
    assert iam.list_account_aliases()["AccountAliases"] == ["blue-class"]
    taken = refused(other_account.client("iam").create_account_alias, AccountAlias="blue-class")
    assert taken == ("EntityAlreadyExists", "The account alias blue-class already exists.")
    iam.delete_account_alias(AccountAlias="blue-class")
    assert iam.list_account_aliases()["AccountAliases"] == []


def test_a_user_changes_its_password_with_the_old_one(iam: Any, account: TestAccount) -> None:
    bob = account.create_user("bob")
    iam.attach_user_policy(UserName="bob", PolicyArn="arn:aws:iam::aws:policy/IAMUserChangePassword")
    iam.create_login_profile(UserName="bob", Password="long enough", PasswordResetRequired=True)
    duplicate = refused(iam.create_login_profile, UserName="bob", Password="long enough")
    assert duplicate == ("EntityAlreadyExists", "Login Profile for user bob already exists.")
    own = bob.client("iam")
    wrong = {"OldPassword": "not it", "NewPassword": "also long enough"}
    assert refused(own.change_password, **wrong) == ("AccessDenied", "The old password was incorrect.")
    short = {"OldPassword": "long enough", "NewPassword": "short"}
    assert refused(own.change_password, **short)[0] == "PasswordPolicyViolation"
    own.change_password(OldPassword="long enough", NewPassword="also long enough")
    assert iam.get_login_profile(UserName="bob")["LoginProfile"]["PasswordResetRequired"] is False
    iam.update_login_profile(UserName="bob", PasswordResetRequired=True)
    assert iam.get_login_profile(UserName="bob")["LoginProfile"]["PasswordResetRequired"] is True
    iam.update_login_profile(UserName="bob", Password="quite another one")
    own.change_password(OldPassword="quite another one", NewPassword="and another one")


def test_without_a_name_a_user_is_itself_and_a_session_of_a_role_nobody(iam: Any, account: TestAccount) -> None:
    assert iam.get_user()["User"]["UserName"] == "admin"
    assert len(iam.list_access_keys()["AccessKeyMetadata"]) == 1
    trust = TRUST.replace('{"Service": "s3.amazonaws.com"}', json.dumps({"AWS": account.root_arn}))
    arn = iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.attach_role_policy(RoleName="r", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    made = account.client("sts").assume_role(RoleArn=arn, RoleSessionName="one")["Credentials"]
    session = make_client("iam", "us-east-1", made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
    for call in (session.get_user, session.list_access_keys, session.create_access_key):
        assert refused(call) == ("ValidationError", "Must specify userName when calling with non-User credentials")


def test_the_credential_report_has_a_line_for_every_user(iam: Any, account: TestAccount) -> None:
    assert refused(iam.get_credential_report)[0] == "ReportNotPresent"
    iam.create_login_profile(UserName="ann", Password="long enough")
    first = iam.create_access_key(UserName="ann")["AccessKey"]["AccessKeyId"]
    iam.create_access_key(UserName="ann")
    iam.update_access_key(UserName="ann", AccessKeyId=first, Status="Inactive")
    assert iam.generate_credential_report()["State"] == "COMPLETE"
    report = iam.get_credential_report()
    assert report["ReportFormat"] == "text/csv"
    lines = {line["user"]: line for line in csv.DictReader(io.StringIO(report["Content"].decode()))}
    assert set(lines) == {"<root_account>", "admin", "ann"}
    ann, admin = lines["ann"], lines["admin"]
    assert (ann["password_enabled"], ann["mfa_active"], ann["access_key_1_last_used_service"]) == (
        "true",
        "false",
        "N/A",
    )
    assert sorted((ann["access_key_1_active"], ann["access_key_2_active"])) == ["false", "true"]
    assert (admin["access_key_1_active"], admin["access_key_1_last_used_service"]) == ("true", "iam")
    assert admin["access_key_2_active"] == "false"


def test_a_credential_report_is_kept_four_hours(iam: Any, account: TestAccount) -> None:
    iam.generate_credential_report()
    made = iam.get_credential_report()["GeneratedTime"]
    iam.create_user(UserName="new")
    account.move_clock(hours=3)
    iam.generate_credential_report()
    assert iam.get_credential_report()["GeneratedTime"] == made
    assert b"new" not in iam.get_credential_report()["Content"]
    account.move_clock(hours=2)
    assert refused(iam.get_credential_report)[0] == "ReportExpired"
    iam.generate_credential_report()
    assert b"new" in iam.get_credential_report()["Content"]
