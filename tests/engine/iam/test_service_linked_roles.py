"""Service-linked roles: named by their service, changed by nobody, deleted by a task."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from engine.iam import aws_managed, service_linked_roles
from tests.conftest import TestAccount
from tests.engine.iam.test_iam_limits import ALLOW, READ_ONLY, TRUST, refused

AUTOSCALING = "arn:aws:iam::{}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"


@pytest.fixture
def iam(account: TestAccount) -> Any:
    return account.client("iam")


def test_it_has_the_name_the_path_and_the_policy_of_its_service(iam: Any, account: TestAccount) -> None:
    role = iam.create_service_linked_role(AWSServiceName="autoscaling.amazonaws.com", Description="d")["Role"]
    assert role["Arn"] == AUTOSCALING.format(account.account_id)
    principal = role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]
    assert principal == {"Service": ["autoscaling.amazonaws.com"]}
    attached = iam.list_attached_role_policies(RoleName=role["RoleName"])["AttachedPolicies"]
    assert [each["PolicyName"] for each in attached] == ["AutoScalingServiceRolePolicy"]
    assert iam.get_role(RoleName=role["RoleName"])["Role"]["Description"] == "d"
    assert refused(iam.create_service_linked_role, AWSServiceName="autoscaling.amazonaws.com") == (
        "InvalidInput",
        "Service role name AWSServiceRoleForAutoScaling has been taken in this account, please try a different suffix.",
    )


def test_only_some_services_take_a_suffix(iam: Any) -> None:
    made = iam.create_service_linked_role(AWSServiceName="autoscaling.amazonaws.com", CustomSuffix="blue")["Role"]
    assert made["RoleName"] == "AWSServiceRoleForAutoScaling_blue"
    wrong = {"AWSServiceName": "ec2-instance-connect.amazonaws.com", "CustomSuffix": "blue"}
    assert refused(iam.create_service_linked_role, **wrong) == (
        "InvalidInput",
        "Custom suffix is not allowed for ec2-instance-connect.amazonaws.com",
    )
    assert refused(iam.create_service_linked_role, AWSServiceName="nothing.amazonaws.com")[0] == "InvalidInput"


def test_nobody_but_its_service_changes_it(iam: Any) -> None:
    name = iam.create_service_linked_role(AWSServiceName="eks.amazonaws.com")["Role"]["RoleName"]
    expected = (
        "UnmodifiableEntity",
        f"Cannot perform the operation on the protected role '{name}' - this role is only modifiable by AWS",
    )
    policy = "arn:aws:iam::aws:policy/aws-service-role/AmazonEKSServiceRolePolicy"
    for call, more in (
        (iam.delete_role, {}),
        (iam.attach_role_policy, {"PolicyArn": READ_ONLY}),
        (iam.detach_role_policy, {"PolicyArn": policy}),
        (iam.put_role_policy, {"PolicyName": "p", "PolicyDocument": ALLOW}),
        (iam.put_role_permissions_boundary, {"PermissionsBoundary": READ_ONLY}),
        (iam.update_assume_role_policy, {"PolicyDocument": TRUST}),
        (iam.update_role, {"MaxSessionDuration": 7200}),
    ):
        assert refused(call, RoleName=name, **more) == expected
    iam.update_role(RoleName=name, Description="ours")
    iam.tag_role(RoleName=name, Tags=[{"Key": "team", "Value": "blue"}])


def test_it_is_deleted_by_a_task(iam: Any) -> None:
    name = iam.create_service_linked_role(AWSServiceName="eks.amazonaws.com")["Role"]["RoleName"]
    task = iam.delete_service_linked_role(RoleName=name)["DeletionTaskId"]
    assert task.startswith(f"task/aws-service-role/eks.amazonaws.com/{name}/")
    assert iam.get_service_linked_role_deletion_status(DeletionTaskId=task)["Status"] == "SUCCEEDED"
    assert refused(iam.get_role, RoleName=name)[0] == "NoSuchEntity"
    assert refused(iam.get_service_linked_role_deletion_status, DeletionTaskId=f"{task}x")[0] == "NoSuchEntity"
    iam.create_role(RoleName="mine", AssumeRolePolicyDocument=TRUST)
    assert refused(iam.delete_service_linked_role, RoleName="mine")[0] == "NoSuchEntity"


def test_a_role_of_ones_own_is_not_made_under_its_path(iam: Any) -> None:
    path = "/aws-service-role/eks.amazonaws.com/"
    assert refused(iam.create_role, RoleName="r", Path=path, AssumeRolePolicyDocument=TRUST)[0] == "InvalidInput"


def test_a_policy_may_limit_which_services_get_one(account: TestAccount) -> None:
    allow = {
        "Effect": "Allow",
        "Action": "iam:CreateServiceLinkedRole",
        "Resource": "*",
        "Condition": {"StringEquals": {"iam:AWSServiceName": "eks.amazonaws.com"}},
    }
    user = account.create_user("ops", json.dumps({"Version": "2012-10-17", "Statement": [allow]})).client("iam")
    user.create_service_linked_role(AWSServiceName="eks.amazonaws.com")
    with pytest.raises(ClientError, match="not authorized to perform: iam:CreateServiceLinkedRole"):
        user.create_service_linked_role(AWSServiceName="autoscaling.amazonaws.com")


def test_every_policy_that_a_service_linked_role_has_is_there() -> None:
    for linked in service_linked_roles.known().values():
        assert all(aws_managed.find(policy) is not None for policy in linked.policies), linked.service
