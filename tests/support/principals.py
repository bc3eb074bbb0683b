"""Roles and managed policies that several tests of the principals' pages begin with."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client

from tests.conftest import TestAccount, TestUser, sign_in_browser

LIST_KEYS = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:ListKeys", "Resource": "*"}]}
)


ALLOW_ALL = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
DENY = LIST_KEYS.replace("Allow", "Deny")


def make_policy(account: TestAccount, name: str = "lister", document: str = LIST_KEYS) -> str:
    return str(account.client("iam").create_policy(PolicyName=name, PolicyDocument=document)["Policy"]["Arn"])


def make_role(signed_in: Client, name: str = "operators", **given: Any) -> Any:
    return signed_in.post("/principals/roles/new/", {"name": name, "trusted": "this", "document": "{}", **given})


def second_person(account: TestAccount, name: str = "second", policy: str = ALLOW_ALL) -> Client:
    """Another user of the account, signed in at a browser of its own."""
    user: TestUser = account.create_user(name, policy)
    account.client("iam").create_login_profile(UserName=name, Password="long enough")
    user.password = "long enough"
    return sign_in_browser(user)
