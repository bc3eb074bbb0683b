"""`as_of=` on every page: what was then, or a plain sentence that the page shows only the present; never the present as the past."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from html import unescape
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from botocore.exceptions import ClientError
from django.test import Client
from django.urls import Resolver404, resolve

from engine import clock
from tests.conftest import TestAccount, new_account, sign_in_browser
from tests.support import samples
from tests.support.samples import Samples

ONLY_PRESENT = "This page shows only the present"


@dataclass(frozen=True)
class Past:
    """A key that was changed in every way after `then`."""

    account: TestAccount
    browser: Client
    key_id: str
    then: datetime

    def get(self, address: str, **query: str) -> str:
        path, _mark, asked = address.partition("?")
        given = {"as_of": self.then.isoformat(), **dict(parse_qsl(asked)), **query}
        return self.browser.get(path, given).content.decode()


@pytest.fixture(scope="module")
def past(prepared: object) -> Past:
    account = new_account()
    kms, root = account.client(), f"arn:aws:iam::{account.account_id}:root"
    made = kms.create_key(Description="first words", Tags=[{"TagKey": "team", "TagValue": "blue"}])["KeyMetadata"]
    key = made["KeyId"]
    kms.create_alias(AliasName="alias/ledger", TargetKeyId=key)
    kms.create_alias(AliasName="alias/moved", TargetKeyId=key)
    kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=200)
    grant = kms.create_grant(KeyId=key, GranteePrincipal=root, Operations=["Encrypt"], Name="for-a-while")
    token = kms.create_grant(KeyId=key, GranteePrincipal=root, Operations=["Decrypt"], Name="by-token")["GrantToken"]
    then = clock.now(account.account_id) + timedelta(hours=1)
    account.move_clock(days=2)
    other = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.update_key_description(KeyId=key, Description="other words")
    kms.update_alias(AliasName="alias/moved", TargetKeyId=other)
    kms.delete_alias(AliasName="alias/ledger")
    kms.create_alias(AliasName="alias/newer", TargetKeyId=key)
    kms.disable_key_rotation(KeyId=key)
    kms.tag_resource(KeyId=key, Tags=[{"TagKey": "team", "TagValue": "red"}])
    kms.revoke_grant(KeyId=key, GrantId=grant["GrantId"])
    kms.retire_grant(GrantToken=token)
    policy = kms.get_key_policy(KeyId=key)["Policy"].replace("Enable IAM User Permissions", "Put afterwards")
    kms.put_key_policy(KeyId=key, Policy=policy)
    kms.disable_key(KeyId=key)
    return Past(account, sign_in_browser(account.administrator), key, then)


@pytest.fixture(scope="module")
def made(past: Past) -> Samples:
    return samples.make(past.account.client)


def main(page: str) -> str:
    return page[page.index("<main") : page.index("</main>")]


def test_the_key_list_is_the_one_of_then(past: Past) -> None:
    page = past.browser.get("/keys/", {"as_of": past.then.isoformat()})
    (row,) = page.context["page"].object_list
    assert (row.key.key_id, row.state, row.key.aliases) == (past.key_id, "Enabled", ["ledger", "moved"])
    assert (row.key.description, row.key.rotation_days, dict(row.key.tags)) == ("first words", 200, {"team": "blue"})


def test_the_key_list_of_then_is_filtered_and_ordered_by_what_was_then(past: Past) -> None:
    for query, number in (
        ({"q": "ledger"}, 1),
        ({"q": "newer"}, 0),
        ({"tag": "team=blue"}, 1),
        ({"tag": "team=red"}, 0),
        ({"state": "Enabled", "rotation": "200 days"}, 1),
        ({"state": "Disabled"}, 0),
        ({"q": "x" * 300}, 0),
        ({"sort": "-description", "size": "100"}, 1),
    ):
        page = past.browser.get("/keys/", {"as_of": past.then.isoformat(), **query})
        assert len(page.context["page"].object_list) == number, query
    assert "is not narrowed" in past.get("/keys/", due="unused").replace("\n", " ")


def test_the_head_of_a_key_is_the_one_of_then(past: Past) -> None:
    page = main(past.get(f"/keys/{past.key_id}/"))
    for words in ("ledger, moved", "first words", "every 200", "Enabled"):
        assert words in page
    for words in ("other words", "newer", "Disabled"):
        assert words not in page


@pytest.mark.parametrize(
    ("tab", "then", "now"),
    [
        ("policy", "Enable IAM User Permissions", "Put afterwards"),
        ("aliases", "alias/ledger", "alias/newer"),
        ("tags", "blue", "red"),
        ("grants", "for-a-while", "No grants"),
        ("grants", "by-token", "No grants"),
        ("crypto", "SYMMETRIC_DEFAULT", "Put afterwards"),
    ],
)
def test_a_tab_of_a_key_is_the_one_of_then(past: Past, tab: str, then: str, now: str) -> None:
    page = main(past.get(f"/keys/{past.key_id}/tab/{tab}/"))
    assert then in page
    assert now not in page


def test_a_replay_up_to_now_agrees_with_what_the_key_says(past: Past) -> None:
    now = clock.now(past.account.account_id).isoformat()
    kms = past.account.client()
    page = past.browser.get(f"/keys/{past.key_id}/tab/grants/", {"as_of": now}).context
    assert page["grants"] == [] == kms.list_grants(KeyId=past.key_id)["Grants"]
    key = page["past"]
    assert [f"alias/{name}" for name in key.aliases] == [
        each["AliasName"] for each in kms.list_aliases(KeyId=past.key_id)["Aliases"]
    ]
    assert key.description == kms.describe_key(KeyId=past.key_id)["KeyMetadata"]["Description"]
    assert key.rotation_days is None
    policy = past.browser.get(f"/keys/{past.key_id}/", {"as_of": now}).context["policy"]
    assert policy == kms.get_key_policy(KeyId=past.key_id)["Policy"]


def test_the_rotation_of_a_replica_is_that_of_its_primary(account: TestAccount, signed_in: Client) -> None:
    kms = account.client()
    key = account.create_key(MultiRegion=True)
    kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=100)
    kms.replicate_key(KeyId=key, ReplicaRegion="eu-west-1", Tags=[{"TagKey": "a", "TagValue": "b"}])
    account.move_clock(hours=1)
    kms.update_primary_region(KeyId=key, PrimaryRegion="eu-west-1")
    now = clock.now(account.account_id).isoformat()
    old = signed_in.get(f"/keys/{key}/", {"as_of": now}).context["past"]
    assert (old.regionality, old.rotation_days) == ("REPLICA", 100)
    signed_in.post("/region/", {"region": "eu-west-1", "next": "/"})
    (row,) = signed_in.get("/keys/", {"as_of": now}).context["page"].object_list
    assert (row.key.regionality, row.key.rotation_days, dict(row.key.tags)) == ("PRIMARY", 100, {"a": "b"})


def test_a_key_that_was_pending_deletion_was_not_rotated_then(account: TestAccount, signed_in: Client) -> None:
    kms, key = account.client(), account.create_key()
    kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=100)
    kms.schedule_key_deletion(KeyId=key)
    account.move_clock(minutes=1)
    then = {"as_of": (clock.now(account.account_id) - timedelta(seconds=30)).isoformat()}
    (row,) = signed_in.get("/keys/", {**then, "rotation": "off"}).context["page"].object_list
    assert (row.state, row.rotation) == ("PendingDeletion", "off")
    assert "every 100" not in signed_in.get(f"/keys/{key}/", then).content.decode()


def test_a_deletion_that_waits_for_replicas_begins_when_the_last_is_deleted(
    account: TestAccount, signed_in: Client
) -> None:
    kms = account.client()
    key = account.create_key(MultiRegion=True)
    kms.replicate_key(KeyId=key, ReplicaRegion="eu-west-1")
    account.move_clock(hours=1)
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=10)
    begun = clock.now(account.account_id)
    replica = account.client(region="eu-west-1")
    replica.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    account.move_clock(days=8)
    with pytest.raises(ClientError, match="NotFound"):
        replica.describe_key(KeyId=key)
    states = {0: "PendingReplicaDeletion", 6: "PendingReplicaDeletion", 8: "PendingDeletion"}
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == states[8]
    account.move_clock(days=12)
    for days, state in (states | {18: "Deleted"}).items():
        moment = {"as_of": (begun + timedelta(days=days, minutes=1)).isoformat()}
        assert signed_in.get(f"/keys/{key}/", moment).context["state"] == state, days
        listed = signed_in.get("/audit/keys/", moment).context["page"].object_list
        assert [told for each, told in listed if each.key_id == key] == [state], days


def shown_then(past: Past) -> Iterator[str]:
    yield from ("/keys/", "/audit/", "/audit/keys/", f"/keys/{past.key_id}/")
    yield from (
        f"/keys/{past.key_id}/tab/{tab}/" for tab in ("policy", "crypto", "aliases", "tags", "grants", "access")
    )
    yield from (f"/principals/{kind}/" for kind in ("users", "groups", "roles", "policies"))
    yield "/principals/users/admin/"
    admin = past.account.administrator.arn
    for question in (
        f"key={past.key_id}&action=kms:Decrypt",
        f"principal={admin}",
        f"principal={admin}&key={past.key_id}",
    ):
        yield f"/access/?{question}"
    yield f"/access/?principal={admin}&key={past.key_id}&action=kms:Decrypt"


def test_a_page_of_the_past_names_its_moment_leads_back_and_offers_no_change(past: Past) -> None:
    for address in shown_then(past):
        page = main(past.get(address))
        assert f"{past.then:%Y-%m-%d %H:%M:%S}" in page, address
        assert "nothing can be changed here" in page, address
        back = re.search(r'<a href="([^"]*)">To the present</a>', page)
        assert back is not None, address
        assert unescape(back[1]).partition("?")[0] == address.partition("?")[0]
        assert "as_of" not in back[1]
        assert 'method="post"' not in page, address
        assert "/do/" not in page, address


# What a page of the past may say in the present: of itself, and of what is known today.
SAID_NOW = re.compile(r"nothing can be changed here")
PRESENT = re.compile(
    r"[^.]*\b(?:can|may|cannot|would allow|what it allows|you may not|add it to|write an|edit)\b[^.]*", re.IGNORECASE
)


def test_no_sentence_or_action_of_a_page_of_the_past_stands_in_the_present(past: Past) -> None:
    stranger = "arn:aws:iam::999988887777:root"
    found = []
    for address in (
        *shown_then(past),
        "/access/",
        "/access/?principal=nobody",
        f"/access/?principal={stranger}&key={past.key_id}&action=kms:Decrypt",
        f"/access/?principal={past.account.administrator.arn}&action=sts:AssumeRole&key={stranger}",
        f"/keys/{past.key_id}/tab/access/?all=1",
        "/audit/compliance/",
        "/audit/compliance/report/",
    ):
        page = re.sub(r"(?s)<(pre|code|datalist)\b.*?</\1>", "", main(past.get(address)))
        attributes = " . ".join(re.findall(r'(?:title|aria-label|placeholder)="([^"]*)"', page))
        words = re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", page)) + " . " + attributes)
        found += [(address, each.strip()) for each in PRESENT.findall(SAID_NOW.sub("", words))]
    assert not found


def test_every_other_page_says_that_it_shows_only_the_present(past: Past, made: Samples) -> None:
    """Of the whole URLconf, so that a new page cannot show the present as the past."""
    moment = past.then.isoformat()
    shown, told = set(), set()
    for route, addresses in samples.addresses(made).items():
        for address in addresses:
            answer = past.browser.get(
                address + ("&" if "?" in address else "?") + "as_of=" + moment.replace("+", "%2B")
            )
            text = "" if answer.streaming else answer.content.decode(errors="replace")
            if ONLY_PRESENT in text and answer.status_code == 400:
                told.add(route)
            else:
                shown.add(route)
    assert shown == {
        "keys/",
        "keys/<str:key_id>/",
        "keys/<str:key_id>/tab/<slug:tab>/",
        "audit/",
        "audit/export/",
        "audit/keys/",
        "audit/compliance/",
        "audit/compliance/report/",
        "access/",
        "principals/users/",
        "principals/users/<str:name>/",
        "principals/groups/",
        "principals/groups/<str:name>/",
        "principals/roles/",
        "principals/roles/<str:name>/",
        "principals/policies/",
        "principals/policies/one/",
    }
    assert {"keys/aws/", "principals/users/new/", ""} <= told
    for tab in ("use", "timeline", "impact", "material"):
        assert ONLY_PRESENT in past.get(f"/keys/{past.key_id}/tab/{tab}/"), tab


def test_every_link_of_a_page_of_the_past_carries_the_moment_where_the_past_is_shown_and_nowhere_else(
    past: Past,
) -> None:
    wrong = []
    for address in shown_then(past):
        for found in re.findall(
            r'<a\b[^>]*?href="([^"]+)"', main(past.get(address)).replace("To the present", ""), re.DOTALL
        ):
            link = urlsplit(unescape(found))
            path = link.path or address.partition("?")[0]
            if path == address.partition("?")[0] and "as_of" not in link.query:
                continue  # to the present
            try:
                view = resolve(path).func
            except Resolver404:
                continue
            carries = parse_qs(link.query).get("as_of") == [past.then.isoformat()]
            if carries != hasattr(view, "shows_past"):
                wrong.append((address, found))
    assert not wrong


@pytest.mark.parametrize("typed", ["yesterday", "2026-13-01", "0001-01-01", "9999-12-31T23:59"])
def test_what_is_no_moment_is_refused_beside_the_field(past: Past, typed: str) -> None:
    for address in ("/keys/", "/audit/", "/audit/keys/", f"/keys/{past.key_id}/", "/audit/export/"):
        answer = past.browser.get(address, {"as_of": typed})
        page = main(answer.content.decode())
        assert answer.status_code == 400, address
        assert f'value="{typed}"' in page or address == "/audit/keys/", address
        assert "Enter a valid date/time." in page, address
        assert "Enabled" not in page, address
        assert "Disabled" not in page, address


def test_a_moment_that_is_still_to_come_is_said(past: Past) -> None:
    soon = (clock.now(past.account.account_id) + timedelta(days=3)).isoformat()
    for address in ("/keys/", "/audit/", "/audit/keys/", f"/keys/{past.key_id}/"):
        answer = past.browser.get(address, {"as_of": soon})
        assert answer.status_code == 400, address
        assert "in the future" in answer.content.decode(), address


def test_today_is_now(past: Past) -> None:
    today = f"{clock.now(past.account.account_id):%Y-%m-%d}"
    assert past.browser.get("/keys/", {"as_of": today}).status_code == 200


def test_a_moment_before_the_record_begins_is_said(past: Past) -> None:
    for address in ("/keys/", "/audit/keys/", f"/keys/{past.key_id}/"):
        answer = past.browser.get(address, {"as_of": "2020-01-01"})
        page = answer.content.decode()
        assert "The record of this account begins" in page, address
        assert "The record tells of no" in page.replace("\n", " "), address
        assert "(0)" not in main(page), address  # how many there were is not known
        assert answer.status_code == (404 if past.key_id in address else 200)


def test_nothing_is_changed_by_an_address_of_the_past(past: Past) -> None:
    for address in (f"/keys/{past.key_id}/do/enable/", "/keys/bulk/", "/audit/verify/", "/principals/users/new/"):
        answer = past.browser.post(f"{address}?as_of=2026-01-01", {"action": "enable", "key": past.key_id})
        assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD"), address
        assert "Nothing was changed" in re.sub(r"\s+", " ", answer.content.decode())
    assert past.account.client().describe_key(KeyId=past.key_id)["KeyMetadata"]["KeyState"] == "Disabled"


def test_who_may_not_read_the_record_sees_no_past(past: Past) -> None:
    user = past.account.create_user(
        "no-record", '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"}]}'
    )
    past.account.client("iam").create_login_profile(UserName=user.name, Password="correct horse battery")
    browser = sign_in_browser(replace(user, password="correct horse battery"))
    past.get("/keys/")  # what was read for another is not told
    for address in ("/keys/", f"/keys/{past.key_id}/"):
        answer = browser.get(address, {"as_of": past.then.isoformat()})
        assert answer.status_code == 403, address
        assert "kmsconsole:ReadRecord" in answer.content.decode()
