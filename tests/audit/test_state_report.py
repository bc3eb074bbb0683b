"""Keys on a date: what state every key was in, who brought it there, and a page of the past that offers no change."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError
from django.test import Client

from engine import clock
from keys.record import snapshots
from keys.record.key_states import StateFacts, changed
from tests.conftest import TestAccount
from tests.support.answers import body


def now(account: TestAccount) -> datetime:
    return clock.now(account.account_id)


def keys_then(browser: Client, moment: datetime | None = None, **query: str) -> dict[str, str]:
    if moment is not None:
        query["as_of"] = moment.isoformat()
    page = browser.get("/audit/keys/", query).context["page"]
    return {key.key_id: state for key, state in page.object_list}


def test_the_state_of_every_key_is_told_for_each_date(account: TestAccount, signed_in: Client) -> None:
    kms = account.client()
    key = account.create_key()
    born = now(account)
    account.move_clock(days=1)
    kms.disable_key(KeyId=key)
    account.move_clock(days=1)
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    account.move_clock(days=1)
    kms.cancel_key_deletion(KeyId=key)
    kms.enable_key(KeyId=key)
    account.move_clock(days=1)
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    account.move_clock(days=8)
    told = [keys_then(signed_in, born + timedelta(days=days, hours=1)).get(key, "none") for days in (-1, 0, 1, 2, 3, 4)]
    assert told == ["none", "Enabled", "Disabled", "PendingDeletion", "Enabled", "PendingDeletion"]
    assert keys_then(signed_in)[key] == "Deleted"


def test_the_present_agrees_with_what_the_keys_say(account: TestAccount, signed_in: Client) -> None:
    kms = account.client()
    made = [account.create_key() for _ in range(4)]
    made.append(account.create_key(Origin="EXTERNAL"))
    primary = account.create_key(MultiRegion=True)
    kms.replicate_key(KeyId=primary, ReplicaRegion="eu-west-1")
    kms.disable_key(KeyId=made[0])
    kms.schedule_key_deletion(KeyId=made[1])
    kms.schedule_key_deletion(KeyId=made[2])
    kms.cancel_key_deletion(KeyId=made[2])
    kms.schedule_key_deletion(KeyId=primary)
    with pytest.raises(ClientError):
        kms.enable_key(KeyId=made[1])
    told = keys_then(signed_in)
    for key in (*made, primary):
        assert told[key] == kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"], key
    signed_in.post("/region/", {"region": "eu-west-1", "next": "/"})
    assert keys_then(signed_in) == {primary: "Enabled"}


def test_changes_within_one_second_are_told_in_their_order(account: TestAccount, signed_in: Client) -> None:
    kms = account.client()
    key = account.create_key()
    for _ in range(4):
        kms.enable_key(KeyId=key)
        kms.disable_key(KeyId=key)
    assert keys_then(signed_in)[key] == "Disabled"
    kms.enable_key(KeyId=key)
    assert keys_then(signed_in)[key] == "Enabled"


def test_who_brought_a_key_into_its_state_is_named_and_filtered(account: TestAccount, signed_in: Client) -> None:
    one, two = account.create_key(), account.create_key()
    account.client().create_alias(AliasName="alias/ledger", TargetKeyId=one)
    account.client().disable_key(KeyId=one)
    page = signed_in.get("/audit/keys/", {"state": "Disabled"})
    ((key, state),) = page.context["page"].object_list
    assert (key.key_id, state, key.by, key.aliases) == (one, "Disabled", account.administrator.arn, ["ledger"])
    assert dict(page.context["states"]) == {"Disabled": 1, "Enabled": 1}
    assert list(keys_then(signed_in, q="LEDG")) == [one]
    assert two in keys_then(signed_in, state="Enabled")


def test_imported_material_expires_in_the_record_too() -> None:
    arn = "arn:aws:kms:us-east-1:111122223333:key/1"
    metadata = {"keyId": "1", "arn": arn, "origin": "EXTERNAL", "keySpec": "SYMMETRIC_DEFAULT"}
    records = [
        {"eventName": "CreateKey", "eventTime": "2026-01-01T00:00:00Z", "eventID": "a", "responseElements": {"keyMetadata": metadata}},
        {
            "eventName": "ImportKeyMaterial",
            "eventTime": "2026-01-02T00:00:00Z",
            "eventID": "b",
            "requestParameters": {"validTo": "2026-01-04T00:00:00Z"},
            "resources": [{"ARN": arn}],
        },
        {"eventName": "DisableKey", "eventTime": "2026-01-03T00:00:00Z", "eventID": "c", "errorCode": "AccessDenied", "resources": [{"ARN": arn}]},
    ]  # fmt: skip
    told = [
        snapshots.replay(records, "us-east-1", moment)[0].state(moment)
        for moment in (datetime(2026, 1, day, 12, tzinfo=UTC) for day in (1, 2, 3, 4))
    ]
    assert told == ["PendingImport", "Enabled", "Enabled", "PendingImport"]


@pytest.mark.parametrize("date", ["2026-01-08T00:00:00Z", "Jan 8, 2026 0:00:00 AM", "Jan 8, 2026, 12:00:00 AM"])
def test_the_record_of_aws_writes_dates_its_own_way(date: str) -> None:
    facts = StateFacts(**changed("ScheduleKeyDeletion", {}, {"keyState": "PendingDeletion", "deletionDate": date}))
    told = [facts.state(datetime(2026, 1, day, 12, tzinfo=UTC)) for day in (7, 8)]
    assert told == ["PendingDeletion", "Deleted"]


@pytest.mark.parametrize("date", [None, "some day"])
def test_a_deletion_without_a_date_that_can_be_read_is_pending(date: str | None) -> None:
    facts = StateFacts(**changed("ScheduleKeyDeletion", {}, {"deletionDate": date}))
    assert facts.state(datetime(2026, 1, 1, tzinfo=UTC)) == "PendingDeletion"


def test_a_page_of_the_past_says_so_and_offers_no_change(account: TestAccount, signed_in: Client) -> None:
    account.create_key()
    moment = (now(account) + timedelta(seconds=1)).isoformat()
    account.move_clock(days=2)
    for address in ("/audit/", "/audit/keys/"):
        page = signed_in.get(address, {"as_of": moment}).content.decode()
        assert "nothing can be changed here" in page
        main = page[page.index("<main") : page.index("</main>")]
        assert 'method="post"' not in main


def test_keys_on_a_date_are_exported(account: TestAccount, signed_in: Client) -> None:
    key = account.create_key()
    (line,) = csv.DictReader(io.StringIO(body(signed_in.get("/audit/keys/", {"format": "csv"}))))
    assert (line["arn"].rpartition("/")[2], line["state"]) == (key, "Enabled")


def test_a_state_that_time_alone_brought_began_at_its_date(account: TestAccount, signed_in: Client) -> None:
    """On the page, in the file and on the key's page of then; who is named scheduled it."""
    kms, key = account.client(), account.create_key()
    date = kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)["DeletionDate"]
    account.move_clock(days=9)
    then = {"as_of": (date + timedelta(days=1)).isoformat()}
    (row,) = signed_in.get("/audit/keys/", then).context["page"].object_list
    assert row[1] == "Deleted"
    assert abs(row[0].since - date) < timedelta(seconds=1)
    assert row[0].by.endswith("user/admin")
    assert abs(signed_in.get(f"/keys/{key}/", then).context["past"].since - date) < timedelta(seconds=1)
    before = {"as_of": (date - timedelta(days=1)).isoformat()}
    (row,) = signed_in.get("/audit/keys/", before).context["page"].object_list
    assert row[0].since < date - timedelta(days=6)
