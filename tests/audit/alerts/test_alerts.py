"""Rules that look at the record: what each finds and what not, once, and to whom it is told."""

from __future__ import annotations

import html
import json
import re
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from django.core import mail
from django.test import Client
from django.utils import timezone

from audit.alerts import delivery, watch
from audit.alerts.kinds import KINDS
from audit.alerts.models import Alert, AlertRule, Delivery
from audit.alerts.widening import widened
from engine.iam import root_user
from engine.trail.verify import Verdict
from keys.record import events as record
from tests.conftest import TestAccount, sign_in_browser
from tests.engine.sinks.test_sinks import Collector, is_signed
from tests.support.dripping import dripping
from tests.support.policies import allow, document, person


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


def make(browser: Client, kind: str, **fields: str) -> Any:
    given = {"name": kind, "kind": kind, "enabled": "on", "denials": "3", "minutes": "5", **fields}
    return browser.post("/audit/alerts/new/", given)


def found(account: TestAccount) -> list[str]:
    while watch.look():
        pass
    alerts = Alert.objects.filter(account_id=account.account_id).select_related("rule").order_by("pk")
    return [delivery.sentence(each) for each in alerts]


def refused(call: Any, **parameters: Any) -> None:
    with pytest.raises(ClientError):
        call(**parameters)


def test_a_scheduled_deletion_is_found_once(account: TestAccount, signed_in: Client) -> None:
    kms, before = account.client(), account.create_key()
    kms.schedule_key_deletion(KeyId=before)
    assert make(signed_in, "deletion").status_code == 302
    key = account.create_key()
    kms.schedule_key_deletion(KeyId=key)
    refused(kms.schedule_key_deletion, KeyId=key)
    assert len(found(account)) == 1
    assert len(found(account)) == 1
    page = signed_in.get("/audit/alerts/").content.decode()
    assert key in page
    assert before not in page
    event = re.search(r'href="(/audit/[0-9a-f-]{36}/)"', page)
    assert event
    assert "ScheduleKeyDeletion" in signed_in.get(event[1]).content.decode()


def test_an_alert_names_its_key_and_its_moment_as_all_pages_do(account: TestAccount, signed_in: Client) -> None:
    kms, key = account.client(), account.create_key()
    kms.create_alias(AliasName="alias/payments", TargetKeyId=key)
    make(signed_in, "deletion")
    date = kms.schedule_key_deletion(KeyId=key)["DeletionDate"]
    (said,) = found(account)
    assert said == f"The deletion of the key is scheduled for {date:%Y-%m-%d %H:%M:%S} UTC."
    page = signed_in.get("/audit/alerts/").content.decode()
    assert f'href="/keys/{key}/">payments</a>' in page
    assert said in page


def test_an_alert_of_a_primary_key_that_waits_for_its_replicas_names_no_date(
    account: TestAccount, signed_in: Client
) -> None:
    kms, key = account.client(), account.create_key(MultiRegion=True)
    kms.replicate_key(KeyId=key, ReplicaRegion="eu-west-1")
    make(signed_in, "deletion")
    kms.schedule_key_deletion(KeyId=key)
    assert found(account) == [
        "The deletion of the key is scheduled: its waiting period begins when its last replica key is deleted."
    ]


def test_a_policy_that_allows_more_is_found_with_its_statements(account: TestAccount, signed_in: Client) -> None:
    kms, key = account.client(), account.create_key()
    make(signed_in, "policy")
    policy = json.loads(kms.get_key_policy(KeyId=key)["Policy"])
    policy["Id"] = "another"
    kms.put_key_policy(KeyId=key, Policy=json.dumps(policy))
    assert found(account) == []
    user = account.create_user("reader").arn
    policy["Statement"].append(
        {"Sid": "Read", "Effect": "Allow", "Principal": {"AWS": user}, "Action": "kms:Decrypt", "Resource": "*"}
    )
    kms.put_key_policy(KeyId=key, Policy=json.dumps(policy))
    assert found(account) == ["The key's policy may allow more than before: Read."]
    del policy["Statement"][-1]
    kms.put_key_policy(KeyId=key, Policy=json.dumps(policy))
    assert len(found(account)) == 1


