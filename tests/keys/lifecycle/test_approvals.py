"""Deletion by two persons: who asks, who approves, who is a second person. tests/keys/test_deletion_guard.py: that no way leads round them."""

from __future__ import annotations

import json
import re

import pytest
from botocore.exceptions import ClientError
from django.test import Client

from keys.models import DeletionRequest
from tests.conftest import TestAccount, TestUser, sign_in_browser
from tests.support.answers import text
from tests.support.principals import ALLOW_ALL, LIST_KEYS, second_person

DECIDE_ONLY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "kmsconsole:*KeyDeletion*", "Resource": "*"}],
    }
)


def test_two_persons_delete_a_key(account: TestAccount, signed_in: Client) -> None:
    second, key_id = second_person(account), account.create_key()
    signed_in.post("/keys/approvals/", {"do": "on"})
    signed_in.post(f"/keys/{key_id}/delete/", {"days": "10", "confirmed": "on", "reason": "old"})
    state = lambda: account.client().describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"]  # noqa: E731
    assert state() == "Enabled"
    (waiting,) = signed_in.get("/keys/approvals/").context["waiting"]
    own = signed_in.post("/keys/approvals/", {"do": "approve", "request": waiting.pk}, follow=True)
    assert "someone else approves it" in text(own)
    assert state() == "Enabled"
    second.post("/keys/approvals/", {"do": "approve", "request": waiting.pk})
    assert state() == "PendingDeletion"
    (decided,) = second.get("/keys/approvals/").context["decided"]
    assert (decided.state, decided.asked_by, decided.decided_by.rpartition("/")[2]) == (
        "approved",
        account.administrator.arn,
        "second",
    )
    (event,) = account.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "ScheduleKeyDeletion"}]
    )["Events"]
    assert event["Username"] == "second"


def test_an_approver_without_permission_is_refused_and_the_request_goes_on_waiting(
    account: TestAccount, signed_in: Client
) -> None:
    weak, key_id = second_person(account, "weak", DECIDE_ONLY), account.create_key()
    signed_in.post("/keys/approvals/", {"do": "on"})
    signed_in.post(f"/keys/{key_id}/delete/", {"days": "10", "confirmed": "on"})
    (waiting,) = signed_in.get("/keys/approvals/").context["waiting"]
    answer = weak.post("/keys/approvals/", {"do": "approve", "request": waiting.pk}, follow=True)
    assert "is not authorized to perform: kms:ScheduleKeyDeletion" in text(answer)
    assert len(signed_in.get("/keys/approvals/").context["waiting"]) == 1
    refused = weak.post("/keys/approvals/", {"do": "ask-off"}, follow=True)
    assert "kmsconsole:ChangeDeletionRule" in text(refused)


