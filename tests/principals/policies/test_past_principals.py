"""Principals of the past, and who could use a key then: lists, one of each kind, the Access tab and the explorer, all as the record tells them."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from django.test import Client

from engine import clock
from tests.conftest import TestAccount, new_account, sign_in_browser
from tests.support.answers import joined
from tests.support.policies import allow, document, trusting

TRUST = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]})  # fmt: skip


@dataclass(frozen=True)
class Past:
    """Ann might decrypt with the key by her group's managed policy, Ben by the key policy; since then all of it was taken away."""

    account: TestAccount
    browser: Client
    key_id: str
    policy: str
    then: datetime

    def arn(self, user: str) -> str:
        return f"arn:aws:iam::{self.account.account_id}:user/{user}"

    def get(self, address: str, *, ago: timedelta = timedelta(0), **query: str) -> object:
        return self.browser.get(address, {"as_of": (self.then - ago).isoformat(), **query})

    def decision(self, user: str, moment: datetime, action: str = "kms:Decrypt") -> object:
        asked = {"principal": self.arn(user), "action": action, "key": self.key_id, "as_of": moment.isoformat()}
        return self.browser.get("/access/", asked)


@pytest.fixture(scope="module")
def past(prepared: object) -> Past:
    account = new_account()
    iam, kms = account.client("iam"), account.client()
    ann, ben = account.create_user("ann"), account.create_user("ben", document(allow("kms:ListKeys")))
    iam.tag_user(UserName="ann", Tags=[{"Key": "team", "Value": "blue"}])
    iam.create_group(GroupName="staff")
    iam.add_user_to_group(GroupName="staff", UserName="ann")
    policy = iam.create_policy(PolicyName="decrypts", PolicyDocument=document(allow("kms:Decrypt", Sid="First")))["Policy"]["Arn"]  # fmt: skip
    iam.attach_group_policy(GroupName="staff", PolicyArn=policy)
    iam.create_role(RoleName="auditor", AssumeRolePolicyDocument=TRUST)
    key = account.create_key(Policy=trusting(account, allow("kms:Decrypt", Principal={"AWS": ben.arn}, Sid="BenMay")))
    kms.create_grant(KeyId=key, GranteePrincipal=ben.arn, Operations=["Encrypt"], Name="for-ben")
    account.move_clock(hours=2)
    then = clock.now(account.account_id) - timedelta(hours=1)
    iam.create_policy_version(PolicyArn=policy, PolicyDocument=document(allow("kms:Sign")), SetAsDefault=True)
    iam.remove_user_from_group(GroupName="staff", UserName="ann")
    iam.untag_user(UserName="ann", TagKeys=["team"])
    kms.put_key_policy(KeyId=key, Policy=trusting(account))
    iam.delete_access_key(UserName="ben", AccessKeyId=ben.access_key_id)
    iam.delete_user_policy(UserName="ben", PolicyName="test")
    iam.delete_user(UserName="ben")
    account.create_user("ben", document(allow("kms:*")))  # another one under the old name
    iam.update_user(UserName="ann", NewUserName="anna")
    account.move_clock(hours=1)
    assert ann.name == "ann"
    return Past(account, sign_in_browser(account.administrator), key, policy, then)


def main(answer: object) -> str:
    page = answer.content.decode()  # type: ignore[attr-defined]
    return page[page.index("<main") : page.index("</main>")]


def test_lists_have_who_was_there_under_the_name_of_then(past: Past) -> None:
    for kind, there, since in (
        ("users", {"admin", "ann", "ben"}, "anna"),
        ("groups", {"staff"}, ""),
        ("roles", {"auditor"}, ""),
    ):
        answer = past.get(f"/principals/{kind}/")
        assert {each.name for each, _address in answer.context["rows"]} == there  # type: ignore[attr-defined]
        assert not since or f">{since}<" not in main(answer)
    policies = {each.name for each, _address in past.get("/principals/policies/").context["rows"]}  # type: ignore[attr-defined]
    assert {"decrypts", "KeyTeacher"} <= policies  # the second is older than the record
    assert [each.name for each, _a in past.get("/principals/users/", q="BE").context["rows"]] == ["ben"]  # type: ignore[attr-defined]


def test_a_user_has_the_groups_tags_policies_and_access_keys_of_then(past: Past) -> None:
    ann, ben = main(past.get("/principals/users/ann/")), main(past.get("/principals/users/ben/"))
    for words in ("staff", "team=blue", "AKIA", "arn:aws:iam"):
        assert words in ann
    assert "kms:ListKeys" in ben
    assert "kms:*" not in ben
    assert past.get("/principals/users/anna/").status_code == 404  # type: ignore[attr-defined]