ALLOW = {
    "Sid": "S",
    "Effect": "Allow",
    "Principal": {"AWS": "111122223333"},
    "Action": ["kms:Encrypt"],
    "Resource": "*",
}
DENY = {"Sid": "D", "Effect": "Deny", "Principal": "*", "Action": ["kms:Decrypt", "kms:Sign"], "Resource": "*"}
CONDITION = {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}


@pytest.mark.parametrize(
    ("older", "newer", "more"),
    [
        ([ALLOW], [{**ALLOW, "Action": ["kms:encrypt"]}], []),
        ([ALLOW], [{**ALLOW, "Action": ["kms:Encrypt", "kms:Decrypt"]}], ["S"]),
        ([ALLOW], [{**ALLOW, "Principal": "*"}], ["S"]),
        ([{**ALLOW, "Action": ["kms:Encrypt", "kms:Decrypt"]}], [ALLOW], []),
        ([ALLOW], [{**ALLOW, "Condition": CONDITION}], ["S"]),
        ([{**ALLOW, "Condition": CONDITION}], [ALLOW], ["S"]),
        ([ALLOW], [ALLOW, DENY], []),
        ([ALLOW, DENY], [ALLOW], ["D"]),
        ([DENY], [{**DENY, "Action": ["kms:Decrypt"]}], ["D"]),
        ([{**DENY, "Action": ["kms:Decrypt"]}], [DENY], []),
        ([DENY], [{**DENY, "Effect": "Allow"}], ["D"]),
        ([{**ALLOW, "NotAction": "kms:Sign"}], [{**ALLOW, "NotAction": []}], ["S"]),
        ([], [{key: value for key, value in ALLOW.items() if key != "Sid"}], ["#1"]),
        ([ALLOW], [{**ALLOW, "Sid": "T"}], []),
    ],
)
def test_a_policy_allows_more_by_what_its_statements_say(older: list[Any], newer: list[Any], more: list[str]) -> None:
    assert widened(json.dumps({"Statement": older}), json.dumps({"Statement": newer})) == more


def test_denied_calls_are_found_when_they_are_many_within_the_minutes(account: TestAccount, signed_in: Client) -> None:
    key, stranger = account.create_key(), account.create_user("stranger").client()
    make(signed_in, "denials")
    for _ in range(2):
        refused(stranger.encrypt, KeyId=key, Plaintext=b"x")
    account.move_clock(minutes=6)
    for _ in range(2):
        refused(stranger.encrypt, KeyId=key, Plaintext=b"x")
    assert found(account) == []
    refused(stranger.encrypt, KeyId=key, Plaintext=b"x")
    assert found(account) == ["3 calls were denied within 5 minutes."]
    refused(stranger.encrypt, KeyId=key, Plaintext=b"x")
    assert len(found(account)) == 1


def test_uses_of_a_disabled_key_are_found_once_an_hour(account: TestAccount, signed_in: Client) -> None:
    kms, key = account.client(), account.create_key()
    make(signed_in, "unusable")
    kms.disable_key(KeyId=key)
    for _ in range(2):
        refused(kms.encrypt, KeyId=key, Plaintext=b"x")
    assert found(account) == ["Encrypt was refused: DisabledException."]
    account.move_clock(hours=2)
    refused(kms.encrypt, KeyId=key, Plaintext=b"x")
    assert len(found(account)) == 2


def test_a_use_from_an_address_that_is_new_is_found(account: TestAccount, signed_in: Client) -> None:
    kms, key = account.client(), account.create_key()
    kms.encrypt(KeyId=key, Plaintext=b"x")
    make(signed_in, "address")
    kms.encrypt(KeyId=key, Plaintext=b"x")
    assert found(account) == []
    rule = AlertRule.objects.get(account_id=account.account_id)
    assert list(rule.state["addresses"]) == ["127.0.0.1"]
    rule.state = {"addresses": {"192.0.2.1": 1}}
    rule.save()
    kms.encrypt(KeyId=key, Plaintext=b"x")
    kms.encrypt(KeyId=key, Plaintext=b"x")
    assert found(account) == ["A key was used from 127.0.0.1 for the first time."]


