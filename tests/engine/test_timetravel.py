"""Moving an account's clock: what it does to keys, grants of time in policies and records; what it leaves alone; who may."""

from __future__ import annotations

import itertools
import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from engine import clock, timetravel, visibility
from engine.kms import models
from engine.kms.due_changes import ROTATING, rotates
from engine.trail import query
from engine.wire.errors import AWSError
from tests.conftest import TestAccount, TestUser
from tests.engine.kms.test_life import bring

DAY = 86_400.0


def allow(*actions: str, **more: Any) -> str:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*", **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def viewer(user: TestUser) -> visibility.Viewer:
    return visibility.viewer(user.access_key_id, "", "us-east-1", "127.0.0.1", secure=False)


def move(user: TestUser, days: float) -> None:
    begin = timetravel.offset(user.account.account_id)
    timetravel.move(viewer(user), begin, begin + days * DAY, check=lambda _to: None)


def ahead(user: TestUser, days: float) -> timetravel.Forecast:
    who = viewer(user)
    return timetravel.forecast(who, who.context.now + timedelta(days=days))


def records(account: TestAccount) -> list[dict[str, Any]]:
    return query.lookup(account.account_id, query.Lookup(region="us-east-1", name="MoveClock")).events


def test_keys_rotate_expire_and_go_as_if_the_days_had_passed(account: TestAccount, kms: Any) -> None:
    rotating, doomed = account.create_key(), account.create_key()
    kms.enable_key_rotation(KeyId=rotating, RotationPeriodInDays=90)
    kms.schedule_key_deletion(KeyId=doomed, PendingWindowInDays=7)
    external = account.create_key(Origin="EXTERNAL")
    until = datetime.now(UTC) + timedelta(days=30)
    bring(kms, external, os.urandom(32), ExpirationModel="KEY_MATERIAL_EXPIRES", ValidTo=until)
    old = kms.encrypt(KeyId=rotating, Plaintext=b"before")["CiphertextBlob"]
    move(account.administrator, 91)
    assert [each["RotationType"] for each in kms.list_key_rotations(KeyId=rotating)["Rotations"]] == ["AUTOMATIC"]
    assert kms.decrypt(CiphertextBlob=old)["Plaintext"] == b"before"
    assert kms.describe_key(KeyId=external)["KeyMetadata"]["KeyState"] == "PendingImport"
    with pytest.raises(kms.exceptions.NotFoundException):
        kms.describe_key(KeyId=doomed)


def test_a_policys_time_is_the_accounts(account: TestAccount, kms: Any) -> None:
    key = account.create_key()
    soon = (datetime.now(UTC) + timedelta(days=10)).strftime("%Y-%m-%dT%H:%M:%SZ")
    later = account.create_user(
        "later", allow("kms:Encrypt", Condition={"DateGreaterThan": {"aws:CurrentTime": soon}})
    ).client()
    with pytest.raises(ClientError, match="AccessDenied"):
        later.encrypt(KeyId=key, Plaintext=b"x")
    move(account.administrator, 11)
    assert later.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]


def test_records_carry_the_accounts_time(account: TestAccount, kms: Any) -> None:
    move(account.administrator, 40)
    kms.list_keys()
    (event,) = query.lookup(account.account_id, query.Lookup(region="us-east-1", name="ListKeys")).events
    ahead_by = datetime.fromisoformat(event["eventTime"]) - datetime.now(UTC)
    assert timedelta(days=39, hours=23) < ahead_by < timedelta(days=40, hours=1)


def test_signatures_and_sessions_stay_on_the_machines_time(account: TestAccount) -> None:
    before = account.client("sts").get_session_token(DurationSeconds=900)["Credentials"]
    move(account.administrator, 365)
    after = account.client("sts").get_session_token(DurationSeconds=900)["Credentials"]
    assert after["Expiration"] - datetime.now(UTC) <= timedelta(minutes=15)
    found = visibility.viewer(before["AccessKeyId"], before["SessionToken"], "us-east-1", "127.0.0.1", secure=False)
    assert found.context.account_id == account.account_id


def test_another_account_keeps_its_own_time(account: TestAccount, other_account: TestAccount) -> None:
    move(account.administrator, 30)
    assert timetravel.offset(other_account.account_id) == 0
    made = other_account.client().create_key()["KeyMetadata"]["CreationDate"]
    assert abs(made - datetime.now(UTC)) < timedelta(minutes=5)


def test_a_move_is_recorded_with_both_times(account: TestAccount) -> None:
    move(account.administrator, 2)
    (event,) = records(account)
    assert (event["eventSource"], event["eventType"]) == ("kmsconsole", "AwsConsoleAction")
    assert event["userIdentity"]["arn"] == account.administrator.arn
    asked = event["requestParameters"]
    moved = datetime.fromisoformat(asked["to"]) - datetime.fromisoformat(asked["from"])
    assert (moved, asked["secondsAhead"]) == (timedelta(days=2), 2 * DAY)


def test_who_lacks_the_permission_moves_nothing_and_is_recorded(account: TestAccount) -> None:
    ann = account.create_user("ann", allow("kms:*"))
    with pytest.raises(AWSError, match="not authorized to perform: kmsconsole:MoveClock"):
        move(ann, 1)
    assert timetravel.offset(account.account_id) == 0
    (event,) = records(account)
    assert (event["errorCode"], event["userIdentity"]["userName"]) == ("AccessDenied", "ann")


