"""The integrated services: each makes its calls for real, with its context and on whose behalf; the record has them; a disabled key stops it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from django.test import Client

from keys.endpoints import backends
from learn.labs.services import SERVICES
from learn.models import ProtectedResource
from tests.conftest import REGION, TestAccount, sign_in_browser

PAGE = "/lab/services/"
OWN = [slug for slug, row in SERVICES.items() if row.alias]


def tick(browser: Client, keys: dict[str, str], *, keep: tuple[str, ...] = ()) -> Any:
    fields: dict[str, Any] = {"apply": "1", "tick": [*keys, *keep]}
    fields.update({f"key-{slug}": key for slug, key in keys.items()})
    return browser.post(PAGE, fields)


def calls(answer: Any) -> list[tuple[str, str]]:
    return [(each.operation, each.code or "OK") for each in answer.context["made"]]


def event_of(account: TestAccount, event_id: str) -> dict[str, Any]:
    wanted = [{"AttributeKey": "EventId", "AttributeValue": event_id}]
    (event,) = account.client("cloudtrail").lookup_events(LookupAttributes=wanted)["Events"]
    return json.loads(event["CloudTrailEvent"])


@pytest.mark.parametrize("slug", OWN)
def test_a_service_protects_reads_and_gives_up_under_its_own_key(
    account: TestAccount, signed_in: Client, slug: str
) -> None:
    row = SERVICES[slug]
    ticked = tick(signed_in, {slug: row.alias})
    assert calls(ticked) == [("DescribeKey", "OK"), *((step.operation, "OK") for step in row.protect)]
    kept = ProtectedResource.objects.get(account_id=account.account_id, service=slug)
    kms = account.client()
    assert kms.describe_key(KeyId=row.alias)["KeyMetadata"]["Arn"] == kept.key_arn
    assert len(kms.list_grants(KeyId=kept.key_arn)["Grants"]) == (1 if row.grant else 0)
    read = signed_in.post(PAGE, {"read": slug})
    assert calls(read) == [(step.operation, "OK") for step in row.read]
    tick(signed_in, {})
    assert kms.list_grants(KeyId=kept.key_arn)["Grants"] == []
    assert not ProtectedResource.objects.filter(account_id=account.account_id).exists()


def test_the_record_says_through_which_service_with_which_context(account: TestAccount, signed_in: Client) -> None:
    answer = tick(signed_in, {"ebs": account.create_key()})
    generate = next(each for each in answer.context["made"] if each.operation.startswith("Generate"))
    event = event_of(account, generate.event_id)
    assert event["userIdentity"]["arn"] == account.administrator.arn
    assert event["userIdentity"]["invokedBy"] == "ec2.amazonaws.com"
    kept = ProtectedResource.objects.get(account_id=account.account_id)
    assert json.loads(generate.sent)["EncryptionContext"] == generate.context
    assert event["requestParameters"]["encryptionContext"] == {"aws:ebs:id": f"vol-{kept.resource_id}"}
    read = signed_in.post(PAGE, {"read": "ebs"}).context["made"][0]
    assert event_of(account, read.event_id)["userIdentity"] == {"type": "AWSService", "invokedBy": "ec2.amazonaws.com"}


def test_the_events_page_says_which_service_it_was(account: TestAccount, signed_in: Client) -> None:
    made = tick(signed_in, {"rds": account.create_key()}).context["made"]
    through, itself = (signed_in.get(f"/audit/{each.event_id}/").content.decode() for each in made[-2:])
    assert "Through the service" in through
    assert "By the service itself" in itself
    assert '?user="' not in itself  # a link without a word


def test_no_page_holds_a_plaintext_data_key(account: TestAccount, signed_in: Client) -> None:
    tick(signed_in, {"s3": account.create_key()})
    kept = ProtectedResource.objects.get(account_id=account.account_id)
    context = {"aws:s3:arn": f"arn:aws:s3:::lab-{kept.resource_id}/report.pdf"}
    opened = account.client().decrypt(CiphertextBlob=bytes(kept.sealed), EncryptionContext=context)["Plaintext"]
    page = signed_in.post(PAGE, {"read": "s3"})
    assert base64.b64encode(opened) not in page.content
    assert opened.hex().encode() not in page.content
    assert "no-store" in page["Cache-Control"]


@pytest.mark.parametrize("slug", ["s3", "rds"])
def test_disabling_the_key_makes_the_read_fail_and_enabling_it_mends_that(
    account: TestAccount, signed_in: Client, slug: str
) -> None:
    key_id = account.create_key()
    tick(signed_in, {slug: key_id})
    assert calls(signed_in.post(PAGE, {"disable": slug})) == [("Decrypt", "DisabledException")]
    assert account.client().describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "Disabled"
    assert calls(signed_in.post(PAGE, {"enable": slug})) == [("Decrypt", "OK")]


def statement_for(answer: Any, slug: str) -> dict[str, Any]:
    (row,) = [row for row in answer.context["rows"] if row["service"].slug == slug]
    return json.loads(row["statement"])


def test_cloudtrail_needs_the_key_policy_to_name_it_and_the_page_says_how(
    account: TestAccount, signed_in: Client
) -> None:
    kms, key_id = account.client(), account.create_key()
    refused = tick(signed_in, {"cloudtrail": key_id})
    assert calls(refused) == [("DescribeKey", "AccessDeniedException")]
    assert "no resource-based policy allows" in refused.context["made"][0].message
    policy = json.loads(kms.get_key_policy(KeyId=key_id)["Policy"])
    policy["Statement"].append(statement_for(refused, "cloudtrail"))
    kms.put_key_policy(KeyId=key_id, Policy=json.dumps(policy))
    assert calls(tick(signed_in, {"cloudtrail": key_id})) == [("DescribeKey", "OK"), ("GenerateDataKey", "OK")]
    read = signed_in.post(PAGE, {"read": "cloudtrail"})
    assert calls(read) == [("Decrypt", "OK")]
    assert read.context["made"][0].via == f"s3.{REGION}.amazonaws.com"


def person(account: TestAccount, *actions: str, **condition: Any) -> Client:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*", "Condition": condition}
    user = account.create_user("ann", json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    account.client("iam").create_login_profile(UserName="ann", Password="correct horse battery")
    user.password = "correct horse battery"
    return sign_in_browser(user)


READS = ("kms:DescribeKey", "kms:List*")


def test_a_service_may_no_more_than_who_ticked_it(account: TestAccount) -> None:
    key_id = account.create_key()
    ann = person(account, *READS)
    refused = tick(ann, {"s3": key_id, "rds": key_id})
    assert calls(refused) == [
        ("GenerateDataKey", "AccessDeniedException"),
        ("DescribeKey", "OK"),
        ("CreateGrant", "AccessDeniedException"),
    ]
    assert not ProtectedResource.objects.filter(account_id=account.account_id).exists()


def test_who_may_use_a_key_through_a_service_alone_uses_it_so(account: TestAccount) -> None:
    key_id = account.create_key()
    ann = person(account, *READS, "kms:GenerateDataKey", "kms:Decrypt")
    iam = account.client("iam")
    via = {"StringNotEquals": {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}}
    deny = {"Effect": "Deny", "Action": "kms:GenerateDataKey", "Resource": "*", "Condition": via}
    document = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    iam.put_user_policy(UserName="ann", PolicyName="via", PolicyDocument=document)
    answer = tick(ann, {"s3": key_id, "codecommit": key_id})
    assert calls(answer) == [("GenerateDataKey", "OK"), ("GenerateDataKey", "AccessDeniedException")]


def test_who_may_not_configure_a_trail_has_cloudtrail_do_nothing(account: TestAccount) -> None:
    key_id = account.create_key()
    ann = person(account, *READS)
    refused = tick(ann, {"cloudtrail": key_id})
    assert calls(refused) == [("UpdateTrail", "AccessDeniedException")]


def test_what_did_not_come_about_leaves_no_grant(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key()
    deny = {"Effect": "Deny", "Principal": "*", "Action": "kms:Encrypt", "Resource": "*"}
    allow = {"Effect": "Allow", "Principal": {"AWS": account.root_arn}, "Action": "kms:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow, deny]})
    account.client().put_key_policy(KeyId=key_id, Policy=policy)
    answer = tick(signed_in, {"lambda": key_id})
    assert calls(answer) == [("CreateGrant", "OK"), ("Encrypt", "AccessDeniedException"), ("RetireGrant", "OK")]
    assert account.client().list_grants(KeyId=key_id)["Grants"] == []


def test_what_one_person_ticked_is_not_anothers(account: TestAccount, signed_in: Client) -> None:
    tick(signed_in, {"s3": account.create_key()})
    ann = person(account, *READS)
    assert calls(ann.post(PAGE, {"read": "s3"})) == []
    assert all(row.get("kept") is None for row in ann.get(PAGE).context["rows"])


@pytest.mark.parametrize("key", ["", "alias/aws/rds", "arn:aws:kms:us-east-1:999999999999:key/x"])
def test_only_a_key_that_is_offered_is_taken(account: TestAccount, signed_in: Client, key: str) -> None:
    answer = tick(signed_in, {"s3": key})
    assert answer.status_code == 422
    assert not ProtectedResource.objects.filter(account_id=account.account_id).exists()


def test_on_another_endpoint_the_page_says_why_it_does_nothing(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = backends.Backend("x", backends.URL, "Elsewhere", url="http://127.0.0.1:1", scope="x", current=True)
    monkeypatch.setattr(backends, "current", lambda request: elsewhere)
    answer = tick(signed_in, {"s3": "alias/aws/s3"})
    assert answer.status_code == 409
    assert "Not on this endpoint" in answer.content.decode()
    assert not ProtectedResource.objects.filter(account_id=account.account_id).exists()


def test_every_service_names_its_resource_in_the_context() -> None:
    for row in SERVICES.values():
        assert row.context
        assert "{id}" in json.dumps(dict(row.context)) + row.arn


@pytest.mark.parametrize("slug", SERVICES)
def test_a_diagram_has_each_call_of_the_service_and_on_whose_behalf_it_is(signed_in: Client, slug: str) -> None:
    row, answer = SERVICES[slug], signed_in.get(f"{PAGE}{slug}/")
    calls = [(message.words, message.behalf) for *_lanes, message in answer.context["exchanged"] if message.behalf]
    steps = (*row.protect, *row.read, row.read[0])
    assert calls == [(step.operation, "as itself" if step.itself else "on your behalf") for step in steps]
    arrows = answer.context["diagram"].arrows
    assert len(arrows) == len(answer.context["exchanged"])
    assert sum(arrow.message.kind == "refusal" for arrow in arrows) == 2
    assert str(row.stops) in answer.content.decode()


def test_there_is_no_diagram_of_another_service(signed_in: Client) -> None:
    assert signed_in.get(f"{PAGE}sqs/").status_code == 404