def test_a_record_that_does_not_verify_is_told_once(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(signed_in, "verification")
    assert found(account) == []
    broken = Verdict(records=5, last_hash="", broken_at=3, reason="the hash is another one", torn=0)
    monkeypatch.setattr(record, "begin_verification", lambda: None)
    monkeypatch.setattr(record, "last_verdict", lambda: (timezone.now(), asdict(broken)))
    AlertRule.objects.filter(account_id=account.account_id).update(state={})
    assert found(account) == ["The record does not verify: record 3: the hash is another one"]
    rule = AlertRule.objects.get(account_id=account.account_id)
    AlertRule.objects.filter(pk=rule.pk).update(state={**rule.state, "next": 0})
    assert len(found(account)) == 1


def test_a_rule_that_is_disabled_looks_at_nothing_and_begins_anew_when_enabled(
    account: TestAccount, signed_in: Client
) -> None:
    kms = account.client()
    make(signed_in, "deletion")
    rule = AlertRule.objects.get(account_id=account.account_id)
    fields = {"name": "deletion", "emails": "", "webhook": ""}
    signed_in.post(f"/audit/alerts/{rule.pk}/", fields)
    kms.schedule_key_deletion(KeyId=account.create_key())
    assert found(account) == []
    signed_in.post(f"/audit/alerts/{rule.pk}/", {**fields, "enabled": "on"})
    assert found(account) == []
    kms.schedule_key_deletion(KeyId=account.create_key())
    assert len(found(account)) == 1


def test_other_accounts_see_nothing_of_it(account: TestAccount, other_account: TestAccount, signed_in: Client) -> None:
    make(signed_in, "deletion")
    account.client().schedule_key_deletion(KeyId=account.create_key())
    other_account.client().schedule_key_deletion(KeyId=other_account.create_key())
    assert len(found(account)) == 1
    assert found(other_account) == []
    rule = AlertRule.objects.get(account_id=account.account_id)
    stranger = sign_in_browser(other_account.administrator)
    assert stranger.get(f"/audit/alerts/{rule.pk}/").status_code == 404
    assert stranger.post(f"/audit/alerts/{rule.pk}/delete/").status_code == 404
    stranger.post("/audit/alerts/", {"do": "all"})
    assert Alert.objects.filter(account_id=account.account_id, acknowledged=None).count() == 1


def test_alerts_are_acknowledged_one_by_one_or_all(account: TestAccount, signed_in: Client) -> None:
    make(signed_in, "deletion")
    for _ in range(3):
        account.client().schedule_key_deletion(KeyId=account.create_key())
    assert len(found(account)) == 3
    first = Alert.objects.filter(account_id=account.account_id).first()
    assert first
    signed_in.post("/audit/alerts/", {"do": "chosen", "alert": str(first.pk)})
    assert "(2)" in signed_in.get("/audit/alerts/").content.decode()
    signed_in.post("/audit/alerts/", {"do": "all"})
    page = signed_in.get("/audit/alerts/?show=all").content.decode()
    assert page.count("Acknowledged") == 3
    assert account.administrator.arn in page


def test_who_may_only_look_makes_no_rule(account: TestAccount) -> None:
    allowed = ["kmsconsole:ListAlerts", "kmsconsole:ReadRecord", "cloudtrail:LookupEvents"]
    reader = sign_in_browser(person(account, "reader", document(allow(allowed))))
    assert reader.get("/audit/alerts/").status_code == 200
    answer = make(reader, "deletion")
    assert answer.status_code == 403
    assert "kmsconsole:ManageAlerts" in answer.content.decode()
    nobody = sign_in_browser(person(account, "nobody"))
    assert nobody.get("/audit/alerts/").status_code == 403
    assert not AlertRule.objects.filter(account_id=account.account_id).exists()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": ""}, "This field is required"),
        ({"kind": "denials", "denials": ""}, "This field is required"),
        ({"kind": "denials", "minutes": "0"}, "greater than or equal to 1"),
        ({"webhook": "ftp://example.org/"}, "Enter a valid URL"),
        ({"emails": "a@example.org"}, "KMSCONSOLE_SMTP_URL is not set"),
    ],
)
def test_a_wrong_rule_is_told_beside_the_field_and_kept(signed_in: Client, fields: dict[str, str], said: str) -> None:
    answer = make(signed_in, fields.pop("kind", "deletion"), **fields)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert said in page
    assert all(value in page for value in fields.values())


