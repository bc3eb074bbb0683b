"""Last accessed advice: what was not used, and a policy tightened to what was."""

from __future__ import annotations

import json
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
    job = address.partition("job=")[2]
    shown = text(signed_in.post(PAGE, {"job": job, "tighten": "test", "preview": "1"}))
    assert "PutUserPolicy" in shown
    assert "kms:ListAliases" in shown
    assert signed_in.post(PAGE, {"job": job, "tighten": "test"})["Location"] == "/principals/users/ann/"
    left = account.client("iam").get_user_policy(UserName="ann", PolicyName="test")["PolicyDocument"]
    assert left == document(allow("kms:ListKeys", "s3:GetObject"))


def test_a_role_has_the_page_and_a_group_has_not(account: TestAccount, signed_in: Client) -> None:
    trust = document({"Effect": "Allow", "Principal": {"AWS": account.root_arn}, "Action": "sts:AssumeRole"})
    account.client("iam").create_role(RoleName="app", AssumeRolePolicyDocument=json.dumps(trust))
    address = signed_in.post("/principals/roles/app/last-accessed/", {"generate": "1"})["Location"]
    assert "The policies allow nothing." in text(signed_in.get(address))
    assert signed_in.get("/principals/groups/all/last-accessed/").status_code == 404
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
