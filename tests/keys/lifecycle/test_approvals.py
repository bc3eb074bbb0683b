"""Deletion by two persons: who asks, who approves, and that no page goes round them."""

from __future__ import annotations

import ast
import json
import time
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError
from django.test import Client
from django.utils import timezone

from engine import clock, timetravel
from keys import leases
from keys.inventory import bulk
from keys.material import wrapping
from keys.models import BulkItem, BulkJob, DeletionRequest
from tests.conftest import TestAccount, TestUser, sign_in_browser
from tests.support.answers import text
from tests.support.server import ROOT

ALLOW_ALL = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})


DECIDE_ONLY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "kmsconsole:*KeyDeletion*", "Resource": "*"}],
    }
)


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


def test_who_acts_as_a_role_is_still_the_person_who_asked(account: TestAccount, signed_in: Client) -> None:
    iam, key_id = account.client("iam"), account.create_key()
    trust = {"Effect": "Allow", "Principal": {"AWS": account.root_arn}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName="boss", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": trust}))
    iam.put_role_policy(RoleName="boss", PolicyName="all", PolicyDocument=ALLOW_ALL)
    signed_in.post("/keys/approvals/", {"do": "on"})
    signed_in.post(f"/keys/{key_id}/delete/", {"days": "10", "confirmed": "on"})
    (waiting,) = signed_in.get("/keys/approvals/").context["waiting"]
    assert signed_in.post("/principals/switch-role/", {"role": "boss"}).status_code == 302
    answer = signed_in.post("/keys/approvals/", {"do": "approve", "request": waiting.pk}, follow=True)
    assert "someone else approves it" in text(answer)
    assert account.client().describe_key(KeyId=key_id)["KeyMetadata"]["Enabled"] is True


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
    assert any('"errorCode":"AccessDenied"' in event["CloudTrailEvent"] for event in refused)


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


# --- the rule holds on every way, and only in its account


def test_another_accounts_rule_holds_nobody_up(
    account: TestAccount, other_account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the thread of a bulk job, which has nothing of the request but its client."""
    sign_in_browser(other_account.administrator).post("/keys/approvals/", {"do": "on"})
    monkeypatch.setattr(bulk, "AT_ONCE", 0.0)
    keys = [account.create_key() for _ in range(2)]
    form = {"action": "delete", "key": keys, "confirmed": "1", "days": "7", "typed": "delete 2"}
    job = signed_in.post("/keys/bulk/", form, follow=True).context["job"]
    for _ in range(100):
        if leases.is_held(f"bulk {job.pk}"):
            time.sleep(0.1)
    states = {account.client().describe_key(KeyId=each)["KeyMetadata"]["KeyState"] for each in keys}
    assert states == {"PendingDeletion"}


def test_a_job_that_was_begun_before_the_rule_is_held_by_it(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key()
    job = BulkJob.objects.create(
        account_id=account.account_id,
        region="us-east-1",
        owner=account.administrator.arn,
        action="delete",
        parameters={"PendingWindowInDays": 7},
        created=timezone.now(),
    )
    BulkItem.objects.create(job=job, key_id=key_id)
    signed_in.post("/keys/approvals/", {"do": "on"})
    page = signed_in.get(f"/keys/bulk/{job.pk}/")
    assert "ApprovalRequired" in text(page)
    assert account.client().describe_key(KeyId=key_id)["KeyMetadata"]["Enabled"] is True


def imported_key(account: TestAccount) -> str:
    kms, key_id = account.client(), account.create_key(Origin="EXTERNAL")
    given = kms.get_parameters_for_import(
        KeyId=key_id, WrappingAlgorithm="RSA_AES_KEY_WRAP_SHA_256", WrappingKeySpec="RSA_2048"
    )
    kms.import_key_material(
        KeyId=key_id,
        ImportToken=given["ImportToken"],
        EncryptedKeyMaterial=wrapping.wrap(given["PublicKey"], b"x" * 32, "RSA_AES_KEY_WRAP_SHA_256"),
        ExpirationModel="KEY_MATERIAL_EXPIRES",
        ValidTo=clock.now(account.account_id) + timedelta(days=20),
    )
    return key_id


def test_imported_material_is_deleted_by_two_persons_too(account: TestAccount, signed_in: Client) -> None:
    second, key_id = second_person(account), imported_key(account)
    state = lambda: account.client().describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"]  # noqa: E731
    signed_in.post("/keys/approvals/", {"do": "on"})
    page = signed_in.post(f"/keys/{key_id}/do/delete-material/", {"material": "", "confirmed": "on"}, follow=True)
    assert "Nothing happens to the key until another person approves it." in text(page)
    assert state() == "Enabled"
    (waiting,) = signed_in.get("/keys/approvals/").context["waiting"]
    second.post("/keys/approvals/", {"do": "approve", "request": waiting.pk})
    assert state() == "PendingImport"


@pytest.mark.parametrize("kind", ["deletion", "expiry"])
def test_one_person_does_not_bring_the_end_nearer_by_the_clock(
    account: TestAccount, signed_in: Client, kind: str
) -> None:
    key_id = imported_key(account) if kind == "expiry" else account.create_key()
    if kind == "deletion":
        account.client().schedule_key_deletion(KeyId=key_id, PendingWindowInDays=10)
    signed_in.post("/keys/approvals/", {"do": "on"})
    form = {"begin": "0", "seconds": str(40 * 86400), "typed": "destroy 1"}
    assert "ApprovalRequired" in text(signed_in.post("/settings/clock/", form, follow=True))
    assert timetravel.offset(account.account_id) == 0
    signed_in.post("/settings/clock/", {"begin": "0", "seconds": str(86400)})
    assert timetravel.offset(account.account_id) == 86400


# Who makes a KMS client or is given one past the guard, and why that deletes nothing unapproved.
CLIENT_MAKERS = {
    ("keys/service.py", "inprocess.attach"),  # what `client` and `by_aws_service` guard
    ("keys/service.py", "backends.remote_client"),  # likewise
    ("keys/endpoints/connections.py", "backends.remote_client"),  # a connection's test, which changes nothing
    ("keys/lifecycle/views/approvals.py", "service.approved"),  # after the second person's decision
    ("learn/labs/integrated.py", "service.by_aws_service"),  # guarded
}


def test_every_way_to_a_deletion_leads_past_the_guard() -> None:
    calls = {
        (path.relative_to(ROOT).as_posix(), ast.unparse(node.func))
        for room in ("console", "keys", "principals", "playground", "access", "audit", "learn", "kmsconsole")
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    }
    makers = ("inprocess.attach", "remote_client", "service.approved", "service.by_aws_service")
    assert {each for each in calls if each[1].endswith(makers)} == CLIENT_MAKERS


# --- programs


def test_the_policy_that_the_page_makes_lets_only_what_was_approved_here_delete(
    account: TestAccount, signed_in: Client
) -> None:
    key_id, iam = account.create_key(), account.client("iam")
    second = second_person(account)
    signed_in.post("/keys/approvals/", {"do": "on"})
    page = signed_in.post("/keys/approvals/", {"do": "policy"}, follow=True)
    arn = f"arn:aws:iam::{account.account_id}:policy/DeleteOnlyWhatTwoPersonsApproved"
    assert arn in text(page)
    for name in ("admin", "second"):
        iam.attach_user_policy(UserName=name, PolicyArn=arn)
    for call in (account.client().schedule_key_deletion, account.client().delete_imported_key_material):
        with pytest.raises(ClientError, match="with an explicit deny in an identity-based policy"):
            call(KeyId=key_id)
    signed_in.post(f"/keys/{key_id}/delete/", {"days": "10", "confirmed": "on"})
    (waiting,) = signed_in.get("/keys/approvals/").context["waiting"]
    second.post("/keys/approvals/", {"do": "approve", "request": waiting.pk})
    assert account.client().describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    (event,) = (
        json.loads(each["CloudTrailEvent"])
        for each in account.client("cloudtrail").lookup_events(
            LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "ScheduleKeyDeletion"}]
        )["Events"]
        if "errorCode" not in each["CloudTrailEvent"]
    )
    assert event["userIdentity"]["invokedBy"] == "kmsconsole.amazonaws.com"