def test_no_page_goes_round_the_second_person(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key()
    signed_in.post("/keys/approvals/", {"do": "on"})
    preview = signed_in.post("/keys/bulk/", {"action": "delete", "key": [key_id]})
    assert "a second person approves" in text(preview)
    signed_in.post(
        "/keys/bulk/", {"action": "delete", "key": [key_id], "confirmed": "1", "days": "7", "typed": "1 key"}
    )
    assert account.client().describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "Enabled"


def test_switching_two_persons_off_takes_two_persons(account: TestAccount, signed_in: Client) -> None:
    second = second_person(account)
    signed_in.post("/keys/approvals/", {"do": "on"})
    signed_in.post("/keys/approvals/", {"do": "off"})
    signed_in.post("/keys/approvals/", {"do": "ask-off"})
    signed_in.post("/keys/approvals/", {"do": "off"})
    assert signed_in.get("/keys/approvals/").context["rule"].two_person_deletion
    second.post("/keys/approvals/", {"do": "off"})
    assert not signed_in.get("/keys/approvals/").context["rule"].two_person_deletion


def test_who_renames_itself_is_still_the_person_who_asked(account: TestAccount, signed_in: Client) -> None:
    person, key_id = second_person(account, "ann"), account.create_key()
    person.post("/keys/approvals/", {"do": "on"})
    person.post(f"/keys/{key_id}/delete/", {"days": "10", "confirmed": "on"})
    (waiting,) = signed_in.get("/keys/approvals/").context["waiting"]
    account.client("iam").update_user(UserName="ann", NewUserName="eve")
    account.client("iam").update_login_profile(UserName="eve", Password="long enough")
    renamed = sign_in_browser(TestUser(account, "eve", "", "", "", "long enough"))
    answer = renamed.post("/keys/approvals/", {"do": "approve", "request": waiting.pk}, follow=True)
    assert "someone else approves it" in text(answer)
    assert account.client().describe_key(KeyId=key_id)["KeyMetadata"]["Enabled"] is True


def make_boss(account: TestAccount) -> None:
    """A role that every user of the account may act as, and that may do everything."""
    iam = account.client("iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": account.root_arn}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName="boss", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": trust}))
    iam.put_role_policy(RoleName="boss", PolicyName="all", PolicyDocument=ALLOW_ALL)


def test_who_acts_as_a_role_is_still_the_person_who_asked(account: TestAccount, signed_in: Client) -> None:
    make_boss(account)
    key_id = account.create_key()
    signed_in.post("/keys/approvals/", {"do": "on"})
    signed_in.post(f"/keys/{key_id}/delete/", {"days": "10", "confirmed": "on"})
    (waiting,) = signed_in.get("/keys/approvals/").context["waiting"]
    assert signed_in.post("/principals/switch-role/", {"role": "boss"}).status_code == 302
    answer = signed_in.post("/keys/approvals/", {"do": "approve", "request": waiting.pk}, follow=True)
    assert "someone else approves it" in text(answer)
    assert account.client().describe_key(KeyId=key_id)["KeyMetadata"]["Enabled"] is True


def test_two_users_who_act_as_one_role_are_two_persons(account: TestAccount, signed_in: Client) -> None:
    make_boss(account)
    second, key_id = second_person(account), account.create_key()
    for browser in (signed_in, second):
        assert browser.post("/principals/switch-role/", {"role": "boss"}).status_code == 302
    signed_in.post("/keys/approvals/", {"do": "on"})
    signed_in.post(f"/keys/{key_id}/delete/", {"days": "10", "confirmed": "on"})
    (waiting,) = second.get("/keys/approvals/").context["waiting"]
    second.post("/keys/approvals/", {"do": "approve", "request": waiting.pk})
    assert account.client().describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    (decided,) = second.get("/keys/approvals/").context["decided"]
    assert (decided.asked_by.rpartition("/")[2], decided.decided_by.rpartition("/")[2]) == ("admin", "second")
    assert decided.asked_user != decided.decided_user


@pytest.mark.parametrize(
    ("missing", "address", "form"),
    [
        ("ListKeyDeletionRequests", "/keys/approvals/", None),
        ("RequestKeyDeletion", "/keys/{key}/delete/", {"days": "10", "confirmed": "on"}),
        ("ApproveKeyDeletion", "/keys/approvals/", {"do": "approve", "request": "{request}"}),
        ("RejectKeyDeletion", "/keys/approvals/", {"do": "reject", "request": "{request}"}),
        ("ChangeDeletionRule", "/keys/approvals/", {"do": "ask-off"}),
    ],
)
def test_each_step_needs_its_permission(
    account: TestAccount, signed_in: Client, missing: str, address: str, form: dict[str, str] | None
) -> None:
    statements = [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": f"kmsconsole:{missing}", "Resource": "*"},
    ]
    other = second_person(account, policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    asked, free = account.create_key(), account.create_key()
    signed_in.post("/keys/approvals/", {"do": "on"})
    signed_in.post(f"/keys/{asked}/delete/", {"days": "10", "confirmed": "on", "reason": "secret reason"})
    (waiting,) = signed_in.get("/keys/approvals/").context["waiting"]
    address = address.format(key=free)
    if form is None:
        page = other.get(address)
        assert page.status_code == 403
        assert "secret reason" not in text(page)
    else:
        sent = {name: value.format(request=waiting.pk) for name, value in form.items()}
        page = other.post(address, sent, follow=True)
    assert f"is not authorized to perform: kmsconsole:{missing}" in text(page)
    assert [each.pk for each in signed_in.get("/keys/approvals/").context["waiting"]] == [waiting.pk]
    for key_id in (asked, free):
        assert account.client().describe_key(KeyId=key_id)["KeyMetadata"]["Enabled"] is True
    refused = account.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": missing}]
    )["Events"]
    recorded = any('"errorCode":"AccessDenied"' in event["CloudTrailEvent"] for event in refused)
    assert recorded == (form is not None), "an attempt is recorded, looking at a page is none"


def test_a_refusal_names_the_statement_that_is_missing(account: TestAccount) -> None:
    page = second_person(account, policy=LIST_KEYS).get("/keys/approvals/")
    assert page.status_code == 403
    shown = re.sub(r"<[^>]+>", "", text(page))
    assert '"Action": "kmsconsole:ListKeyDeletionRequests"' in shown
    assert "key policy names you" not in shown


def test_who_may_ask_and_not_see_requests_is_told_that_it_was_asked_for(
    account: TestAccount, signed_in: Client
) -> None:
    statements = [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "kmsconsole:ListKeyDeletionRequests", "Resource": "*"},
    ]
    second = second_person(account, policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    key_id = account.create_key()
    signed_in.post("/keys/approvals/", {"do": "on"})
    answer = second.post(f"/keys/{key_id}/delete/", {"days": "10", "confirmed": "on"}, follow=True)
    assert answer.status_code == 200
    assert "Nothing happens to the key until another person approves it." in text(answer)


def test_the_explorer_decides_these_actions_as_they_are_decided(account: TestAccount, signed_in: Client) -> None:
    """By the key's tags, and without the key's policy."""
    condition = {"StringEquals": {"aws:ResourceTag/stage": "production"}}
    statements = [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "kmsconsole:ApproveKeyDeletion", "Resource": "*", "Condition": condition},
    ]
    ann = account.create_user("ann", json.dumps({"Version": "2012-10-17", "Statement": statements}))
    answers = {}
    for stage in ("production", "test"):
        key_id = account.create_key(Tags=[{"TagKey": "stage", "TagValue": stage}])
        arn = account.client().describe_key(KeyId=key_id)["KeyMetadata"]["Arn"]
        question = {"principal": ann.arn, "action": "kmsconsole:ApproveKeyDeletion", "key": arn}
        answers[stage] = signed_in.get("/access/", question).context["decision"].allowed
    assert answers == {"production": False, "test": True}


