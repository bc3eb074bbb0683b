"""A key's page: its tabs from the trail, its actions with what they would answer, grants, Regions and deletion."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from django.test import Client

from keys import answers, charts, grants
from tests.conftest import REGION, TestAccount, TestUser, sign_in_browser

NOTHING = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]})
ALLOW_ALL = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})


def text(answer: Any) -> str:
    return answer.content.decode()


def in_state(account: TestAccount, state: str) -> str:
    kms = account.client()
    if state == "PendingImport":
        return account.create_key(Origin="EXTERNAL", MultiRegion=True)
    key_id = account.create_key(MultiRegion=True)
    if state == "PendingReplicaDeletion":
        kms.replicate_key(KeyId=key_id, ReplicaRegion="eu-west-1")
        account.move_clock(minutes=10)
    if state in ("PendingDeletion", "PendingReplicaDeletion"):
        kms.schedule_key_deletion(KeyId=key_id)
    elif state == "Disabled":
        kms.disable_key(KeyId=key_id)
    return key_id


CALLS: dict[str, Any] = {
    "enable": ("enable_key", {}),
    "disable": ("disable_key", {}),
    "delete": ("schedule_key_deletion", {}),
    "cancel-deletion": ("cancel_key_deletion", {}),
    "rotate": ("rotate_key_on_demand", {}),
    "rotation-on": ("enable_key_rotation", {}),
    "rotation-off": ("disable_key_rotation", {}),
    "describe": ("update_key_description", {"Description": "x"}),
    "tag-add": ("tag_resource", {"Tags": [{"TagKey": "a", "TagValue": "b"}]}),
    "tag-delete": ("untag_resource", {"TagKeys": ["a"]}),
    "replicate": ("replicate_key", {"ReplicaRegion": "ap-south-1"}),
    "grant-add": ("create_grant", {"Operations": ["DescribeKey"]}),
}


@pytest.mark.parametrize("state", ["Enabled", "Disabled", "PendingImport", "PendingDeletion", "PendingReplicaDeletion"])
@pytest.mark.parametrize("action", CALLS)
def test_what_a_disabled_action_says_is_what_the_engine_answers(account: TestAccount, action: str, state: str) -> None:
    key_id = in_state(account, state)
    kms = account.client()
    key = kms.describe_key(KeyId=key_id)["KeyMetadata"]
    assert key["KeyState"] == state
    operation, parameters = CALLS[action]
    if action == "grant-add":
        parameters = {**parameters, "GranteePrincipal": account.root_arn}
    said = answers.refused(key).get(action, "")
    try:
        getattr(kms, operation)(KeyId=key_id, **parameters)
        answered = ""
    except ClientError as error:
        answered = f"{error.response['Error']['Code']}: {error.response['Error']['Message']}"
    assert said == answered


def test_the_use_tab_counts_by_principal_operation_and_error(account: TestAccount, signed_in: Client) -> None:
    key_id, kms = account.create_key(), account.client()
    bob = account.create_user("bob")
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]
    for _ in range(2):
        kms.decrypt(CiphertextBlob=blob)
    with pytest.raises(ClientError):
        bob.client().decrypt(CiphertextBlob=blob)
    context = signed_in.get(f"/keys/{key_id}/tab/use/?days=1").context
    groups = {
        head: {share.name: (share.done, share.refused) for share in shares} for _w, head, shares in context["groups"]
    }
    assert groups["Principal"] == {account.administrator.arn: (3, 0), bob.arn: (0, 1)}
    assert groups["Operation"] == {"Encrypt": (1, 0), "Decrypt": (2, 1)}
    assert groups["Error"] == {"AccessDenied": (0, 1)}
    assert sum(each.done + each.refused for _label, each in context["columns"]) == 4 == context["total"]


def test_the_timeline_has_every_change_with_the_state_from_then_on(account: TestAccount, signed_in: Client) -> None:
    key_id, kms = account.create_key(), account.client()
    kms.disable_key(KeyId=key_id)
    kms.enable_key(KeyId=key_id)
    kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=9)
    kms.cancel_key_deletion(KeyId=key_id)
    context = signed_in.get(f"/keys/{key_id}/tab/timeline/").context
    assert [(change.event.name, change.state) for change in context["changes"]] == [
        ("CancelKeyDeletion", "Disabled"),
        ("ScheduleKeyDeletion", "PendingDeletion"),
        ("EnableKey", "Enabled"),
        ("DisableKey", "Disabled"),
        ("CreateKey", "Enabled"),
    ]
    assert [each.state for each in context["strip"]][-1] == "Disabled"


def test_the_impact_tab_tells_who_uses_what_and_what_goes(account: TestAccount, signed_in: Client) -> None:
    key_id, kms = account.create_key(), account.client()
    kms.create_alias(AliasName="alias/payroll", TargetKeyId=key_id)
    kms.create_grant(KeyId=key_id, GranteePrincipal=account.root_arn, Operations=["Encrypt"])
    kms.encrypt(KeyId=key_id, Plaintext=b"x", EncryptionContext={"tenant": "blue"})
    answer = signed_in.get(f"/keys/{key_id}/tab/impact/")
    context = answer.context
    assert context["used"].operation == "Encrypt"
    assert [(each.name, each.value, each.made) for each in context["data"]] == [("tenant", "blue", 1)]
    assert context["ciphertexts"] == 1
    assert "alias/payroll" in text(answer)
    assert len(context["key_grants"]) == 1


def test_a_key_in_use_is_deleted_only_by_typing_its_alias(account: TestAccount, signed_in: Client) -> None:
    key_id, kms = account.create_key(), account.client()
    kms.create_alias(AliasName="alias/payroll", TargetKeyId=key_id)
    kms.encrypt(KeyId=key_id, Plaintext=b"x")
    address, sent = f"/keys/{key_id}/delete/", {"days": "8", "confirmed": "on"}
    assert signed_in.post(address, sent).status_code == 422
    wrong = signed_in.post(address, {**sent, "typed": "payrol"})
    assert "This is not “payroll”." in text(wrong)
    assert 'value="payrol"' in text(wrong)
    signed_in.post(address, {**sent, "typed": "payroll"})
    key = kms.describe_key(KeyId=key_id)["KeyMetadata"]
    assert key["KeyState"] == "PendingDeletion"
    assert (key["DeletionDate"] - datetime.now(UTC)).days in (7, 8)


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


def test_a_grant_is_said_in_words_before_it_is_made(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key()
    bob, carol = account.create_user("bob"), account.create_user("carol")
    sent = {
        "grantee": bob.arn,
        "operations": ["Encrypt", "Decrypt"],
        "constraint": "EncryptionContextSubset",
        "context_name": "team",
        "context_value": "blue",
        "retiring": carol.arn,
        "name": "for-bob",
    }
    said = text(signed_in.post(f"/keys/{key_id}/do/grant-add/", {**sent, "preview": "1"}))
    assert (
        "user/bob may encrypt data of up to 4,096 bytes and open ciphertexts and data keys, only when the encryption "
        "context has team = blue; user/carol may retire it." in said
    )
    assert not account.client().list_grants(KeyId=key_id)["Grants"]
    signed_in.post(f"/keys/{key_id}/do/grant-add/", sent)
    (grant,) = account.client().list_grants(KeyId=key_id)["Grants"]
    assert grant["Constraints"] == {"EncryptionContextSubset": {"team": "blue"}}
    assert grants.sentence(grant) in text(signed_in.get(f"/keys/{key_id}/tab/grants/"))
    signed_in.post(f"/keys/{key_id}/do/grant-revoke/", {"grant": grant["GrantId"]})
    assert not account.client().list_grants(KeyId=key_id)["Grants"]


def test_a_grant_refused_by_aws_keeps_what_was_typed(account: TestAccount, signed_in: Client) -> None:
    sent = {"grantee": f"arn:aws:iam::{account.account_id}:user/nobody", "operations": ["Encrypt"], "name": "kept"}
    answer = signed_in.post(f"/keys/{account.create_key()}/do/grant-add/", sent)
    assert answer.status_code == 422
    assert "InvalidArnException" in text(answer)
    assert 'value="kept"' in text(answer)


@pytest.mark.parametrize(
    ("spec", "usage"),
    [
        ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"),
        ("RSA_2048", "ENCRYPT_DECRYPT"),
        ("ECC_NIST_P256", "SIGN_VERIFY"),
        ("HMAC_256", "GENERATE_VERIFY_MAC"),
        ("ECC_NIST_P256", "KEY_AGREEMENT"),
        ("ML_KEM_768", "ENCAPSULATE_DECAPSULATE"),
    ],
)
def test_a_grant_offers_exactly_what_the_engine_takes(account: TestAccount, spec: str, usage: str) -> None:
    kms = account.client()
    key = kms.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]
    taken, answers_given = set(), set()
    for operation in kms.meta.service_model.shape_for("GrantOperation").enum:
        try:
            kms.create_grant(
                KeyId=key["KeyId"], GranteePrincipal=account.root_arn, Operations=[operation, "DescribeKey"]
            )
            taken.add(operation)
        except ClientError as error:
            answers_given.add(error.response["Error"]["Code"])
    assert answers_given == {"ValidationException"}
    assert set(grants.operations_for(key)) == taken


def test_a_key_is_replicated_and_its_primary_changed_by_choice(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key(MultiRegion=True)
    offered = signed_in.get(f"/keys/{key_id}/tab/regions/").context["replica_regions"]
    assert REGION not in offered
    previewed = signed_in.post(f"/keys/{key_id}/do/replicate/", {"region": "eu-west-1", "preview": "1"})
    assert "aws_kms_replica_key" in text(previewed)
    signed_in.post(f"/keys/{key_id}/do/replicate/", {"region": "eu-west-1"})
    assert account.client(region="eu-west-1").describe_key(KeyId=key_id)["KeyMetadata"]["MultiRegion"]
    account.move_clock(minutes=10)
    context = signed_in.get(f"/keys/{key_id}/tab/regions/").context
    assert "eu-west-1" not in context["replica_regions"]
    assert context["primary_regions"] == ["eu-west-1"]
    signed_in.post(f"/keys/{key_id}/do/primary/", {"region": "eu-west-1"})
    account.move_clock(minutes=10)
    configuration = account.client().describe_key(KeyId=key_id)["KeyMetadata"]["MultiRegionConfiguration"]
    assert configuration["PrimaryKey"]["Region"] == "eu-west-1"


def test_a_public_key_is_downloaded_as_pem_and_der_with_its_fingerprint(
    account: TestAccount, signed_in: Client
) -> None:
    key_id = account.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")
    der = account.client().get_public_key(KeyId=key_id)["PublicKey"]
    assert signed_in.get(f"/keys/{key_id}/public-key.der").content == der
    assert signed_in.get(f"/keys/{key_id}/public-key.pem").content.startswith(b"-----BEGIN PUBLIC KEY-----")
    assert hashlib.sha256(der).hexdigest() in text(signed_in.get(f"/keys/{key_id}/tab/public-key/"))


def test_tabs_that_do_not_apply_are_absent(account: TestAccount, signed_in: Client) -> None:
    tabs = lambda key_id: {slug for slug, _words in signed_in.get(f"/keys/{key_id}/").context["tabs"]}  # noqa: E731
    symmetric = tabs(account.create_key())
    assert not symmetric & {"public-key", "regions"}
    signing = tabs(account.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY", MultiRegion=True))
    assert {"public-key", "regions"} <= signing
    assert "material" not in signing
    managed = account.client().describe_key(KeyId="alias/aws/s3")["KeyMetadata"]["KeyId"]
    assert "impact" not in tabs(managed)


@pytest.mark.parametrize(("numbers", "top"), [([0], 2), ([7], 8), ([10], 10), ([11], 20), ([95, 3], 100), ([340], 400)])
def test_a_chart_reaches_to_a_round_even_number(numbers: list[int], top: int) -> None:
    drawn = charts.bars([(str(number), "", (("good", number),)) for number in numbers])
    assert drawn.lines[-1][1] == top
    assert all(y >= 0 and y + size <= drawn.bottom for bar in drawn.bars for _kind, y, size in bar.parts)


def test_a_strip_joins_what_is_the_same_state() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    changes = [(start, "Enabled"), (start + timedelta(days=1), "Enabled"), (start + timedelta(days=5), "Disabled")]
    strip = charts.stretches(changes, start + timedelta(days=10), width=100)
    assert [(each.state, each.x, each.width) for each in strip] == [("Enabled", 0.0, 50.0), ("Disabled", 50.0, 50.0)]