def test_a_rule_is_asked_for_the_numbers_of_its_own_kind_alone(account: TestAccount, signed_in: Client) -> None:
    page = signed_in.get("/audit/alerts/new/").content.decode()
    assert "when-denials" in page  # the style sheet shows what is in it for this kind alone, without scripts
    assert 'type="number"' not in page  # a browser would refuse a form for a number that it does not show
    assert make(signed_in, "deletion", denials="1", minutes="many").status_code == 302
    assert AlertRule.objects.get(account_id=account.account_id).settings == {}


def test_a_webhook_gets_signed_messages_until_it_takes_them(
    account: TestAccount, signed_in: Client, collector: Collector
) -> None:
    collector.status = 500
    answer = make(signed_in, "deletion", webhook=collector.url)
    secret = re.search(r"whsec_[A-Za-z0-9+/=]+", answer.content.decode())
    assert secret
    assert "no-store" in answer["Cache-Control"]
    rule = AlertRule.objects.get(account_id=account.account_id)
    assert secret[0].encode() not in bytes(rule.sealed_secret)
    assert secret[0] not in signed_in.get(f"/audit/alerts/{rule.pk}/").content.decode()
    key = account.create_key()
    account.client().schedule_key_deletion(KeyId=key)
    found(account)
    delivery.deliver_due()
    assert "the receiver answered 500" in signed_in.get("/audit/alerts/").content.decode()
    collector.status = 204
    Delivery.objects.filter(delivered=None).update(due=timezone.now() - timedelta(seconds=1))
    delivery.deliver_due()
    assert not delivery.deliver_due()
    assert re.search(r"✓ Sent</span>\s*webhook", signed_in.get("/audit/alerts/").content.decode())
    (headers, body), *others = collector.requests
    assert not others
    assert is_signed(secret[0], headers, body)
    assert json.loads(body)["data"]["key"].endswith(key)


def test_a_webhook_that_is_never_taken_is_given_up_and_shown_so(account: TestAccount, signed_in: Client) -> None:
    make(signed_in, "deletion", webhook="http://127.0.0.1:1/")
    account.client().schedule_key_deletion(KeyId=account.create_key())
    found(account)
    for _ in range(12):
        Delivery.objects.update(due=timezone.now() - timedelta(seconds=1))
        delivery.deliver_due()
    row = Delivery.objects.get(alert__account_id=account.account_id)
    assert row.ended
    assert row.attempts == 9
    assert "Given up" in signed_in.get("/audit/alerts/").content.decode()


def test_a_webhook_that_answers_drop_by_drop_holds_up_nobody_elses(
    account: TestAccount,
    other_account: TestAccount,
    signed_in: Client,
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delivery, "_SECONDS", 0.3)
    with dripping(b"HTTP/1.1 200 OK\r\nX: ") as url:
        make(signed_in, "deletion", webhook=url)
        make(sign_in_browser(other_account.administrator), "deletion", webhook=collector.url)
        for _ in range(3):
            account.client().schedule_key_deletion(KeyId=account.create_key())
        other_account.client().schedule_key_deletion(KeyId=other_account.create_key())
        found(account)
        begun = time.monotonic()
        assert delivery.deliver_due(), "two of the first account still wait"
        assert time.monotonic() - begun < 3
    assert len(collector.requests) == 1
    problems = Delivery.objects.filter(alert__account_id=account.account_id).order_by("pk")
    assert [bool(each.problem) for each in problems] == [True, False, False]


