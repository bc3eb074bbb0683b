"""Show the call of what changes IAM and keys after they are made: each text runs as it is printed, and several calls are one script."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from console import calls as call
from console import terraform
from tests.console.test_call import POLICY, REGION, TRUST
from tests.support import aws_cli
from tests.support.server import ACCOUNT, Server

OTHER = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "kms:*", "Resource": "*"}]})


def prepare(server: Server, name: str) -> dict[str, Any]:
    """What the calls change: a user with an access key, in a group, with a policy attached; a role; a key with an alias and a grant."""
    iam, kms = server.client("iam"), server.client()
    iam.create_user(UserName=name)
    iam.create_group(GroupName=name)
    iam.add_user_to_group(GroupName=name, UserName=name)
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
    arn = iam.create_policy(PolicyName=name, PolicyDocument=POLICY)["Policy"]["Arn"]
    iam.attach_user_policy(UserName=name, PolicyArn=arn)
    iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=POLICY)
    key = kms.create_key(Tags=[{"TagKey": "team", "TagValue": "blue"}])["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=f"alias/{name}", TargetKeyId=key)
    root = f"arn:aws:iam::{ACCOUNT}:root"
    return {
        "arn": arn,
        "access_key": iam.create_access_key(UserName=name)["AccessKey"]["AccessKeyId"],
        "key": key,
        "grant": kms.create_grant(KeyId=key, GranteePrincipal=root, Operations=["Encrypt"])["GrantId"],
    }


def iam_calls(name: str, made: dict[str, Any]) -> list[call.Call]:
    user, role, policy = {"UserName": name}, {"RoleName": name}, {"PolicyArn": made["arn"]}
    return [
        ("CreateLoginProfile", {**user, "Password": "never printed"}),
        ("UpdateLoginProfile", {**user, "Password": "never printed"}),
        ("PutUserPermissionsBoundary", {**user, "PermissionsBoundary": made["arn"]}),
        ("DeleteUserPermissionsBoundary", user),
        ("TagUser", {**user, "Tags": [{"Key": "a b", "Value": "c=d+e"}]}),
        ("TagRole", {**role, "Tags": [{"Key": "team", "Value": "blue"}]}),
        ("UntagRole", {**role, "TagKeys": ["team"]}),
        ("UpdateAccessKey", {**user, "AccessKeyId": made["access_key"], "Status": "Inactive"}),
        ("DeleteAccessKey", {**user, "AccessKeyId": made["access_key"]}),
        ("RemoveUserFromGroup", {"GroupName": name, **user}),
        ("UpdateAssumeRolePolicy", {**role, "PolicyDocument": TRUST}),
        ("UpdateRole", {**role, "Description": "it's \"new\"", "MaxSessionDuration": 7200}),
        ("CreatePolicyVersion", {**policy, "PolicyDocument": OTHER, "SetAsDefault": True}),
        ("DeletePolicyVersion", {**policy, "VersionId": "v1"}),
        ("DetachUserPolicy", {**user, **policy}),
        ("DeleteUserPolicy", {**user, "PolicyName": name}),
        ("DeleteGroup", {"GroupName": name}),
    ]  # fmt: skip


def kms_calls(name: str, made: dict[str, Any]) -> list[call.Call]:
    key = {"KeyId": made["key"]}
    return [
        ("DisableKey", key),
        ("EnableKey", key),
        ("RotateKeyOnDemand", key),
        ("DisableKeyRotation", key),
        ("UntagResource", {**key, "TagKeys": ["team"]}),
        ("RevokeGrant", {**key, "GrantId": made["grant"]}),
        ("DeleteAlias", {"AliasName": f"alias/{name}"}),
        ("ScheduleKeyDeletion", {**key, "PendingWindowInDays": 7}),
        ("CancelKeyDeletion", key),
    ]


def check(server: Server, name: str, made: dict[str, Any]) -> None:
    """Every call has had its effect."""
    iam, kms = server.client("iam"), server.client()
    user, role = iam.get_user(UserName=name)["User"], iam.get_role(RoleName=name)["Role"]
    assert user["Tags"] == [{"Key": "a b", "Value": "c=d+e"}]
    assert "PermissionsBoundary" not in user
    assert (role["Description"], role["MaxSessionDuration"], role.get("Tags", [])) == ('it\'s "new"', 7200, [])
    assert iam.get_login_profile(UserName=name)
    assert iam.list_access_keys(UserName=name)["AccessKeyMetadata"] == []
    assert iam.list_attached_user_policies(UserName=name)["AttachedPolicies"] == []
    assert iam.list_user_policies(UserName=name)["PolicyNames"] == []
    assert [each["VersionId"] for each in iam.list_policy_versions(PolicyArn=made["arn"])["Versions"]] == ["v2"]
    assert name not in [each["GroupName"] for each in iam.list_groups()["Groups"]]
    key = kms.describe_key(KeyId=made["key"])["KeyMetadata"]
    assert key["KeyState"] == "Disabled"
    assert kms.list_resource_tags(KeyId=made["key"])["Tags"] == []
    assert kms.list_grants(KeyId=made["key"])["Grants"] == []
    assert kms.list_aliases(KeyId=made["key"])["Aliases"] == []
    assert len(kms.list_key_rotations(KeyId=made["key"])["Rotations"]) == 1


def run(server: Server, command: list[str], **environment: str) -> None:
    environment = {**server.cli_environment(), "PASSWORD": "it's a & long = $password", **environment}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_http_request_is_accepted_as_printed(server: Server) -> None:
    made = prepare(server, "changes-http")
    lines = [call.http("iam", *each, REGION, server.url) for each in iam_calls("changes-http", made)]
    lines += [call.http("kms", *each, REGION, server.url) for each in kms_calls("changes-http", made)]
    run(server, ["bash", "-c", "set -e\n" + "\n".join(f"{line} --fail-with-body -sS" for line in lines)])
    check(server, "changes-http", made)


def test_a_script_of_several_calls_runs_as_printed(server: Server) -> None:
    made = prepare(server, "changes-boto3")
    for service, calls in (("iam", iam_calls("changes-boto3", made)), ("kms", kms_calls("changes-boto3", made))):
        script = call.boto3_script(service, calls, REGION, server.url)
        assert "never printed" not in script
        run(server, [sys.executable, "-c", script])
    check(server, "changes-boto3", made)


# One of each shape that tests/console/test_call.py has not: a secret, an enum, a boolean with a document, a number, a list, a date far off.
CLI = (
    "CreateLoginProfile",
    "UpdateAccessKey",
    "CreatePolicyVersion",
    "UpdateRole",
    "UntagResource",
    "ScheduleKeyDeletion",
)


@pytest.mark.slow
def test_cli_commands_run_as_printed(server: Server) -> None:
    made = prepare(server, "changes-cli")
    lines = [
        call.cli(service, *each, REGION, server.url)
        for service, calls in (("iam", iam_calls("changes-cli", made)), ("kms", kms_calls("changes-cli", made)))
        for each in calls
        if each[0] in CLI
    ]
    assert len(lines) == len(CLI)
    path = f"{aws_cli.folder()}:/usr/bin:/bin"
    run(server, ["bash", "-c", "set -e\n" + "\n".join(lines)], PATH=path)
    iam, kms = server.client("iam"), server.client()
    assert iam.get_login_profile(UserName="changes-cli")
    assert iam.list_access_keys(UserName="changes-cli")["AccessKeyMetadata"][0]["Status"] == "Inactive"
    assert iam.get_policy(PolicyArn=made["arn"])["Policy"]["DefaultVersionId"] == "v2"
    assert iam.get_role(RoleName="changes-cli")["Role"]["MaxSessionDuration"] == 7200
    assert kms.list_resource_tags(KeyId=made["key"])["Tags"] == []
    assert kms.describe_key(KeyId=made["key"])["KeyMetadata"]["KeyState"] == "PendingDeletion"


def test_what_terraform_does_by_removing_is_said() -> None:
    assert "aws_iam_user" in terraform.absent("iam", [("DeleteUser", {})])
    assert "aws_kms_key.tags" in terraform.absent("kms", [("UntagResource", {})])
    assert terraform.absent("kms", [("GenerateRandom", {})]) == (
        "No resource of Terraform's AWS provider makes this call."
    )