def test_an_iam_policy_gives_the_permission_and_a_deny_takes_it(account: TestAccount) -> None:
    move(account.create_user("ann", allow("kmsconsole:MoveClock")), 1)
    assert timetravel.offset(account.account_id) == DAY
    denied = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "kmsconsole:*", "Resource": "*"}]}
    account.client("iam").put_user_policy(UserName="admin", PolicyName="no", PolicyDocument=json.dumps(denied))
    with pytest.raises(AWSError, match="explicit deny"):
        move(account.administrator, 1)


@pytest.mark.parametrize("days", [-1, 0, 3661])
def test_a_clock_moves_forward_and_not_too_far(account: TestAccount, days: float) -> None:
    move(account.administrator, 1)
    with pytest.raises(AWSError, match="ValidationException: A clock moves forward"):
        move(account.administrator, days)
    assert timetravel.offset(account.account_id) == DAY


def test_two_who_move_from_the_same_time_do_not_add_up(account: TestAccount) -> None:
    who = viewer(account.administrator)
    timetravel.move(who, 0, 30 * DAY, check=lambda _to: None)
    with pytest.raises(AWSError, match="moved meanwhile"):
        timetravel.move(who, 0, 30 * DAY, check=lambda _to: None)
    assert timetravel.offset(account.account_id) == 30 * DAY


def test_a_move_is_seen_by_a_worker_that_had_another_time_in_its_cache(account: TestAccount) -> None:
    assert clock.offset(account.account_id) == 0  # remembered from here on
    move(account.administrator, 5)
    assert timetravel.offset(account.account_id) == 5 * DAY


def test_the_forecast_names_what_then_happens(account: TestAccount, kms: Any) -> None:
    rotating, doomed, spared = account.create_key(), account.create_key(), account.create_key()
    kms.create_alias(AliasName="alias/going", TargetKeyId=doomed)
    kms.enable_key_rotation(KeyId=rotating, RotationPeriodInDays=90)
    kms.schedule_key_deletion(KeyId=doomed, PendingWindowInDays=7)
    kms.schedule_key_deletion(KeyId=spared, PendingWindowInDays=30)
    external = account.create_key(Origin="EXTERNAL")
    until = datetime.now(UTC) + timedelta(days=10)
    bring(kms, external, os.urandom(32), ExpirationModel="KEY_MATERIAL_EXPIRES", ValidTo=until)
    near, far = ahead(account.administrator, 20), ahead(account.administrator, 200)
    assert [(each.key_id, each.alias) for each in near.destroyed.shown] == [(doomed, "going")]
    assert [each.key_id for each in near.expiring.shown] == [external]
    assert near.rotating.number == 0
    assert [each.key_id for each in far.destroyed.shown] == [doomed, spared]
    assert [(each.key_id, each.times) for each in far.rotating.shown] == [(rotating, 2)]
    move(account.administrator, 200)
    assert len(kms.list_key_rotations(KeyId=rotating)["Rotations"]) == 2
    assert ahead(account.administrator, 1).destroyed.number == 0


def test_the_forecast_follows_a_primary_after_its_last_replica(account: TestAccount, kms: Any) -> None:
    primary = account.create_key(MultiRegion=True)
    kms.replicate_key(KeyId=primary, ReplicaRegion="eu-west-1")
    account.move_clock(minutes=1)
    kms.schedule_key_deletion(KeyId=primary, PendingWindowInDays=10)
    there = account.client(region="eu-west-1")
    there.schedule_key_deletion(KeyId=primary, PendingWindowInDays=7)
    assert [each.region for each in ahead(account.administrator, 16).destroyed.shown] == ["eu-west-1"]
    assert [each.region for each in ahead(account.administrator, 18).destroyed.shown] == ["eu-west-1", "us-east-1"]
    move(account.administrator, 18)
    for client in (there, kms):
        with pytest.raises(kms.exceptions.NotFoundException):
            client.describe_key(KeyId=primary)


def test_a_query_for_keys_that_rotate_finds_those_that_do(account: TestAccount) -> None:
    rows = [
        models.Key(
            account_id=account.account_id, region="us-east-1", key_id=f"{number}", created=datetime.now(UTC),
            rotation_enabled=on, enabled=enabled, pending_window_days=window, multi_region=multi, primary_region=primary,
        )
        for number, (on, enabled, window, multi, primary) in enumerate(
            itertools.product((True, False), (True, False), (None, 7), (True, False), ("us-east-1", "eu-west-1"))
        )
    ]  # fmt: skip
    models.Key.objects.bulk_create(rows)
    found = models.Key.objects.filter(ROTATING, account_id=account.account_id)
    assert {row.key_id for row in found} == {row.key_id for row in rows if rotates(row)}


def test_the_forecast_names_no_key_that_the_viewer_may_not_see(account: TestAccount, kms: Any) -> None:
    doomed = account.create_key()
    kms.schedule_key_deletion(KeyId=doomed, PendingWindowInDays=7)
    ann = account.create_user("ann", allow("kmsconsole:MoveClock"))
    found = ahead(ann, 8).destroyed
    assert (found.number, found.shown, found.unseen) == (1, [], 1)


def test_the_forecast_tells_no_rotation_that_the_viewer_may_not_read(account: TestAccount, kms: Any) -> None:
    kms.enable_key_rotation(KeyId=account.create_key(), RotationPeriodInDays=90)
    ann = account.create_user("ann", allow("kmsconsole:MoveClock", "kms:DescribeKey"))
    found = ahead(ann, 100).rotating
    assert (found.number, found.shown, found.unseen) == (1, [], 1)
