"""Groups: listed, made with a legal name, filled and emptied, deleted with what hangs on them."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError
from django.test import Client

from tests.conftest import TestAccount
from tests.support.answers import text
from tests.support.principals import LIST_KEYS

GROUPS = "/principals/groups/"


def test_groups_are_filtered_by_name(account: TestAccount, signed_in: Client) -> None:
    for name in ("staff", "students"):
        account.client("iam").create_group(GroupName=name)
    assert "(2)" in text(signed_in.get(GROUPS))
    assert [group["GroupName"] for group in signed_in.get(GROUPS, {"q": "STUD"}).context["groups"]] == ["students"]


def test_an_illegal_name_is_answered_with_one_that_would_do(account: TestAccount, signed_in: Client) -> None:
    assert signed_in.get(f"{GROUPS}new/").status_code == 200
    answer = signed_in.post(f"{GROUPS}new/", {"name": "MY KMS GROUP"})
    assert answer.status_code == 422
    assert "MY-KMS-GROUP" in text(answer)
    assert 'value="MY KMS GROUP"' in text(answer)
    assert signed_in.post(f"{GROUPS}new/", {"name": "MY-KMS-GROUP"})["Location"] == f"{GROUPS}MY-KMS-GROUP/"
    taken = signed_in.post(f"{GROUPS}new/", {"name": "MY-KMS-GROUP"})
    assert taken.status_code == 422
    assert "EntityAlreadyExists" in str(taken.context["form"].errors["name"])


def test_users_are_put_in_and_taken_out(account: TestAccount, signed_in: Client) -> None:
    iam = account.client("iam")
    iam.create_group(GroupName="staff")
    account.create_user("ann")
    page = signed_in.get(f"{GROUPS}staff/")
    assert page.context["outside"] == ["admin", "ann"]
    for change, inside in (("add", ["ann"]), ("remove", [])):
        signed_in.post(f"{GROUPS}staff/users/", {change: "ann"})
        assert [user["UserName"] for user in iam.get_group(GroupName="staff")["Users"]] == inside


def test_a_group_is_deleted_with_what_hangs_on_it(account: TestAccount, signed_in: Client) -> None:
    iam = account.client("iam")
    iam.create_group(GroupName="staff")
    iam.add_user_to_group(GroupName="staff", UserName="admin")
    iam.put_group_policy(GroupName="staff", PolicyName="own", PolicyDocument=LIST_KEYS)
    asked = text(signed_in.get(f"{GROUPS}staff/delete/"))
    assert "Delete group staff?" in asked
    assert signed_in.post(f"{GROUPS}staff/delete/")["Location"] == GROUPS
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.get_group(GroupName="staff")


def test_a_group_that_is_not_there_is_not_found(signed_in: Client) -> None:
    assert signed_in.get(f"{GROUPS}nobody/").status_code == 404
