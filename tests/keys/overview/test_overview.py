"""The overview: each number is right, leads to its list, and is no more than the reader may know."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from django.test import Client
from django.utils import timezone

from keys.inventory.models import InventoryKey, SyncState
from tests.conftest import TestAccount, TestUser, sign_in_browser
from tests.support.answers import text


def matter(browser: Client, slug: str) -> Any:
    return next(each for each in browser.get("/").context["matters"] if each.slug == slug)


def test_keys_are_counted_by_state_type_and_origin_and_drawn(account: TestAccount, signed_in: Client) -> None:
    account.create_key()
    account.client().disable_key(KeyId=account.create_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC"))
    account.create_key(Origin="EXTERNAL")
    page = signed_in.get("/")
    charts = {name: dict(counts) for name, _words, counts in page.context["charts"]}
    assert charts == {
        "state": {"Enabled": 1, "Disabled": 1, "PendingImport": 1},
        "kind": {"Symmetric": 2, "HMAC": 1},
        "origin": {"AWS_KMS": 2, "EXTERNAL": 1},
    }
    labels = re.findall(r'<svg class="share"[^>]* aria-label="([^"]+)"', page.content.decode())
    assert "By key type: Symmetric: 2, HMAC: 1" in labels, "what is drawn is said too"


def test_every_number_leads_to_the_keys_it_counts(account: TestAccount, signed_in: Client) -> None:
    kms = account.client()
    doomed = account.create_key()
    kms.schedule_key_deletion(KeyId=doomed, PendingWindowInDays=9)
    rotating = account.create_key()
    kms.enable_key_rotation(KeyId=rotating, RotationPeriodInDays=90)
    policy = {"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}
    public = account.create_key(Policy=json.dumps({"Version": "2012-10-17", "Statement": [policy]}))
    signed_in.get("/keys/")
    soon = timezone.now() + timedelta(days=3)
    rows = InventoryKey.objects.filter(account_id=account.account_id)
    rows.filter(key_id=rotating).update(next_rotation=soon, created=timezone.now() - timedelta(days=100))
    for slug, key_id in (("deletion", doomed), ("rotation", rotating), ("unused", rotating), ("public", public)):
        found = matter(signed_in, slug)
        assert (found.number, [row.key_id for row, _days in found.rows]) == (1, [key_id]), slug
        assert [row.key_id for row in signed_in.get(found.url).context["rows"]] == [key_id], slug


def test_days_left_are_those_of_the_accounts_clock(account: TestAccount, signed_in: Client) -> None:
    account.client().schedule_key_deletion(KeyId=account.create_key(), PendingWindowInDays=9)
    assert [days for _row, days in matter(signed_in, "deletion").rows] == [8]
    account.move_clock(days=5)
    assert [days for _row, days in matter(signed_in, "deletion").rows] == [3]


def test_a_primary_key_that_waits_for_its_replicas_is_about_to_be_deleted(
    account: TestAccount, signed_in: Client
) -> None:
    """Its waiting period has not begun, so there is no date: in the overview, the list it leads to and on the key's page."""
    kms, key = account.client(), account.create_key(MultiRegion=True)
    kms.replicate_key(KeyId=key, ReplicaRegion="eu-west-1")
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=9)
    found = matter(signed_in, "deletion")
    assert (found.number, [(row.key_id, days) for row, days in found.rows]) == (1, [(key, None)])
    overview = text(signed_in.get("/"))
    assert "once its replicas are deleted" in overview
    assert "never used" not in overview
    assert [row.key_id for row in signed_in.get(found.url).context["rows"]] == [key]
    assert "This key waits until its replica keys are deleted." in text(signed_in.get(f"/keys/{key}/"))