def test_asking_approving_rejecting_and_withdrawing_are_recorded(account: TestAccount, signed_in: Client) -> None:
    second = second_person(account)
    signed_in.post("/keys/approvals/", {"do": "on"})
    for decider, decision in ((second, "approve"), (second, "reject"), (signed_in, "reject")):
        key_id = account.create_key()
        signed_in.post(f"/keys/{key_id}/delete/", {"days": "10", "confirmed": "on"})
        (waiting,) = signed_in.get("/keys/approvals/").context["waiting"]
        decider.post("/keys/approvals/", {"do": decision, "request": waiting.pk})
    events = account.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventSource", "AttributeValue": "kmsconsole"}]
    )["Events"]
    states = [
        (event["EventName"], json.loads(event["CloudTrailEvent"])["requestParameters"].get("state", "asked"))
        for event in reversed(events)
        if event["EventName"].endswith("KeyDeletion")
    ]
    assert states == [
        ("RequestKeyDeletion", "asked"),
        ("ApproveKeyDeletion", "approved"),
        ("RequestKeyDeletion", "asked"),
        ("RejectKeyDeletion", "rejected"),
        ("RequestKeyDeletion", "asked"),
        ("RequestKeyDeletion", "withdrawn"),
    ]


def test_what_persons_decided_of_a_key_is_among_the_keys_events_and_in_its_region(
    account: TestAccount, signed_in: Client
) -> None:
    second = second_person(account)
    key_id = account.client(region="eu-west-1").create_key()["KeyMetadata"]["KeyId"]
    for each in (signed_in, second):
        each.post("/region/", {"region": "eu-west-1"})
    signed_in.post("/keys/approvals/", {"do": "on"})
    signed_in.post(f"/keys/{key_id}/delete/", {"days": "10", "confirmed": "on"})
    (waiting,) = signed_in.get("/keys/approvals/").context["waiting"]
    second.post("/keys/approvals/", {"do": "approve", "request": waiting.pk})
    arn = f"arn:aws:kms:eu-west-1:{account.account_id}:key/{key_id}"
    found = account.client("cloudtrail", region="eu-west-1").lookup_events(
        LookupAttributes=[{"AttributeKey": "ResourceName", "AttributeValue": arn}]
    )["Events"]
    told = {event["EventName"]: event["Username"] for event in found if "DescribeKey" not in event["EventName"]}
    assert told["RequestKeyDeletion"] == account.administrator.name
    assert told["ApproveKeyDeletion"] == told["ScheduleKeyDeletion"] == "second"
    changes = [change.event.name for change in signed_in.get(f"/keys/{key_id}/tab/timeline/").context["changes"]]
    assert changes == ["ScheduleKeyDeletion", "ApproveKeyDeletion", "RequestKeyDeletion", "CreateKey"]


