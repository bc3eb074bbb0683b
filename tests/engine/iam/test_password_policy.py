"""The account's password policy: as Terraform and scanners read and set it, and what it does to new passwords."""

from __future__ import annotations

import csv
from typing import Any

import pytest

from tests.conftest import TestAccount
from tests.engine.iam.test_iam_limits import refused

STRICT = {
    "MinimumPasswordLength": 10,
    "RequireSymbols": True,
    "RequireNumbers": True,
    "RequireUppercaseCharacters": True,
    "RequireLowercaseCharacters": True,
    "AllowUsersToChangePassword": True,
    "MaxPasswordAge": 60,
    "PasswordReusePrevention": 2,
    "HardExpiry": True,
}


@pytest.fixture
def iam(account: TestAccount) -> Any:
    client = account.client("iam")
    client.create_user(UserName="ann")
    return client


def test_it_is_set_read_and_deleted(iam: Any, account: TestAccount) -> None:
    absent = f"The Password Policy with domain name {account.account_id} cannot be found."
    assert refused(iam.get_account_password_policy) == ("NoSuchEntity", absent)
    assert refused(iam.delete_account_password_policy) == (
        "NoSuchEntity",
        "The account policy with name PasswordPolicy cannot be found.",
    )
    iam.update_account_password_policy()
    assert iam.get_account_password_policy()["PasswordPolicy"] == {
        "AllowUsersToChangePassword": False,
        "ExpirePasswords": False,
        "MinimumPasswordLength": 6,
        "RequireLowercaseCharacters": False,
        "RequireNumbers": False,
        "RequireSymbols": False,
        "RequireUppercaseCharacters": False,
    }
    iam.update_account_password_policy(**STRICT)
    assert iam.get_account_password_policy()["PasswordPolicy"] == {**STRICT, "ExpirePasswords": True}
    iam.delete_account_password_policy()
    assert refused(iam.get_account_password_policy) == ("NoSuchEntity", absent)


def test_what_is_out_of_range_is_named_at_once(iam: Any) -> None:
    wrong = {"MinimumPasswordLength": 129, "PasswordReusePrevention": 25, "MaxPasswordAge": 1096}
    code, message = refused(iam.update_account_password_policy, **wrong)
    assert (code, message.partition(":")[0]) == ("ValidationError", "3 validation errors detected")


def test_a_new_password_has_to_have_what_it_asks_for(iam: Any) -> None:
    iam.update_account_password_policy(**STRICT)
    assert refused(iam.create_login_profile, UserName="ann", Password="short") == (
        "PasswordPolicyViolation",
        "Password should have a minimum length of 10, Password should have at least one uppercase letter, "
        "Password should have at least one number, Password should have at least one symbol",
    )
    iam.create_login_profile(UserName="ann", Password="Correct-horse-1")
    code, message = refused(iam.update_login_profile, UserName="ann", Password="correct-horse-1")
    assert (code, message) == ("PasswordPolicyViolation", "Password should have at least one uppercase letter")


def test_the_last_passwords_do_not_come_back(iam: Any) -> None:
    iam.update_account_password_policy(**STRICT)
    iam.create_login_profile(UserName="ann", Password="Correct-horse-1")
    iam.update_login_profile(UserName="ann", Password="Correct-horse-2")
    reused = (
        "PasswordPolicyViolation",
        "Policy constraint violation with password reuse prevention during password change.",
    )
    for used in ("Correct-horse-1", "Correct-horse-2"):
        assert refused(iam.update_login_profile, UserName="ann", Password=used) == reused
    iam.update_login_profile(UserName="ann", Password="Correct-horse-3")
    iam.update_login_profile(UserName="ann", Password="Correct-horse-1")


def test_it_may_let_users_change_their_own_passwords(iam: Any, account: TestAccount) -> None:
    bob = account.create_user("bob")
    iam.create_login_profile(UserName="bob", Password="Correct-horse-1")
    change = {"OldPassword": "Correct-horse-1", "NewPassword": "Correct-horse-2"}
    assert refused(bob.client("iam").change_password, **change)[0] == "AccessDenied"
    iam.update_account_password_policy(**STRICT)
    bob.client("iam").change_password(**change)
    assert bob.client("iam").get_account_password_policy()["PasswordPolicy"]["MaxPasswordAge"] == 60
    deny = '{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "iam:ChangePassword", "Resource": "*"}}'
    iam.put_user_policy(UserName="bob", PolicyName="no", PolicyDocument=deny)
    again = {"OldPassword": "Correct-horse-2", "NewPassword": "Correct-horse-3"}
    assert "explicit deny" in refused(bob.client("iam").change_password, **again)[1]


def test_the_credential_report_says_when_a_password_was_changed_and_expires(iam: Any, account: TestAccount) -> None:
    iam.update_account_password_policy(**STRICT)
    iam.create_login_profile(UserName="ann", Password="Correct-horse-1")
    account.move_clock(days=10)
    iam.update_login_profile(UserName="ann", Password="Correct-horse-2")
    iam.generate_credential_report()
    lines = iam.get_credential_report()["Content"].decode().splitlines()
    (ann,) = [line for line in csv.DictReader(lines) if line["user"] == "ann"]
    created, changed, expires = (
        ann[each][:10] for each in ("user_creation_time", "password_last_changed", "password_next_rotation")
    )
    assert created < changed < expires
