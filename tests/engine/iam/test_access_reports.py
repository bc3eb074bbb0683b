"""Last accessed information, from the record: which services and actions of those that policies allow were used, when and by whom."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import TestAccount, make_client
from tests.engine.iam.test_iam_limits import TRUST, refused


def allow(*actions: str) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]})


@pytest.fixture
def iam(account: TestAccount) -> Any:
    return account.client("iam")


def report(iam: Any, arn: str, granularity: str = "ACTION_LEVEL") -> dict[str, Any]:
    job = iam.generate_service_last_accessed_details(Arn=arn, Granularity=granularity)["JobId"]
    found: dict[str, Any] = iam.get_service_last_accessed_details(JobId=job)
    return {**found, "JobId": job}


def test_a_users_used_and_unused_actions_are_told_apart(iam: Any, account: TestAccount) -> None:
    ann = account.create_user("ann", allow("kms:ListKeys", "kms:ListAliases", "s3:*"))
    ann.client().list_keys()
    account.create_user("bob", allow("kms:*")).client().list_aliases()
    found = report(iam, ann.arn)
    assert (found["JobStatus"], found["JobType"], found["IsTruncated"]) == ("COMPLETED", "ACTION_LEVEL", False)
    kms, s3 = found["ServicesLastAccessed"]
    assert (kms["ServiceNamespace"], kms["ServiceName"]) == ("kms", "AWS Key Management Service")
    assert (kms["LastAuthenticatedEntity"], kms["TotalAuthenticatedEntities"]) == (ann.arn, 1)
    assert (s3["ServiceNamespace"], s3["TotalAuthenticatedEntities"]) == ("s3", 0)
    assert "LastAuthenticated" not in s3
    actions = {each["ActionName"]: each for each in kms["TrackedActionsLastAccessed"]}
    assert set(actions) == {"ListKeys", "ListAliases"}
    assert actions["ListKeys"]["LastAccessedEntity"] == ann.arn
    assert actions["ListAliases"] == {"ActionName": "ListAliases"}


def test_a_roles_sessions_are_its_uses(iam: Any, account: TestAccount) -> None:
    trust = json.loads(TRUST)
    trust["Statement"][0]["Principal"] = {"AWS": account.root_arn}
    role = iam.create_role(RoleName="app", AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    iam.put_role_policy(RoleName="app", PolicyName="p", PolicyDocument=allow("kms:ListKeys"))
    made = account.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="one")["Credentials"]
    make_client("kms", "us-east-1", made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"]).list_keys()
    (kms,) = report(iam, role["Arn"])["ServicesLastAccessed"]
    assert (kms["LastAuthenticatedEntity"], kms["LastAuthenticatedRegion"]) == (role["Arn"], "us-east-1")


def test_a_policys_users_are_named_with_their_last_use(iam: Any, account: TestAccount) -> None:
    arn = iam.create_policy(PolicyName="list", PolicyDocument=allow("kms:ListKeys"))["Policy"]["Arn"]
    users = {each: account.create_user(each) for each in ("ann", "bob", "eve")}
    iam.create_group(GroupName="all")
    iam.attach_group_policy(GroupName="all", PolicyArn=arn)
    for each in users:
        iam.add_user_to_group(GroupName="all", UserName=each)
    users["ann"].client().list_keys()
    users["bob"].client().list_keys()
    found = report(iam, arn, "SERVICE_LEVEL")
    (kms,) = found["ServicesLastAccessed"]
    assert (kms["TotalAuthenticatedEntities"], "TrackedActionsLastAccessed" in kms) == (2, False)
    listed = iam.get_service_last_accessed_details_with_entities(JobId=found["JobId"], ServiceNamespace="kms")
    assert {each["EntityInfo"]["Name"] for each in listed["EntityDetailsList"]} == {"ann", "bob"}
    granting = iam.list_policies_granting_service_access(Arn=users["ann"].arn, ServiceNamespaces=["kms", "s3"])
    assert granting["PoliciesGrantingServiceAccess"] == [
        {
            "ServiceNamespace": "kms",
            "Policies": [{"PolicyName": "list", "PolicyType": "MANAGED", "PolicyArn": arn}],
        },
        {"ServiceNamespace": "s3", "Policies": []},
    ]


def test_what_cannot_be_reported_is_refused(iam: Any, account: TestAccount) -> None:
    absent = f"arn:aws:iam::{account.account_id}:user/absent"
    job = "00000000-0000-4000-8000-000000000000"
    assert refused(iam.generate_service_last_accessed_details, Arn=absent)[0] == "NoSuchEntity"
    assert refused(iam.generate_service_last_accessed_details, Arn="arn:aws:s3:::some-bucket")[0] == "InvalidInput"
    assert refused(iam.get_service_last_accessed_details, JobId=job)[0] == "NoSuchEntity"
    assert refused(iam.list_organizations_features)[0] == "OrganizationNotFoundException"  # scanners ask it first
    assert refused(iam.enable_organizations_root_sessions)[0] == "OrganizationNotFoundException"
    path = "o-a1b2c3d4e5/r-f6g7/ou-f6g7-h8i9j0k1"
    assert refused(iam.generate_organizations_access_report, EntityPath=path) == (
        "AccessDenied",
        "Your account is not the management account of an organization.",
    )
