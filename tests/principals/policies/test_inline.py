"""Before an IAM policy is saved: whom it would give what, and take what from."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client

from keys.evaluator.whatif import Change
from tests.conftest import TestAccount


def document(*actions: str, effect: str = "Allow") -> str:
    statement = {"Effect": effect, "Action": list(actions), "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def changes(answer: Any) -> dict[str, list[Change]]:
    return {subject.name: each for subject, each in answer.context["changes"]}


def test_an_inline_policy_tells_which_keys_it_opens_and_is_not_saved(account: TestAccount, signed_in: Client) -> None:
    account.create_user("ann")
    one, two = account.create_key(), account.create_key()
    given = {"name": "use", "document": document("kms:Decrypt", "iam:ListUsers"), "preview": "1"}
    answer = signed_in.post("/principals/users/ann/policies/new/", given)
    (found,) = changes(answer).values()
    assert [(each.action, each.gained, {key.key_id for key in each.keys}) for each in found] == [
        ("kms:Decrypt", True, {one, two}),
        ("iam:ListUsers", True, set()),
    ]
    assert account.client("iam").list_user_policies(UserName="ann")["PolicyNames"] == []


def test_a_groups_policy_concerns_its_users(account: TestAccount, signed_in: Client) -> None:
    iam = account.client("iam")
    iam.create_group(GroupName="readers")
    for name in ("ann", "bob", "carl"):
        account.create_user(name)
    for name in ("ann", "bob"):
        iam.add_user_to_group(GroupName="readers", UserName=name)
    iam.put_group_policy(GroupName="readers", PolicyName="use", PolicyDocument=document("kms:ListKeys"))
    given = {"name": "use", "document": document("kms:ListAliases"), "preview": "1"}
    found = changes(signed_in.post("/principals/groups/readers/policies/use/", given))
    assert set(found) == {"ann", "bob"}
    assert [(each.action, each.gained) for each in found["ann"]] == [("kms:ListAliases", True), ("kms:ListKeys", False)]


def test_a_policy_that_would_be_refused_says_so(account: TestAccount, signed_in: Client) -> None:
    account.create_user("ann")
    given = {"name": "use", "document": "{", "preview": "1"}
    answer = signed_in.post("/principals/users/ann/policies/new/", given)
    assert "Syntax error" in answer.context["preview_problem"]