def test_no_webhook_goes_to_an_address_that_is_never_connected_to(account: TestAccount, signed_in: Client) -> None:
    make(signed_in, "deletion", webhook="http://169.254.169.254/latest/")
    account.client().schedule_key_deletion(KeyId=account.create_key())
    found(account)
    delivery.deliver_due()
    assert "does not connect to" in Delivery.objects.get(alert__account_id=account.account_id).problem


def test_an_alert_goes_by_e_mail(account: TestAccount, signed_in: Client, settings: Any) -> None:
    settings.EMAIL_HOST = "mail.example.org"
    make(signed_in, "deletion", emails="a@example.org\nb@example.org")
    key = account.create_key()
    account.client().schedule_key_deletion(KeyId=key)
    found(account)
    delivery.deliver_due()
    (sent,) = mail.outbox
    assert sent.to == ["a@example.org", "b@example.org"]
    assert sent.subject == "[kmsconsole] deletion"
    assert key in sent.body


def test_a_deleted_rule_takes_its_alerts_with_it(account: TestAccount, signed_in: Client) -> None:
    make(signed_in, "deletion")
    account.client().schedule_key_deletion(KeyId=account.create_key())
    found(account)
    rule = AlertRule.objects.get(account_id=account.account_id)
    assert "(1)" in signed_in.get(f"/audit/alerts/{rule.pk}/delete/").content.decode()
    signed_in.post(f"/audit/alerts/{rule.pk}/delete/")
    assert not Alert.objects.filter(account_id=account.account_id).exists()
    names = [each["EventName"] for each in account.client("cloudtrail").lookup_events()["Events"]]
    assert "ManageAlerts" in names


def test_what_each_kind_of_rule_finds_goes_to_the_page_by_e_mail_and_to_the_webhook(
    account: TestAccount, signed_in: Client, collector: Collector, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EMAIL_HOST = "mail.example.org"
    secrets = {}
    for kind in KINDS:
        answer = make(signed_in, kind, emails="a@example.org", webhook=collector.url)
        (secrets[kind],) = re.findall(r"whsec_[A-Za-z0-9+/=]+", answer.content.decode())
    kms, key = account.client(), account.create_key()
    stranger = account.create_user("stranger").client()
    policy = json.loads(kms.get_key_policy(KeyId=key)["Policy"])
    kms.put_key_policy(KeyId=key, Policy=json.dumps({**policy, "Statement": [*policy["Statement"], {**ALLOW, "Principal": "*"}]}))  # fmt: skip
    kms.encrypt(KeyId=key, Plaintext=b"x")
    for _ in range(3):
        refused(stranger.decrypt, KeyId=key, CiphertextBlob=kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"])
    kms.disable_key(KeyId=key)
    refused(kms.encrypt, KeyId=key, Plaintext=b"x")
    kms.schedule_key_deletion(KeyId=key)
    root_user.switch_on(account.account_id)
    Client().post("/principals/sign-in/root/", {"account": account.account_id, "password": "another"})
    broken = Verdict(records=5, last_hash="", broken_at=3, reason="the hash is another one", torn=0)
    monkeypatch.setattr(record, "begin_verification", lambda: None)
    monkeypatch.setattr(record, "last_verdict", lambda: (timezone.now(), asdict(broken)))
    found(account)
    while delivery.deliver_due():
        pass
    told = {each.rule.kind for each in Alert.objects.filter(account_id=account.account_id).select_related("rule")}
    assert told == set(KINDS)
    page = html.unescape(signed_in.get("/audit/alerts/").content.decode())
    mailed = {each.subject.removeprefix("[kmsconsole] "): each.body for each in mail.outbox}
    posted = {json.loads(body)["data"]["kind"]: (headers, body) for headers, body in collector.requests}
    assert set(mailed) == set(posted) == set(KINDS)
    for kind, (headers, body) in posted.items():
        said = json.loads(body)["data"]["message"]
        assert said in page
        assert mailed[kind].startswith(said)
        assert is_signed(secrets[kind], headers, body)
