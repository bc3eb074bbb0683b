"""GetAccountAuthorizationDetails: one answer with everything that decides, in pages, for whoever may read it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from engine.iam import starter_policies
from tests.conftest import TestAccount

ALLOW = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:ListKeys", "Resource": "*"}]}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
}
READ_ONLY = "arn:aws:iam::aws:policy/IAMReadOnlyAccess"


@pytest.fixture
def household(account: TestAccount) -> Any:
    """Ann in a group with a policy of her own, a boundary and a tag; a role; a policy of two versions."""
    iam = account.client("iam")
    policy = iam.create_policy(PolicyName="list", PolicyDocument=json.dumps(ALLOW))["Policy"]["Arn"]
    iam.create_policy_version(PolicyArn=policy, PolicyDocument=json.dumps(ALLOW), SetAsDefault=True)
    iam.create_user(UserName="ann", PermissionsBoundary=READ_ONLY, Tags=[{"Key": "team", "Value": "blue"}])
    iam.put_user_policy(UserName="ann", PolicyName="own", PolicyDocument=json.dumps(ALLOW))
    iam.attach_user_policy(UserName="ann", PolicyArn=policy)
    iam.create_group(GroupName="readers")
    iam.add_user_to_group(GroupName="readers", UserName="ann")
    iam.put_group_policy(GroupName="readers", PolicyName="shared", PolicyDocument=json.dumps(ALLOW))
    iam.create_role(RoleName="auditor", Path="/people/", AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.attach_role_policy(RoleName="auditor", PolicyArn=policy)
    return iam


def test_a_user_comes_with_groups_policies_boundary_and_tags(account: TestAccount, household: Any) -> None:
    users = {user["UserName"]: user for user in household.get_account_authorization_details()["UserDetailList"]}
    ann = users["ann"]
    assert ann["Arn"] == f"arn:aws:iam::{account.account_id}:user/ann"
    assert ann["UserId"].startswith("AIDA")
    assert ann["GroupList"] == ["readers"]
    assert ann["UserPolicyList"] == [{"PolicyName": "own", "PolicyDocument": ALLOW}]
    assert ann["AttachedManagedPolicies"] == [
        {"PolicyName": "list", "PolicyArn": f"arn:aws:iam::{account.account_id}:policy/list"}
    ]
    assert ann["PermissionsBoundary"]["PermissionsBoundaryArn"] == READ_ONLY
    assert ann["Tags"] == [{"Key": "team", "Value": "blue"}]


def test_a_group_and_a_role_come_with_their_policies(account: TestAccount, household: Any) -> None:
    answer = household.get_account_authorization_details()
    (group,) = answer["GroupDetailList"]
    assert (group["GroupName"], group["GroupPolicyList"]) == (
        "readers",
        [{"PolicyName": "shared", "PolicyDocument": ALLOW}],
    )
    (role,) = answer["RoleDetailList"]
    assert role["Arn"] == f"arn:aws:iam::{account.account_id}:role/people/auditor"
    assert role["AssumeRolePolicyDocument"] == TRUST
    assert role["AttachedManagedPolicies"][0]["PolicyName"] == "list"
    assert (role["RolePolicyList"], role["InstanceProfileList"]) == ([], [])


def test_policies_come_with_every_version_and_of_awss_only_those_in_use(account: TestAccount, household: Any) -> None:
    listed = household.get_account_authorization_details()["Policies"]
    policies = {each["PolicyName"]: each for each in listed if each["Path"] != starter_policies.PATH}
    assert set(policies) == {"list", "AdministratorAccess", "IAMReadOnlyAccess"}
    assert [(each["VersionId"], each["IsDefaultVersion"]) for each in policies["list"]["PolicyVersionList"]] == [
        ("v2", True),
        ("v1", False),
    ]
    assert policies["list"]["PolicyVersionList"][0]["Document"] == ALLOW
    assert policies["list"]["AttachmentCount"] == 2


@pytest.mark.parametrize(
    ("kind", "member"),
    [("User", "UserDetailList"), ("Group", "GroupDetailList"), ("Role", "RoleDetailList")],
)
def test_a_filter_leaves_the_other_kinds_out(household: Any, kind: str, member: str) -> None:
    answer = household.get_account_authorization_details(Filter=[kind])
    filled = [name for name in ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies") if answer[name]]
    assert filled == [member]


def test_local_and_aws_policies_are_filtered_apart(household: Any) -> None:
    local = household.get_account_authorization_details(Filter=["LocalManagedPolicy"])["Policies"]
    assert [policy["PolicyName"] for policy in local if policy["Path"] != starter_policies.PATH] == ["list"]
    aws = household.get_account_authorization_details(Filter=["AWSManagedPolicy"])["Policies"]
    assert {policy["PolicyName"] for policy in aws} == {"AdministratorAccess", "IAMReadOnlyAccess"}


def test_pages_together_are_the_whole(household: Any) -> None:
    whole = household.get_account_authorization_details()
    pages = list(
        household.get_paginator("get_account_authorization_details").paginate(PaginationConfig={"PageSize": 2})
    )
    assert len(pages) > 2
    for member in ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies"):
        assert [each for page in pages for each in page[member]] == whole[member]


def test_it_needs_its_permission(account: TestAccount) -> None:
    with pytest.raises(ClientError, match="iam:GetAccountAuthorizationDetails"):
        account.create_user("ann").client("iam").get_account_authorization_details()
