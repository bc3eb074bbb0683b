"""Somebody whose second factor tests are about, and the first step of her sign-in."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client

from tests.conftest import TestAccount, TestUser

SECOND = "/principals/sign-in/second-factor/"
PASSWORD = "correct horse battery"
_WITH_MFA = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}


def person(account: TestAccount) -> TestUser:
    """Who may use keys only with a second factor, and may look after her own."""
    own = {"Effect": "Allow", "Action": ["iam:*", "kmsconsole:*", "sts:*"], "Resource": "*"}
    keys = {"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Condition": _WITH_MFA}
    user = account.create_user("ann", json.dumps({"Version": "2012-10-17", "Statement": [own, keys]}))
    account.client("iam").create_login_profile(UserName="ann", Password=PASSWORD)
    user.password = PASSWORD
    return user


def password(user: TestUser) -> tuple[Client, Any]:
    """A browser after the page with the password, and that page's answer."""
    browser = Client()
    fields = {"account": user.account.account_id, "user_name": user.name, "password": user.password}
    return browser, browser.post("/principals/sign-in/", fields)
