"""Accounts that another account manages: limits, ends, replacement and the session that only looks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from engine import clock, console_actions, throttling, visibility
from engine.iam import member_accounts, signin
from engine.iam.account_limits import Limits
from engine.iam.member_accounts import Member
from engine.store import transaction
from engine.wire.errors import AWSError
from tests.conftest import TestAccount, TestUser, make_client

PASSWORD = "a long password for ann"


@dataclass
class Student:
    teacher: str
    made: Member

    @property
    def account(self) -> TestAccount:
        return TestAccount(self.made.account_id)

    def client(self, service: str) -> Any:
        return self.user.client(service)

    @property
    def user(self) -> TestUser:
        made = self.made
        arn = f"arn:aws:iam::{made.account_id}:user/{made.user_name}"
        return TestUser(self.account, made.user_name, arn, made.access_key_id, made.secret_access_key, PASSWORD)


def change(what: Callable[[], Any]) -> Any:
    with transaction.write():
        return what()


def make(account: TestAccount, limits: Limits | None = None, alias: str = "") -> Student:
    hashed = member_accounts.hash_password(PASSWORD)
    made = change(
        lambda: member_accounts.create(
            account.account_id, "ann", password_hash=hashed, alias=alias, limits=limits or Limits()
        )
    )
    return Student(account.account_id, made)


def code(call: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    return str(caught.value.response["Error"]["Code"])


def test_a_student_does_everything_in_the_account_and_the_manager_comes_by_its_role(account: TestAccount) -> None:
    student = make(account)
    key = student.client("kms").create_key()["KeyMetadata"]
    student.client("iam").create_user(UserName="helper")

    role = f"arn:aws:iam::{student.made.account_id}:role/OrganizationAccountAccessRole"
    taken = account.client("sts").assume_role(RoleArn=role, RoleSessionName="tess")["Credentials"]

    assert key["AWSAccountId"] == student.made.account_id
    assert taken["SessionToken"]


def test_a_student_has_as_many_keys_as_the_quota_says(account: TestAccount) -> None:
    kms = make(account, Limits(keys=2)).client("kms")
    first = kms.create_key(MultiRegion=True)["KeyMetadata"]["KeyId"]
    kms.replicate_key(KeyId=first, ReplicaRegion="eu-west-1")

    assert code(kms.create_key) == "LimitExceededException"
    assert code(lambda: kms.replicate_key(KeyId=first, ReplicaRegion="eu-west-2")) == "LimitExceededException"


def test_a_student_calls_as_often_as_the_quota_says_and_others_are_not_slowed(
    account: TestAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited, free = make(account, Limits(calls=3)), make(account)
    monkeypatch.setattr(throttling, "monotonic", lambda: 1000.0)
    for _call in range(3):
        limited.client("kms").list_keys()

    assert code(lambda: limited.client("iam").list_users()) == "Throttling"
    assert code(lambda: limited.client("kms").list_keys()) == "ThrottlingException"
    free.client("kms").list_keys()
    account.client("kms").list_keys()


def test_credentials_of_an_account_that_ended_are_refused_and_so_is_a_sign_in(account: TestAccount) -> None:
    student = make(account, Limits(ends=clock.real_now() + timedelta(hours=1)))
    session = student.client("sts").get_session_token()["Credentials"]
    student.client("kms").list_keys()

    change(lambda: member_accounts.end(account.account_id, [student.made.account_id]))

    assert code(lambda: student.client("kms").list_keys()) == "ExpiredTokenException"
    ids = (session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"])
    assert code(lambda: make_client("kms", "us-east-1", *ids).list_keys()) == "ExpiredTokenException"
    with pytest.raises(signin.SignInRefused, match="closed"):
        signin.sign_in(student.made.account_id, "ann", PASSWORD, source_ip="192.0.2.1", user_agent="test")


def test_an_account_that_is_replaced_is_fresh_under_the_same_alias_password_and_access_key(
    account: TestAccount,
) -> None:
    student = make(account, Limits(keys=7), alias=f"spring-ann-{account.account_id}")
    student.client("kms").create_key()

    fresh = change(
        lambda: member_accounts.replace(account.account_id, student.made.account_id, "ann", password_hash="unused")
    )

    assert fresh.account_id != student.made.account_id
    assert fresh.access_key_id == student.made.access_key_id
    again = student.client("sts").get_caller_identity()
    assert again["Account"] == fresh.account_id
    assert student.client("kms").list_keys()["Keys"] == []
    signed_in = signin.sign_in(
        f"spring-ann-{account.account_id}", "ann", PASSWORD, source_ip="192.0.2.1", user_agent="test"
    )
    assert signed_in.account_id == fresh.account_id


def test_a_managed_account_manages_none_and_uses_no_connection_of_the_servers(account: TestAccount) -> None:
    student = make(account)
    user = student.user
    context = visibility.viewer(user.access_key_id, "", "us-east-1", "127.0.0.1", secure=False).context

    with pytest.raises(AWSError, match="manages has no accounts"):
        make(student.account)
    managing = ("ManageClasses", "OpenClassAccount", "ReadClassRecord", "ManageConnections", "UseConnection")
    of_installation = ("ApproveTrailRemoval", "RejectTrailRemoval", "ListSinks")
    for action in (*managing, *of_installation):
        with pytest.raises(AWSError, match="service control policy"):
            console_actions.authorize(context, f"kmsconsole:{action}")


def test_only_the_account_that_manages_it_changes_an_account(account: TestAccount, other_account: TestAccount) -> None:
    student, stranger = make(account), other_account.account_id
    there = student.made.account_id
    attempts: list[Callable[[], Any]] = [
        lambda: member_accounts.end(stranger, [there]),
        lambda: member_accounts.limit(stranger, [there], Limits()),
        lambda: member_accounts.set_password(stranger, there, "ann", "x"),
        lambda: member_accounts.new_access_key(stranger, there, "ann"),
        lambda: member_accounts.replace(stranger, there, "ann", password_hash="x"),
        lambda: member_accounts.open_session(stranger, there, "eve", console_session=""),
        lambda: member_accounts.move_clocks(stranger, [there], 3600),
    ]
    for attempt in attempts:
        with pytest.raises(AWSError) as caught:
            change(attempt)
        assert caught.value.code == "AccessDeniedException"


def test_a_new_password_of_the_managers_is_as_old_as_itself(account: TestAccount) -> None:
    """The student's policy counts from the password that there is, not from one that the student had set before."""
    student = make(account)
    there, iam = student.made.account_id, student.client("iam")
    iam.update_account_password_policy(MaxPasswordAge=60)
    iam.change_password(OldPassword=PASSWORD, NewPassword="another long password")
    student.account.move_clock(days=90)
    hashed = member_accounts.hash_password(PASSWORD)

    change(lambda: member_accounts.set_password(account.account_id, there, "ann", hashed))

    assert signin.sign_in(there, "ann", PASSWORD, source_ip="192.0.2.1", user_agent="test").user_name == "ann"