def test_a_request_made_before_users_were_told_apart_can_only_be_withdrawn(
    account: TestAccount, signed_in: Client
) -> None:
    second, key_id = second_person(account), account.create_key()
    signed_in.post("/keys/approvals/", {"do": "on"})
    signed_in.post(f"/keys/{key_id}/delete/", {"days": "10", "confirmed": "on"})
    DeletionRequest.objects.filter(key_id=key_id).update(asked_user="")
    (waiting,) = signed_in.get("/keys/approvals/").context["waiting"]
    answer = second.post("/keys/approvals/", {"do": "approve", "request": waiting.pk}, follow=True)
    assert "withdraw it and ask again" in text(answer)
    signed_in.post("/keys/approvals/", {"do": "reject", "request": waiting.pk})
    assert not signed_in.get("/keys/approvals/").context["waiting"]


@pytest.mark.parametrize("decision", ["approve", "off"])
@pytest.mark.parametrize("name", ["ann", "eve"])
def test_a_user_made_after_the_request_is_no_second_person(
    account: TestAccount, signed_in: Client, name: str, decision: str
) -> None:
    """Neither the asker's own name made anew, which has another unique ID, nor a user made for the purpose."""
    ann, key_id = second_person(account, "ann"), account.create_key()
    signed_in.post("/keys/approvals/", {"do": "on"})
    ann.post(f"/keys/{key_id}/delete/", {"days": "10", "confirmed": "on"})
    ann.post("/keys/approvals/", {"do": "ask-off"})
    (waiting,) = signed_in.get("/keys/approvals/").context["waiting"]
    delete_user(account, "ann")
    new = second_person(account, name)
    answer = new.post("/keys/approvals/", {"do": decision, "request": waiting.pk}, follow=True)
    assert "made after this was asked for" in text(answer)
    assert account.client().describe_key(KeyId=key_id)["KeyMetadata"]["Enabled"] is True
    assert signed_in.get("/keys/approvals/").context["rule"].two_person_deletion


def test_the_page_and_the_record_name_persons_by_unique_id(account: TestAccount, signed_in: Client) -> None:
    second, key_id, iam = second_person(account), account.create_key(), account.client("iam")
    asker, decider = (iam.get_user(UserName=name)["User"]["UserId"] for name in ("admin", "second"))
    signed_in.post("/keys/approvals/", {"do": "on"})
    signed_in.post(f"/keys/{key_id}/delete/", {"days": "10", "confirmed": "on"})
    (waiting,) = second.get("/keys/approvals/").context["waiting"]
    assert asker in text(second.get("/keys/approvals/"))
    second.post("/keys/approvals/", {"do": "approve", "request": waiting.pk})
    assert decider in text(second.get("/keys/approvals/"))
    (event,) = account.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "ApproveKeyDeletion"}]
    )["Events"]
    record = json.loads(event["CloudTrailEvent"])
    assert record["requestParameters"]["askedByPrincipalId"] == asker
    assert record["userIdentity"]["principalId"] == decider


def delete_user(account: TestAccount, name: str) -> None:
    iam = account.client("iam")
    iam.delete_login_profile(UserName=name)
    for each in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
        iam.delete_access_key(UserName=name, AccessKeyId=each["AccessKeyId"])
    iam.delete_user_policy(UserName=name, PolicyName="test")
    iam.delete_user(UserName=name)


