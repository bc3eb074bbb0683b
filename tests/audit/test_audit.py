"""The audit pages: filters, ranges, exports, what state every key was in on a date, and whether the record is complete."""

from __future__ import annotations

import csv
import io
import json
import uuid
from datetime import timedelta

import pytest
from django.test import Client

from engine import clock
from engine.trail import checkpoints
from tests.conftest import TestAccount, TestUser, sign_in_browser
from tests.support.answers import body, text, verified
from tests.support.policies import allow, document, person


def test_events_are_of_the_range_that_was_asked_for(account: TestAccount, signed_in: Client) -> None:
    first = account.create_key()
    between = clock.now(account.account_id) + timedelta(days=1)
    account.move_clock(days=2)
    account.create_key()
    early = signed_in.get("/audit/", {"operation": "CreateKey", "end": between.isoformat()}).context["events"]
    assert [event["keys"] for event in early] == [[first]]
    late = signed_in.get("/audit/", {"operation": "CreateKey", "start": between.isoformat()}).context["events"]
    assert len(late) == 1
    as_of = signed_in.get("/audit/", {"operation": "CreateKey", "as_of": between.isoformat()}).context["events"]
    assert [event["keys"] for event in as_of] == [[first]]


def test_a_range_that_ends_before_it_begins_is_refused_beside_the_field(signed_in: Client) -> None:
    answer = signed_in.get("/audit/", {"start": "2026-02-01", "end": "2026-01-01"})
    assert answer.status_code == 422
    assert "The end is before the beginning." in answer.content.decode()
    assert 'value="2026-02-01T00:00"' in answer.content.decode()


def test_a_date_that_is_none_is_refused(signed_in: Client) -> None:
    assert signed_in.get("/audit/keys/", {"as_of": "yesterday"}).status_code == 400


def test_events_are_exported_with_the_filter(account: TestAccount, signed_in: Client) -> None:
    key = account.create_key(Description="=1+1")
    account.create_key()
    lines = list(csv.DictReader(io.StringIO(body(signed_in.get("/audit/export/", {"key": key})))))
    assert [line["eventName"] for line in lines] == ["CreateKey"]
    assert lines[0]["principal"] == account.administrator.arn
    text = body(signed_in.get("/audit/export/", {"operation": "CreateKey", "format": "json"}))
    assert [json.loads(line)["eventName"] for line in text.splitlines()] == ["CreateKey"] * 2


def test_who_may_not_look_events_up_sees_none(account: TestAccount, signed_in: Client) -> None:
    account.create_key(Description="secret project")
    allowed = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    user = account.create_user("ann", json.dumps({"Version": "2012-10-17", "Statement": [allowed]}))
    account.client("iam").create_login_profile(UserName="ann", Password="long enough")
    ann = sign_in_browser(TestUser(account, "ann", user.arn, "", "", "long enough"))
    for address in ("/audit/", "/audit/keys/", "/audit/export/", "/audit/keys/?format=csv"):
        answer = ann.get(address)
        assert answer.status_code == 403, address
        assert "secret project" not in answer.content.decode()


@pytest.mark.parametrize("missing", ["kmsconsole:ReadRecord", "cloudtrail:LookupEvents"])
def test_states_at_a_date_and_the_verification_take_the_consoles_own_action(account: TestAccount, missing: str) -> None:
    account.create_key(Description="secret project")
    actions = {"kms:*", "kmsconsole:ReadRecord", "cloudtrail:LookupEvents"} - {missing}
    ann = sign_in_browser(person(account, "ann", document(allow(sorted(actions)))))
    for answer in (ann.get("/audit/keys/"), ann.get("/audit/keys/?format=csv"), ann.post("/audit/verify/")):
        assert answer.status_code == 403
        assert f"is not authorized to perform: {missing}" in text(answer)
        assert "secret project" not in text(answer)


def test_the_record_is_whole(account: TestAccount, signed_in: Client) -> None:
    account.create_key()
    assert "The chain is whole." in verified(signed_in)


