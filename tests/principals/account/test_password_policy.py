"""The page of the account's password policy."""

from __future__ import annotations

from django.test import Client

from tests.conftest import TestAccount
from tests.support.answers import text

PAGE = "/principals/password-policy/"


def test_it_is_shown_set_and_deleted(account: TestAccount, signed_in: Client) -> None:
    assert "no password policy" in text(signed_in.get(PAGE))
    given = {"minimum": "14", "uppercase": "on", "age": "90", "reuse": "", "change_own": "on"}
    assert "UpdateAccountPasswordPolicy" in text(signed_in.post(PAGE, {**given, "preview": "1"}))
    assert signed_in.post(PAGE, given).status_code == 302
    policy = account.client("iam").get_account_password_policy()["PasswordPolicy"]
    assert (policy["MinimumPasswordLength"], policy["MaxPasswordAge"], policy["RequireUppercaseCharacters"]) == (
        14,
        90,
        True,
    )
    assert "PasswordReusePrevention" not in policy
    assert 'value="14"' in text(signed_in.get(PAGE))
    assert signed_in.post(PAGE, {"minimum": "5"}).status_code == 422
    assert signed_in.post(PAGE, {"delete": "1"}).status_code == 302
    assert "no password policy" in text(signed_in.get(PAGE))