def test_a_group_a_role_and_a_policy_are_those_of_then(past: Past) -> None:
    assert ">ann<" in main(past.get("/principals/groups/staff/"))
    assert "sts:AssumeRole" in main(past.get("/principals/roles/auditor/"))
    policy = main(past.get("/principals/policies/one/", arn=past.policy))
    assert "First" in policy
    assert "kms:Sign" not in policy
    assert "staff" in policy
    aws = main(past.get("/principals/policies/one/", arn="arn:aws:iam::aws:policy/AdministratorAccess"))
    assert "Allow" in aws


def test_who_could_decrypt_then_and_why_is_told_with_the_trace_of_then(past: Past) -> None:
    ann = past.decision("ann", past.then)
    assert ann.context["decision"].allowed  # type: ignore[attr-defined]
    assert [line.policy for line in ann.context["lines"] if line.outcome == "decides"] == ["key policy", "decrypts"]  # type: ignore[attr-defined]
    ben = past.decision("ben", past.then)
    assert "the key policy names the principal" in joined(ben)
    assert past.decision("ben", past.then, "kms:Encrypt").context["decision"].reason == "allowed-by-grant"  # type: ignore[attr-defined]
    assert not past.decision("ann", past.then, "kms:Sign").context["decision"].allowed  # type: ignore[attr-defined]


def test_who_was_made_anew_under_an_old_name_has_not_what_the_old_one_had(past: Past) -> None:
    now = clock.now(past.account.account_id)
    decided = past.decision("ben", now, "kms:Encrypt").context["decision"]  # type: ignore[attr-defined]
    assert decided.reason != "allowed-by-grant"  # by its own policy: the grant was the old one's
    assert past.decision("anna", now).context["decision"].allowed is False  # type: ignore[attr-defined]


def test_the_access_tab_and_the_explorer_agree_about_then(past: Past) -> None:
    tab = past.get(f"/keys/{past.key_id}/tab/access/").context["rows"]  # type: ignore[attr-defined]
    cells = {subject.name: {column.action: cell for column, cell, _address in each} for subject, each in tab}
    assert (cells["ann"]["kms:Decrypt"], cells["ben"]["kms:Decrypt"]) == ("yes", "yes")
    who = past.get("/access/", key=past.key_id, action="kms:Decrypt").context["rows"]  # type: ignore[attr-defined]
    assert {subject.name for subject, each in who if each[0][0] == "yes"} == {"root", "admin", "ann", "ben"}
    which = past.get("/access/", principal=past.arn("ann")).context["key_rows"]  # type: ignore[attr-defined]
    assert [(key.key_id, [action for action, _cell, _address in each]) for key, each in which] == [
        (past.key_id, ["kms:Decrypt"])
    ]


def test_a_key_of_no_record_and_a_moment_before_it_are_said(past: Past) -> None:
    answer = past.get("/access/", key="alias/none", action="kms:Decrypt", principal=past.arn("ann"))
    assert answer.status_code == 404  # type: ignore[attr-defined]
    assert "The record tells of no key alias/none then" in joined(answer)
    before = past.get("/principals/users/", ago=timedelta(days=9000))
    assert "No users then." in main(before)


def test_what_the_record_does_not_hold_is_said(past: Past) -> None:
    iam, admin = past.account.client("iam"), past.account.administrator.name
    iam.put_user_policy(UserName=admin, PolicyName="own", PolicyDocument=document(allow("kms:List*")))
    past.account.move_clock(minutes=2)
    page = main(past.get(f"/principals/users/{admin}/"))
    assert "What the inline policy own of admin said then, if it was there, is not in the record." in page
    assert "AdministratorAccess" in page  # older than the record, and told by what is there today


def test_who_may_read_the_record_but_no_principals_is_told_of_recorded_ones_alone(past: Past) -> None:
    reader = past.account.create_user("reader", document(allow(["kmsconsole:ReadRecord", "cloudtrail:LookupEvents"])))
    past.account.client("iam").create_login_profile(UserName="reader", Password="correct horse battery")
    browser = sign_in_browser(replace(reader, password="correct horse battery"))
    answer = browser.get("/principals/users/", {"as_of": past.then.isoformat()})
    assert {each.name for each, _address in answer.context["rows"]} == {"ann", "ben"}
    assert "Principals that are older than the record are left out" in joined(answer)
    nobody = past.account.create_user("nobody", document(allow("iam:*")))
    past.account.client("iam").create_login_profile(UserName="nobody", Password="correct horse battery")
    browser = sign_in_browser(replace(nobody, password="correct horse battery"))
    assert browser.get("/principals/users/", {"as_of": past.then.isoformat()}).status_code == 403
