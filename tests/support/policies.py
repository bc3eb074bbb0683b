"""Policies and people for tests of who may do what."""

from __future__ import annotations

import json
from typing import Any

from tests.conftest import TestAccount, TestUser


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: Any, resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def asks(key: str, operator: str, *values: str) -> dict[str, Any]:
    """What a statement's Condition says of one condition key."""
    return {operator: {key: list(values)}}


def trusting(account: TestAccount, *more: dict[str, Any]) -> str:
    """A key policy that leaves the key to the account, with more statements."""
    return document(allow("kms:*", Principal={"AWS": account.root_arn}), *more)


def person(account: TestAccount, name: str, policy: str | None = None) -> TestUser:
    """A user who can sign in to the console."""
    user = account.create_user(name, policy)
    account.client("iam").create_login_profile(UserName=name, Password="long enough")
    user.password = "long enough"
    return user