def test_material_that_expires_is_listed(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key(Origin="EXTERNAL")
    signed_in.post(f"/keys/{key_id}/import/", {"train": "1", "material": "00" * 32})
    signed_in.get("/")
    InventoryKey.objects.filter(key_id=key_id).update(valid_to=datetime.now(UTC) + timedelta(days=2))
    assert matter(signed_in, "expiry").number == 1


def test_denied_calls_of_the_last_day_are_shown(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key()
    user = account.create_user("mallory")
    with pytest.raises(ClientError, match="AccessDenied"):
        user.client().describe_key(KeyId=key_id)
    page = signed_in.get("/")
    assert [(call["name"], call["who"], call["keys"]) for call in page.context["refused"]] == [
        ("DescribeKey", "mallory", [key_id])
    ]


def test_the_overview_tells_no_more_than_the_policies_allow(account: TestAccount, signed_in: Client) -> None:
    account.client().schedule_key_deletion(KeyId=account.create_key(Description="secret project"))
    signed_in.get("/")
    allowed = {"Effect": "Allow", "Action": "kms:ListKeys", "Resource": "*"}
    user = account.create_user("ann", json.dumps({"Version": "2012-10-17", "Statement": [allowed]}))
    account.client("iam").create_login_profile(UserName="ann", Password="long enough")
    page = sign_in_browser(TestUser(account, "ann", user.arn, "", "", "long enough")).get("/")
    assert page.context["total"] == 0
    assert all(each.number == 0 for each in page.context["matters"])
    assert "kmsconsole:ReadRecord" in page.context["refused_problem"]


def test_what_a_reader_may_not_read_of_every_key_is_not_said_to_be_none(
    account: TestAccount, signed_in: Client
) -> None:
    policy = {"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}
    account.create_key(Policy=json.dumps({"Version": "2012-10-17", "Statement": [policy]}))
    account.create_key()
    account.client().schedule_key_deletion(KeyId=account.create_key(Tags=[{"TagKey": "team", "TagValue": "blue"}]))
    account.client().describe_key(KeyId="alias/aws/s3")
    assert all(not each.unread for each in signed_in.get("/").context["matters"])
    assert "No rotation is due." in signed_in.get("/").content.decode()

    rest = {"Effect": "Allow", "Action": ["kms:ListKeys", "kms:DescribeKey"], "Resource": "*"}
    blue = {"StringEquals": {"aws:ResourceTag/team": "blue"}}
    reads = {**rest, "Action": ["kms:GetKeyRotationStatus", "kms:GetKeyLastUsage"], "Condition": blue}
    user = account.create_user("ann", json.dumps({"Version": "2012-10-17", "Statement": [rest, reads]}))
    account.client("iam").create_login_profile(UserName="ann", Password="long enough")
    ann = sign_in_browser(TestUser(account, "ann", user.arn, "", "", "long enough"))
    page = ann.get("/")
    unread = {each.slug: each.unread for each in page.context["matters"]}
    assert unread == {
        "deletion": [],
        "expiry": [],
        "rotation": ["kms:GetKeyRotationStatus"],
        "unused": ["kms:GetKeyLastUsage"],
        "public": ["kms:GetKeyPolicy"],
    }
    text = page.content.decode()
    for untrue in ("No rotation is due.", "Every enabled key is used, or new.", "No key policy allows public access."):
        assert untrue not in text
    assert "Not known of every key: it takes kms:GetKeyRotationStatus." in text
    assert "at least 1</a>" in text, "the key whose own policy lets everyone read it"
    assert "No imported material expires soon." in text, "it is known"


def test_denied_calls_are_counted_whole(account: TestAccount, signed_in: Client) -> None:
    nothing = [{"Effect": "Deny", "Action": "kms:*", "Resource": "*"}]
    user = account.create_user("ann", json.dumps({"Version": "2012-10-17", "Statement": nothing}))
    kms = user.client()
    for _ in range(60):
        with pytest.raises(ClientError):
            kms.list_keys()
    page = signed_in.get("/")
    assert len(page.context["refused"]) == 60
    address = f"/audit/?{page.context['refused_query']}"
    first = signed_in.get(address).context
    older = signed_in.get(f"{address}&after={first['after']}").context
    assert len(first["events"]) + len(older["events"]) == 60, "the number leads to as many rows"
    (kinds,) = (facet for facet in first["facets"] if facet.name == "error")
    assert [each.number for each in kinds.values] == [60]


def test_a_list_half_read_says_that_nothing_is_known_yet(signed_in: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    half_read = SyncState(started=timezone.now(), done=12)
    monkeypatch.setattr("keys.inventory.inventory.progress", lambda request: half_read)
    page = signed_in.get("/").content.decode()
    assert "Nothing is about to be deleted." not in page
    assert "No rotation is due." not in page
    assert "Not known yet: the key list is not read whole." in page
    assert "provisional" in page
