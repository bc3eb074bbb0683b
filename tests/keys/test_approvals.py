"""Deletion by two persons: who asks, who approves, and that no page goes round them."""

from __future__ import annotations

import json

from django.test import Client

from tests.conftest import TestAccount, TestUser, sign_in_browser
from tests.support.answers import text

NOTHING = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]})


ALLOW_ALL = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})


def second_person(account: TestAccount, name: str = "second", policy: str = ALLOW_ALL) -> Client:
    user: TestUser = account.create_user(name, policy)
    account.client("iam").create_login_profile(UserName=name, Password="long enough")
    user.password = "long enough"
    return sign_in_browser(user)


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
    weak, key_id = second_person(account, "weak", NOTHING), account.create_key()
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