def test_a_record_that_does_not_reach_its_checkpoint_is_not_called_whole(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.create_key()
    beyond = checkpoints.Checkpoint(10**9, bytes(32), clock.real_now(), {account.account_id: (10**9, bytes(32))})
    monkeypatch.setattr(checkpoints, "stored", lambda: beyond)
    page = verified(signed_in)
    assert "The record is not complete." in page
    assert "records are missing: numbers" in page
    assert "The chain is whole." not in page


def test_a_checkpoint_that_cannot_be_read_leaves_the_question_open(
    signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone() -> None:
        raise checkpoints.CheckpointError("the stored checkpoint of the audit trail is gone")

    monkeypatch.setattr(checkpoints, "stored", gone)
    page = verified(signed_in)
    assert "Whether the record is complete cannot be told." in page
    assert "The chain is whole." not in page


def test_an_event_is_shown_whole(account: TestAccount, signed_in: Client) -> None:
    key = account.create_key(Description="what it is for")
    (found,) = account.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "CreateKey"}]
    )["Events"]
    page = signed_in.get(f"/audit/{found['EventId']}/").content.decode()
    for shown in ("CreateKey", account.administrator.arn, key, "what it is for", found["EventId"]):
        assert shown in page
    assert signed_in.get(f"/audit/{uuid.uuid4()}/").status_code == 404


def test_reads_by_the_console_are_hidden_counted_and_shown_on_demand(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key()
    signed_in.get(f"/keys/{key_id}/")
    signed_in.get("/")
    page = signed_in.get("/audit/")
    names = [event["name"] for event in page.context["events"]]
    assert "CreateKey" in names
    assert "DescribeKey" not in names
    assert "ReadRecord" not in names, "the console's own actions are marked as its calls are"
    hidden = page.context["reads_hidden"]
    assert f"{hidden} reads by this console are hidden." in " ".join(page.content.decode().split())
    shown = signed_in.get("/audit/?reads=on").context
    assert "DescribeKey" in [event["name"] for event in shown["events"]]
    assert shown["reads_hidden"] == 0


def test_a_use_a_denial_and_a_program_s_read_are_never_hidden(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key()
    account.client().describe_key(KeyId=key_id)
    signed_in.post("/play/encrypt/", {"KeyId": key_id, "Plaintext": "x", "Plaintext_as": "text"})
    names = [event["name"] for event in signed_in.get("/audit/").context["events"]]
    assert names.count("Encrypt") == 1
    assert names.count("DescribeKey") == 1


@pytest.mark.parametrize("address", ["/audit/export/", "/keys/export/"])
def test_a_format_that_there_is_not_is_no_other_one(signed_in: Client, address: str) -> None:
    assert signed_in.get(address, {"format": "parquet"}).status_code == 404
    assert signed_in.get(address).status_code == 200


def test_an_export_has_the_reads_of_the_console_too(account: TestAccount, signed_in: Client) -> None:
    signed_in.get(f"/keys/{account.create_key()}/")
    assert "DescribeKey" in body(signed_in.get("/audit/export/?format=csv"))


def test_a_filter_by_alias_is_resolved_or_refused_beside_the_field(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key()
    account.client().create_alias(AliasName="alias/payments", TargetKeyId=key_id)
    account.client().encrypt(KeyId="alias/payments", Plaintext=b"x")
    found = signed_in.get("/audit/?key=payments&operation=Encrypt").context["events"]
    assert [event["keys"] for event in found] == [[key_id]]
    refused = signed_in.get("/audit/?key=alias/nothing")
    assert refused.status_code == 422
    assert "NotFoundException" in refused.context["form"].errors["key"][0]
    assert 'value="alias/nothing"' in refused.content.decode()
    assert "Nothing was searched" in refused.content.decode()
    assert "No event matches." not in refused.content.decode()


def test_an_export_is_not_cut(account: TestAccount, signed_in: Client) -> None:
    for _ in range(120):
        account.client().list_keys()
    assert body(signed_in.get("/audit/export/?operation=ListKeys")).count("ListKeys") == 120
