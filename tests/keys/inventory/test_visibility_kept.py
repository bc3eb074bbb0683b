"""What is kept of what a principal may read holds for a call as it is made, for the keys there are, and for pages that are being made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from engine import clock
from engine import visibility as engine
from keys.inventory import deciding, query, reads, visibility
from keys.inventory.models import HiddenKey, InventoryKey, StoredVisibility
from tests.conftest import TestAccount, TestUser, sign_in_browser
from tests.keys.inventory.test_deciding import BLUE, EVERYTHING, keys, reader, told
from tests.support import threads


def who_is(user: TestUser, source_ip: str = "127.0.0.1") -> engine.Viewer:
    return engine.viewer(user.access_key_id, "", "us-east-1", source_ip, secure=False)


def kept(user: TestUser, source_ip: str = "127.0.0.1") -> visibility.Visibility:
    who = who_is(user, source_ip)
    return visibility._stored(who, *deciding.up_to_date(who))


def listed(account: TestAccount, seen_with: visibility.Visibility) -> Iterator[tuple[str, bool]]:
    """(key ID, whether its tags are told) as a page that began with `seen_with` has it."""
    rows = query.visible_keys(account.account_id, "us-east-1", seen_with).readable(reads.DESCRIBE)
    return ((row.key_id, bool(row.tags)) for row in rows)


def deny(action: str, **more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": action, "Resource": "*", **more}


def test_what_is_decided_by_time_is_decided_again_when_it_comes(account: TestAccount, signed_in: Client) -> None:
    """By the principal's own policies and by key policies; what the page does not describe again too."""
    at = (clock.now(account.account_id) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    later = {"Condition": {"DateGreaterThan": {"aws:CurrentTime": at}}}
    of_key = {"Principal": "*", "Resource": "*", "Effect": "Deny", "Action": "kms:DescribeKey", **later}
    own = {"Principal": {"AWS": account.account_id}, "Resource": "*", "Effect": "Allow", "Action": "kms:*"}
    bound = account.create_key(
        Policy=json.dumps({"Version": "2012-10-17", "Statement": [own, of_key]}), Description="of a bound key"
    )
    (plain,) = keys(account, 1)
    account.client().create_alias(AliasName="alias/plain", TargetKeyId=plain)
    signed_in.get("/keys/")
    statements = [EVERYTHING, deny("kms:ListResourceTags", **later), deny("kms:ListAliases", **later)]
    browser = sign_in_browser(reader(account, *statements))
    assert not told(browser)[plain]
    assert "of a bound key" in browser.get("/keys/?print=all&cols=description").content.decode()
    account.move_clock(hours=2)
    page = browser.get("/keys/?print=all&cols=description&cols=alias").content.decode()
    assert "of a bound key" not in page
    assert "alias/plain" not in page
    unknown = told(browser)
    assert "tags" in unknown[plain]
    assert "state" in unknown[bound]


def test_a_page_that_is_being_made_while_all_is_decided_anew_tells_no_more(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    red, blue = keys(account, 3, "red"), keys(account, 1, "blue")
    signed_in.get("/keys/")
    user = reader(account, EVERYTHING, deny("kms:*Key", Condition=BLUE))
    iam = account.client("iam")
    seen_with = kept(user)
    assert {key_id for key_id, _tags in listed(account, seen_with)} == {*red}
    monkeypatch.setattr(deciding, "_WAYS", 2)
    for number in range(3):
        document = {"Version": "2012-10-17", "Statement": [deny("kms:*", Condition=BLUE), EVERYTHING, deny("s3:*")]}
        document["Id"] = str(number)
        iam.put_user_policy(UserName="reader", PolicyName="test", PolicyDocument=json.dumps(document))
        kept(user)
        found = [key_id for key_id, _tags in listed(account, seen_with)]
        assert not {*blue} & {*found}
        assert set(found) == ({*red} if number == 0 else set()), "one before is kept for the pages that are being made"
    rows = list(InventoryKey.objects.filter(account_id=account.account_id))
    assert set(seen_with.denied_masks(rows).values()) == {reads.ALL}
    assert seen_with.denied_masks_of_keys()[red[0]] == reads.ALL


@pytest.mark.parametrize("name", ["csv", "json"])
def test_a_file_says_that_it_is_cut_where_what_its_reader_may_read_is_forgotten_meanwhile(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It says of no key that it is not permitted because of that."""
    keys(account, 3, "red"), keys(account, 1, "blue")
    signed_in.get("/keys/")
    browser = sign_in_browser(reader(account, EVERYTHING, deny("kms:ListResourceTags", Condition=BLUE)))
    monkeypatch.setattr(query, "_CHUNK", 2)
    answer = browser.get(f"/keys/export/?format={name}&sort=key_id")
    lines = iter(answer.streaming_content)
    told = [next(lines).decode() for _ in range(2)]
    StoredVisibility.objects.filter(account_id=account.account_id).delete()
    told += [line.decode() for line in lines]
    assert "This file is cut" in told[-1 if name == "csv" else -2]
    assert len(told) - (name == "json") == 4, "head, two keys of the first piece, and that it is cut"
    if name == "json":
        assert len(json.loads("".join(told))) == 3


def test_what_is_decided_for_each_way_to_call_is_kept_beside_the_others(
    account: TestAccount, signed_in: Client
) -> None:
    """Who looks at pages from two places at once is not decided about anew with each."""
    red, blue = keys(account, 3, "red"), keys(account, 1, "blue")
    signed_in.get("/keys/")
    outside = {"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    user = reader(account, EVERYTHING, deny("kms:DescribeKey", Condition={**BLUE, **outside}))
    numbers = []
    for turn in range(3):
        for source_ip, expected in (("10.0.0.1", {*red, *blue}), ("11.0.0.1", {*red}), ("10.0.0.1", {*red, *blue})):
            seen_with = kept(user, source_ip)
            assert {key_id for key_id, _tags in listed(account, seen_with)} == expected, turn
            numbers.append(seen_with.pk)
    assert len(set(numbers)) == 2


def test_what_is_not_decided_to_its_end_is_of_one_way_to_call(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That it depends on the address shows only with a key of which a policy asks for it: while another call waits for what it began with."""
    red, blue = sorted(keys(account, 2, "red"))  # as they are read
    account.client().tag_resource(KeyId=blue, Tags=[{"TagKey": "team", "TagValue": "blue"}])
    signed_in.get("/keys/")
    outside = {"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    user = reader(account, EVERYTHING, deny("kms:DescribeKey", Condition={**BLUE, **outside}))
    monkeypatch.setattr(deciding, "_usual", lambda *_args: 0)  # it is asked of keys from all over the list
    monkeypatch.setattr(deciding, "STEP", 1)
    monkeypatch.setattr(deciding, "AT_ONCE", 0.0)
    behind = threads.held(monkeypatch, deciding)
    assert {key_id for key_id, _tags in listed(account, kept(user, "10.0.0.1"))} == {red}

    def meanwhile(*_args: Any) -> None:
        monkeypatch.undo()
        behind[0]()

    monkeypatch.setattr(deciding.leases, "take", meanwhile)
    assert {key_id for key_id, _tags in listed(account, kept(user, "11.0.0.1"))} == {red}
    assert {key_id for key_id, _tags in listed(account, kept(user, "10.0.0.1"))} == {red, blue}


def test_a_page_that_is_being_made_while_a_key_changes_tells_no_more(account: TestAccount, signed_in: Client) -> None:
    red, (blue,) = keys(account, 3, "red"), keys(account, 1, "blue")
    signed_in.get("/keys/")
    user = reader(
        account,
        EVERYTHING,
        deny("kms:DescribeKey", Condition={"StringEquals": {"aws:ResourceTag/team": ["blue", "green"]}}),
        deny("kms:ListResourceTags", Condition={"StringEquals": {"aws:ResourceTag/team": "green"}}),
    )
    seen_with = kept(user)
    account.client().tag_resource(KeyId=blue, Tags=[{"TagKey": "team", "TagValue": "green"}])
    kept(user)
    assert {key_id for key_id, _tags in listed(account, seen_with)} == {*red}


def test_a_key_that_comes_while_a_page_is_made_is_not_on_it(account: TestAccount, signed_in: Client) -> None:
    """Nothing was decided about it, and who may read all that there were may not have to read it."""
    first = keys(account, 1)
    signed_in.get("/keys/")
    user = reader(account, EVERYTHING)
    seen_with = kept(user)
    assert not seen_with.denied_mask
    nobody = {"Principal": {"AWS": user.arn}, **deny("kms:DescribeKey")}
    own = {"Principal": {"AWS": account.account_id}, **EVERYTHING}
    account.create_key(Policy=json.dumps({"Version": "2012-10-17", "Statement": [own, nobody]}))
    signed_in.get("/keys/")
    assert [key_id for key_id, _tags in listed(account, seen_with)] == first


@pytest.mark.parametrize("decided_before", [True, False])
def test_a_key_that_is_gone_is_not_told_of_while_its_row_is_there(
    account: TestAccount, signed_in: Client, decided_before: bool
) -> None:
    """The list may be behind: another worker reads it, or much has changed."""
    red, (blue,) = keys(account, 3, "red"), keys(account, 1, "blue")
    signed_in.get("/keys/")
    user = reader(account, EVERYTHING, deny("kms:DescribeKey", Condition=BLUE))
    if decided_before:
        kept(user)
    account.client().schedule_key_deletion(KeyId=blue, PendingWindowInDays=7)
    account.move_clock(days=8)
    with pytest.raises(account.client().exceptions.NotFoundException):
        account.client().describe_key(KeyId=blue)
    assert InventoryKey.objects.filter(account_id=account.account_id, key_id=blue).exists()
    assert {key_id for key_id, _tags in listed(account, kept(user))} == {*red}
    signed_in.get("/keys/")
    assert {key_id for key_id, _tags in listed(account, kept(user))} == {*red}


def test_what_is_kept_of_principals_is_bounded(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys(account, 3, "red"), keys(account, 1, "blue")
    signed_in.get("/keys/")
    document = json.dumps({"Version": "2012-10-17", "Statement": [EVERYTHING, deny("kms:List*", Condition=BLUE)]})
    users = [account.create_user(f"reader{number}", document) for number in range(4)]
    mine = StoredVisibility.objects.filter(account_id=account.account_id)
    for user in users[:3]:
        kept(user)
    mine.filter(viewer=who_is(users[0]).name).update(used=timezone.now() - deciding.UNUSED - timedelta(hours=1))
    monkeypatch.setattr(deciding, "MOST_PRINCIPALS", 2)
    kept(users[3])
    kept_of = set(mine.values_list("viewer", flat=True))
    assert who_is(users[0]).name not in kept_of
    assert len(kept_of) == deciding.MOST_PRINCIPALS
    assert set(HiddenKey.objects.values_list("visibility", flat=True)) <= set(
        StoredVisibility.objects.values_list("pk", flat=True)
    )


def test_what_is_not_decided_yet_is_none_on_no_page(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picker, the search over all pages and the values of a facet say that there may be more."""
    not_yet = "The list of keys is not read to its end yet."
    (plain,) = keys(account, 1)
    account.client().create_alias(AliasName="alias/searched", TargetKeyId=plain)
    signed_in.get("/keys/")
    browser = sign_in_browser(reader(account, EVERYTHING, deny("kms:DescribeKey", Condition=BLUE)))
    monkeypatch.setattr(deciding, "AT_ONCE", 0.0)
    monkeypatch.setattr(deciding, "_step", lambda *_args: False)
    assert not_yet in browser.get("/keys/options/?find=searched").content.decode()
    found = browser.get("/search/?q=searched").content.decode()
    assert not_yet in found
    assert "Nothing found." not in found
    page = browser.get("/keys/values/?facet=state").content.decode()
    assert "is being worked out" in page
    assert "No value holds this." not in page
