"""Last accessed advice: what was not used, and a policy tightened to what was."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.test import Client

from principals.last_accessed.tighten import tightened
from tests.conftest import TestAccount
from tests.support.answers import text

PAGE = "/principals/users/ann/last-accessed/"


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(*actions: str, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": "*", **more}


def test_the_page_tells_what_was_not_used_and_tightens_the_policy(account: TestAccount, signed_in: Client) -> None:
    ann = account.create_user("ann", json.dumps(document(allow("kms:ListKeys", "kms:ListAliases", "s3:GetObject"))))
    ann.client().list_keys()
    assert "Generate the report" in text(signed_in.get(PAGE))
    address = signed_in.post(PAGE, {"generate": "1"})["Location"]
    page = text(signed_in.get(address))
    assert "1 permission was not used in 90 days" in page
    assert "AWS Key Management Service" in page
    given = {"job": address.partition("job=")[2], "tighten": "inline:test"}
    review = signed_in.post(PAGE, {**given, "review": "1", "preview": "1"})["Location"]
    shown = text(signed_in.get(review))
    assert "PutUserPolicy" in shown
    assert "Nobody else is concerned" in shown
    assert re.search(r"- +\S*kms:ListAliases", shown)
    assert signed_in.post(PAGE, given)["Location"] == "/principals/users/ann/"
    left = account.client("iam").get_user_policy(UserName="ann", PolicyName="test")["PolicyDocument"]
    assert left == document(allow("kms:ListKeys", "s3:GetObject"))


def test_of_a_managed_policy_only_what_nobody_used_is_taken(account: TestAccount, signed_in: Client) -> None:
    iam = account.client("iam")
    ann, bob = account.create_user("ann"), account.create_user("bob")
    written = json.dumps(document(allow("kms:ListKeys", "kms:ListAliases", "kms:GenerateRandom")))
    arn = iam.create_policy(PolicyName="shared", PolicyDocument=written)["Policy"]["Arn"]
    for _ in range(4):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=written)
    iam.create_group(GroupName="team")
    iam.add_user_to_group(GroupName="team", UserName="bob")
    iam.attach_user_policy(UserName="ann", PolicyArn=arn)
    iam.attach_group_policy(GroupName="team", PolicyArn=arn)
    ann.client().list_keys()
    bob.client().list_aliases()
    address = signed_in.post(PAGE, {"generate": "1"})["Location"]
    page = text(signed_in.get(address))
    assert "shared, a managed policy, allows 2 of them" in page
    assert "1 other has it" in page
    given = {"job": address.partition("job=")[2], "tighten": arn, "review": "1", "preview": "1"}
    review = signed_in.post(PAGE, given)["Location"]
    shown = text(signed_in.get(review))
    assert "Take 1 permission from shared?" in shown
    assert "group team" in shown
    hidden = dict(re.findall(r'name="(job|tighten)" value="([^"]*)"', signed_in.get(review).content.decode()))
    signed_in.post(PAGE, hidden)
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    left = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    assert left == document(allow("kms:ListKeys", "kms:ListAliases"))
    assert len(iam.list_policy_versions(PolicyArn=arn)["Versions"]) == 5


def test_groups_and_roles_have_the_page(account: TestAccount, signed_in: Client) -> None:
    iam = account.client("iam")
    trust = document({"Effect": "Allow", "Principal": {"AWS": account.root_arn}, "Action": "sts:AssumeRole"})
    iam.create_role(RoleName="app", AssumeRolePolicyDocument=json.dumps(trust))
    address = signed_in.post("/principals/roles/app/last-accessed/", {"generate": "1"})["Location"]
    assert "The policies allow nothing." in text(signed_in.get(address))
    iam.create_group(GroupName="team")
    iam.put_group_policy(GroupName="team", PolicyName="own", PolicyDocument=json.dumps(document(allow("kms:ListKeys"))))
    account.create_user("bob")
    iam.add_user_to_group(GroupName="team", UserName="bob")
    page = "/principals/groups/team/last-accessed/"
    address = signed_in.post(page, {"generate": "1"})["Location"]
    given = {"job": address.partition("job=")[2], "tighten": "inline:own", "review": "1"}
    shown = text(signed_in.get(signed_in.post(page, given)["Location"]))
    assert "DeleteGroupPolicy" in shown
    assert "own is deleted" in shown
    assert "user bob" in shown
    assert signed_in.get("/principals/accounts/all/last-accessed/").status_code == 404
    assert signed_in.get("/principals/users/nobody/last-accessed/").status_code == 404


@pytest.mark.parametrize(
    ("before", "after", "removed"),
    [
        (document(allow("kms:List*")), document(allow("kms:ListKeys")), 6),
        (document(allow("kms:ListKeys")), document(allow("kms:ListKeys")), 0),
        (document(allow("kms:Encrypt")), None, 1),
        (document(allow("*")), document(allow("*")), 0),
        (document(allow("s3:*", "kms:encrypt")), document(allow("s3:*")), 1),
        (
            document({"Effect": "Deny", "Action": "kms:*", "Resource": "*"}),
            document({"Effect": "Deny", "Action": "kms:*", "Resource": "*"}),
            0,
        ),
        (
            document({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}),
            document({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}),
            0,
        ),
    ],
)
def test_only_what_is_known_to_be_unused_is_taken(
    before: dict[str, Any], after: dict[str, Any] | None, removed: int
) -> None:
    found = tightened(before, {"kms:ListKeys"}, {"kms"})
    assert found.document == after
    assert len(found.removed) == removed
