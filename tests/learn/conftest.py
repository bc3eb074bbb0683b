"""Who keeps a class, for tests of its pages."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.conftest import TestAccount, TestUser, sign_in_browser
from tests.support.classes import policy


@pytest.fixture
def teacher(account: TestAccount) -> TestUser:
    """Whoever has KeyTeacher and no more."""
    iam = account.client("iam")
    made = account.create_user("tess")
    made.password = "teach the class"
    iam.create_login_profile(UserName="tess", Password=made.password)
    iam.attach_user_policy(UserName="tess", PolicyArn=policy(account, "KeyTeacher"))
    return made


@pytest.fixture
def browser(teacher: TestUser) -> Client:
    signed_in: Client = sign_in_browser(teacher)
    return signed_in
