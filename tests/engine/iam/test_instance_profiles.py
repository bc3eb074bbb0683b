"""Instance profiles as Terraform and Ansible make them: with one role and tags, and in the way of deleting the role."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import TestAccount
from tests.engine.iam.test_iam_limits import TRUST, refused

TAGS = [{"Key": "team", "Value": "blue"}, {"Key": "app", "Value": "web"}]


@pytest.fixture
def iam(account: TestAccount) -> Any:
    client = account.client("iam")
    client.create_role(RoleName="web", AssumeRolePolicyDocument=TRUST)
    return client


def test_an_instance_profile_is_made_shown_and_listed(iam: Any, account: TestAccount) -> None:
    made = iam.create_instance_profile(InstanceProfileName="web", Path="/apps/", Tags=TAGS)["InstanceProfile"]
    assert made["Arn"] == f"arn:aws:iam::{account.account_id}:instance-profile/apps/web"
    assert (made["Roles"], made["Tags"], made["InstanceProfileId"][:4]) == ([], TAGS, "AIPA")
    assert iam.get_instance_profile(InstanceProfileName="web")["InstanceProfile"] == made
    assert [each["Arn"] for each in iam.list_instance_profiles(PathPrefix="/apps/")["InstanceProfiles"]] == [
        made["Arn"]
    ]
    assert iam.list_instance_profiles(PathPrefix="/other/")["InstanceProfiles"] == []
    assert refused(iam.create_instance_profile, InstanceProfileName="WEB") == (
        "EntityAlreadyExists",
        "Instance Profile WEB already exists.",
    )
    assert iam.get_account_summary()["SummaryMap"]["InstanceProfiles"] == 1


def test_one_without_tags_says_so(iam: Any) -> None:
    assert "Tags" not in iam.create_instance_profile(InstanceProfileName="web")["InstanceProfile"]
    assert iam.get_instance_profile(InstanceProfileName="web")["InstanceProfile"]["Tags"] == []


def test_it_holds_one_role_which_cannot_be_deleted_meanwhile(iam: Any) -> None:
    iam.create_instance_profile(InstanceProfileName="web")
    iam.add_role_to_instance_profile(InstanceProfileName="web", RoleName="web")
    role = iam.get_instance_profile(InstanceProfileName="web")["InstanceProfile"]["Roles"][0]
    assert (role["RoleName"], json.loads(TRUST) == role["AssumeRolePolicyDocument"]) == ("web", True)
    listed = iam.list_instance_profiles_for_role(RoleName="web")["InstanceProfiles"]
    assert [each["InstanceProfileName"] for each in listed] == ["web"]
    details = iam.get_account_authorization_details(Filter=["Role"])["RoleDetailList"]
    assert [len(each["InstanceProfileList"]) for each in details if each["RoleName"] == "web"] == [1]
    conflict = ("DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.")
    assert refused(iam.delete_role, RoleName="web") == conflict
    assert refused(iam.delete_instance_profile, InstanceProfileName="web") == conflict
    assert refused(iam.add_role_to_instance_profile, InstanceProfileName="web", RoleName="web") == (
        "LimitExceeded",
        "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1",
    )
    iam.remove_role_from_instance_profile(InstanceProfileName="web", RoleName="web")
    assert (
        refused(iam.remove_role_from_instance_profile, InstanceProfileName="web", RoleName="web")[0] == "NoSuchEntity"
    )
    iam.delete_instance_profile(InstanceProfileName="web")
    iam.delete_role(RoleName="web")


def test_its_tags_are_changed(iam: Any) -> None:
    iam.create_instance_profile(InstanceProfileName="web", Tags=TAGS)
    iam.tag_instance_profile(InstanceProfileName="web", Tags=[{"Key": "env", "Value": "test"}])
    iam.untag_instance_profile(InstanceProfileName="web", TagKeys=["team"])
    tags = iam.list_instance_profile_tags(InstanceProfileName="web")["Tags"]
    assert tags == [{"Key": "app", "Value": "web"}, {"Key": "env", "Value": "test"}]


def test_who_puts_a_role_into_it_must_be_allowed_to_pass_the_role(iam: Any, account: TestAccount) -> None:
    iam.create_instance_profile(InstanceProfileName="web")
    allow = {"Effect": "Allow", "Action": "iam:AddRoleToInstanceProfile", "Resource": "*"}
    user = account.create_user("ops", json.dumps({"Version": "2012-10-17", "Statement": [allow]})).client("iam")
    with pytest.raises(ClientError, match=r"not authorized to perform: iam:PassRole on resource: .*role/web"):
        user.add_role_to_instance_profile(InstanceProfileName="web", RoleName="web")
    passing = {
        "Effect": "Allow",
        "Action": "iam:PassRole",
        "Resource": "*",
        "Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
    }
    both = json.dumps({"Version": "2012-10-17", "Statement": [allow, passing]})
    iam.put_user_policy(UserName="ops", PolicyName="test", PolicyDocument=both)
    user.add_role_to_instance_profile(InstanceProfileName="web", RoleName="web")
