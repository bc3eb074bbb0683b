"""Users: listed, made with a password and groups in one step, put into groups, given a password, deleted with all that is theirs."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError
from django.test import Client

from tests.conftest import TestAccount, TestUser, sign_in_browser
from tests.support.answers import text

USERS = "/principals/users/"


def new(browser: Client, **given: object) -> object:
    return browser.post(f"{USERS}new/", {"name": "ann", "password": "", **given})


def test_users_are_filtered_by_name(account: TestAccount, signed_in: Client) -> None:
    for name in ("ann", "anton", "ben"):
        account.create_user(name)
    assert "(4)" in text(signed_in.get(USERS))
    assert [user["UserName"] for user in signed_in.get(USERS, {"q": "AN"}).context["users"]] == ["ann", "anton"]
    assert "No user has this in its name." in text(signed_in.get(USERS, {"q": "zoe"}))


def test_a_user_is_made_with_a_password_and_groups(account: TestAccount, signed_in: Client) -> None:
    iam = account.client("iam")
    iam.create_group(GroupName="staff")
    assert "staff" in text(signed_in.get(f"{USERS}new/"))
    assert new(signed_in, password="long enough", groups=["staff"])["Location"] == f"{USERS}ann/"  # type: ignore[index]
    assert [each["GroupName"] for each in iam.list_groups_for_user(UserName="ann")["Groups"]] == ["staff"]
    sign_in_browser(TestUser(account, "ann", "", "", "", "long enough"))
    page = text(signed_in.get(f"{USERS}ann/"))
    assert f"arn:aws:iam::{account.account_id}:user/ann" in page


@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        ({"name": "MY USER"}, "name", "MY-USER"),
        ({"name": ""}, "name", "This field is required."),
        ({"name": "admin"}, "__all__", "EntityAlreadyExists"),
        ({"password": "short"}, "__all__", "PasswordPolicyViolation"),
    ],
)
def test_what_cannot_be_made_is_said_and_kept(
    account: TestAccount, signed_in: Client, given: dict[str, str], field: str, said: str
) -> None:
    answer = new(signed_in, **given)
    assert answer.status_code == 422  # type: ignore[attr-defined]
    assert said in str(answer.context["form"].errors[field])  # type: ignore[attr-defined]
    assert f'value="{given.get("name", "ann")}"' in text(answer) or not given.get("name", "ann")
    assert [user["UserName"] for user in account.client("iam").list_users()["Users"]] == ["admin"]


def test_a_user_goes_into_a_group_and_out_of_it(account: TestAccount, signed_in: Client) -> None:
    iam = account.client("iam")
    iam.create_user(UserName="ann")
    iam.create_group(GroupName="staff")
    for change, inside in (("add", ["staff"]), ("remove", [])):
        signed_in.post(f"{USERS}ann/groups/", {change: "staff"})
        assert [each["GroupName"] for each in iam.list_groups_for_user(UserName="ann")["Groups"]] == inside


def test_a_password_is_set_and_changed(account: TestAccount, signed_in: Client) -> None:
    account.create_user("ann")
    assert "ann" in text(signed_in.get(f"{USERS}ann/password/"))
    for password in ("the first one", "another one"):
        assert signed_in.post(f"{USERS}ann/password/", {"password": password})["Location"] == f"{USERS}ann/"
        sign_in_browser(TestUser(account, "ann", "", "", "", password))
    refused = signed_in.post(f"{USERS}ann/password/", {"password": "pa55"})
    assert refused.status_code == 422
    assert "PasswordPolicyViolation" in text(refused)
    assert "pa55" not in text(refused)


def test_a_user_is_deleted_with_all_that_is_theirs(account: TestAccount, signed_in: Client) -> None:
    iam = account.client("iam")
    iam.create_group(GroupName="staff")
    new(signed_in, password="long enough", groups=["staff"])
    iam.create_access_key(UserName="ann")
    assert "Delete user ann?" in text(signed_in.get(f"{USERS}ann/delete/"))
    assert iam.get_user(UserName="ann")
    assert signed_in.post(f"{USERS}ann/delete/")["Location"] == USERS
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.get_user(UserName="ann")


def test_who_may_not_list_users_reads_awss_refusal(account: TestAccount) -> None:
    account.create_user("ann")
    account.client("iam").create_login_profile(UserName="ann", Password="long enough")
    refused = sign_in_browser(TestUser(account, "ann", "", "", "", "long enough")).get(USERS)
    assert refused.status_code == 403
    assert "is not authorized to perform: iam:ListUsers" in text(refused)