@pytest.mark.parametrize("decision", ["approve", "off"])
def test_two_sign_ins_of_one_browser_are_one_person(account: TestAccount, signed_in: Client, decision: str) -> None:
    key_id = account.create_key()
    second_person(account)
    signed_in.post("/keys/approvals/", {"do": "on"})
    signed_in.post(f"/keys/{key_id}/delete/", {"days": "10", "confirmed": "on"})
    signed_in.post("/keys/approvals/", {"do": "ask-off"})
    (waiting,) = signed_in.get("/keys/approvals/").context["waiting"]
    beside = {"account": account.account_id, "user_name": "second", "password": "long enough", "add": "1"}
    signed_in.post("/principals/sign-in/?add=1", beside)
    page = signed_in.get("/keys/approvals/")
    assert page.context["signed_in"].user_name == "second"
    answer = signed_in.post("/keys/approvals/", {"do": decision, "request": waiting.pk}, follow=True)
    assert "signed in in this browser too" in text(answer)
    assert account.client().describe_key(KeyId=key_id)["KeyMetadata"]["Enabled"] is True
    assert signed_in.get("/keys/approvals/").context["rule"].two_person_deletion


def test_a_policy_may_name_the_keys_by_their_tags(account: TestAccount, signed_in: Client) -> None:
    statements = [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {
            "Effect": "Deny",
            "Action": "kmsconsole:ApproveKeyDeletion",
            "Resource": "arn:aws:kms:*:*:key/*",
            "Condition": {"StringEquals": {"aws:ResourceTag/stage": "production"}},
        },
    ]
    second = second_person(account, policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    signed_in.post("/keys/approvals/", {"do": "on"})
    states = {}
    for stage in ("production", "test"):
        key_id = account.create_key(Tags=[{"TagKey": "stage", "TagValue": stage}])
        signed_in.post(f"/keys/{key_id}/delete/", {"days": "10", "confirmed": "on"})
        waiting = DeletionRequest.objects.get(key_id=key_id)
        second.post("/keys/approvals/", {"do": "approve", "request": waiting.pk})
        states[stage] = account.client().describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"]
    assert states == {"production": "Enabled", "test": "PendingDeletion"}


def test_what_was_asked_for_at_another_endpoint_is_not_approved_here(account: TestAccount, signed_in: Client) -> None:
    """The same key ID may be another key there."""
    second, key_id = second_person(account), account.create_key()
    signed_in.post("/keys/approvals/", {"do": "on"})
    signed_in.post(f"/keys/{key_id}/delete/", {"days": "10", "confirmed": "on"})
    DeletionRequest.objects.filter(key_id=key_id).update(endpoint="c7", endpoint_name="Frankfurt")
    (waiting,) = second.get("/keys/approvals/").context["waiting"]
    assert "Frankfurt" in text(second.get("/keys/approvals/"))
    answer = second.post("/keys/approvals/", {"do": "approve", "request": waiting.pk}, follow=True)
    assert "asked for at another endpoint" in text(answer)
    assert account.client().describe_key(KeyId=key_id)["KeyMetadata"]["Enabled"] is True


def test_an_approval_whose_call_was_refused_does_not_hide_what_was_asked_for_meanwhile(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    second, key_id = second_person(account), account.create_key()
    signed_in.post("/keys/approvals/", {"do": "on"})
    signed_in.post(f"/keys/{key_id}/delete/", {"days": "10", "confirmed": "on"})
    (waiting,) = signed_in.get("/keys/approvals/").context["waiting"]

    def refuse(*_: object) -> None:
        signed_in.post(f"/keys/{key_id}/delete/", {"days": "20", "confirmed": "on"})
        raise ClientError({"Error": {"Code": "KMSInternalException", "Message": "try again"}}, "ScheduleKeyDeletion")

    monkeypatch.setattr("keys.service.approved", refuse)
    second.post("/keys/approvals/", {"do": "approve", "request": waiting.pk})
    page = signed_in.get("/keys/approvals/")
    assert [each.parameters["PendingWindowInDays"] for each in page.context["waiting"]] == [20]
    assert "Approved, and not carried out" in text(page)
