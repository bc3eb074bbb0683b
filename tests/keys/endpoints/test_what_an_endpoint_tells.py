"""Another endpoint than the embedded one: what it cannot tell is said so, where one looks, and never shown as zero; and every page says
whose account, Region and endpoint it speaks of. Against moto (no record of calls), a second kmsconsole (with one), and that as AWS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from django.test import Client

from keys.endpoints import backends
from keys.inventory.models import InventoryKey, ObservedChange
from tests.conftest import TestAccount
from tests.support.connections import connect, until_read
from tests.support.server import ACCESS_KEY_ID, ACCOUNT, SECRET, Server

MOTO_ACCOUNT = "123456789012"
NOT_TOLD = "does not answer LookupEvents"


def switch(browser: Client, slug: str) -> None:
    browser.post("/settings/endpoints/switch/", {"endpoint": slug, "next": "/"})


@pytest.fixture
def at_moto(signed_in: Client, moto: str) -> Client:
    switch(signed_in, str(connect(signed_in, moto).pk))
    return signed_in


@pytest.fixture
def at_second(signed_in: Client, server: Server) -> Client:
    """The console, speaking to another kmsconsole."""
    switch(signed_in, str(connect(signed_in, server.url, access_key_id=ACCESS_KEY_ID, secret=SECRET).pk))
    return signed_in


@pytest.fixture
def at_aws(signed_in: Client, server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """The console on "Real AWS", where a second kmsconsole answers for AWS."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setattr("django.conf.settings.BACKEND", "aws")
    backends.session.cache_clear()
    backends._clients.clear()
    yield signed_in
    backends.session.cache_clear()
    backends._clients.clear()


@pytest.fixture
def used_at_moto(moto: str, their_kms: Callable[[str], Any]) -> str:
    kms = their_kms(moto)
    key_id: str = kms.create_key(Description="used a minute ago")["KeyMetadata"]["KeyId"]
    kms.encrypt(KeyId=key_id, Plaintext=b"x")
    return key_id


@pytest.fixture
def their_kms() -> Callable[[str], Any]:
    return lambda url: boto3.client(
        "kms", region_name="us-east-1", endpoint_url=url, aws_access_key_id="x", aws_secret_access_key="x"
    )


@pytest.fixture
def used_at_second(server: Server) -> str:
    kms = server.client()
    key_id: str = kms.create_key(Description="used a minute ago")["KeyMetadata"]["KeyId"]
    kms.encrypt(KeyId=key_id, Plaintext=b"x", EncryptionContext={"file": "a"})
    return key_id


def text(browser: Client, address: str) -> str:
    return browser.get(address, follow=True).content.decode()


@pytest.mark.parametrize("tab", ["use", "timeline", "impact"])
def test_a_tab_that_reads_the_record_says_that_the_endpoint_has_none(
    at_moto: Client, used_at_moto: str, tab: str
) -> None:
    page = text(at_moto, f"/keys/{used_at_moto}/tab/{tab}/")
    assert NOT_TOLD in page
    assert "Nobody in 90 days" not in page
    assert "The trail has no change of this key." not in page
    assert "never, since the trail began" not in page


def test_the_impact_of_a_deletion_shows_what_is_not_known_as_not_known(at_moto: Client, used_at_moto: str) -> None:
    page = at_moto.get(f"/keys/{used_at_moto}/delete/")
    shown = page.content.decode()
    assert "not known" in shown
    assert NOT_TOLD in shown
    assert page.context["events_told"] is False


def test_a_deletion_asks_as_of_a_used_key_where_the_use_is_not_known(at_moto: Client, used_at_moto: str) -> None:
    assert "typed" in at_moto.get(f"/keys/{used_at_moto}/delete/").context["form"].fields


def test_the_overview_does_not_say_that_no_call_was_denied(at_moto: Client) -> None:
    page = text(at_moto, "/")
    assert "No call was denied." not in page
    assert NOT_TOLD in page


@pytest.mark.parametrize("address", ["/audit/", "/audit/keys/"])
def test_the_audit_of_an_endpoint_without_a_record_shows_nobody_elses(at_moto: Client, address: str) -> None:
    page = text(at_moto, address)
    assert NOT_TOLD in page
    assert "CreateConnection" not in page


def test_who_may_use_a_key_is_not_told_of_other_principals(at_moto: Client, used_at_moto: str) -> None:
    for address in (f"/keys/{used_at_moto}/tab/access/", f"/access/?key={used_at_moto}"):
        page = text(at_moto, address)
        assert "Who may use its keys cannot be told" in page, address
        assert "user/admin" not in page.partition("<main")[2].partition("cannot be told")[2], address


def test_principals_of_the_consoles_own_account_are_not_offered_for_an_endpoints_key(
    at_moto: Client, used_at_moto: str, account: TestAccount
) -> None:
    account.create_user("ann")
    tab = at_moto.get(f"/keys/{used_at_moto}/tab/policy/").content.decode()
    assert "The users, groups, roles and policies of moto are not known here" in tab
    assert "Key policy tab." not in tab
    grant = at_moto.get(f"/keys/{used_at_moto}/do/grant-add/").content.decode()
    assert 'list="principals"' in grant
    assert "user/ann" not in tab + grant


def test_a_policy_is_still_checked_where_principals_are_not_known(at_moto: Client, used_at_moto: str) -> None:
    assert at_moto.get(f"/keys/{used_at_moto}/tab/policy/").status_code == 200
    assert at_moto.get(f"/keys/{used_at_moto}/policy/edit/").status_code == 200


@pytest.mark.parametrize("address", ["/principals/users/", "/principals/groups/", "/principals/roles/", "/classes/"])
def test_a_page_of_the_consoles_own_account_says_so(at_moto: Client, account: TestAccount, address: str) -> None:
    page = text(at_moto, address)
    assert f"This page speaks of account {account.account_id} of this console's own service, not of moto." in page


def test_a_search_finds_the_endpoints_keys_and_names_whose_principals_it_finds(
    at_moto: Client, account: TestAccount, moto: str, their_kms: Callable[[str], Any]
) -> None:
    kms = their_kms(moto)
    kms.create_alias(AliasName="alias/annual", TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])
    account.create_user("ann")
    at_moto.post("/settings/endpoints/refresh/")
    until_read(at_moto)
    page = text(at_moto, "/search/?q=ann")
    assert "annual" in page
    assert "not of moto" not in page
    assert f"Users, groups and roles of account {account.account_id} of this console's own service" in page


def test_a_page_of_the_endpoint_names_its_account_and_region(at_moto: Client, used_at_moto: str) -> None:
    at_moto.post("/settings/endpoints/refresh/")
    until_read(at_moto)
    line = text(at_moto, "/keys/").partition('class="speaks-of')[2].partition("</p>")[0]
    assert "moto" in line
    assert MOTO_ACCOUNT in line
    assert "us-east-1" in line


def test_a_second_kmsconsole_tells_who_used_its_key(at_second: Client, used_at_second: str) -> None:
    impact = at_second.get(f"/keys/{used_at_second}/tab/impact/").context
    assert impact["ciphertexts"] == 1
    assert [share.name.rpartition("/")[2] for share in impact["users"] if share.done] == ["admin"]
    assert [(each.name, each.value, each.made) for each in impact["data"]] == [("file", "a", 1)]
    assert at_second.get(f"/keys/{used_at_second}/tab/use/").context["total"] == 1


def test_the_timeline_at_a_second_kmsconsole_tells_before_and_after_of_its_record(
    at_second: Client, server: Server, used_at_second: str
) -> None:
    server.client().update_key_description(KeyId=used_at_second, Description="described anew")
    changes = at_second.get(f"/keys/{used_at_second}/tab/timeline/").context["changes"]
    assert [change.event.name for change in changes] == ["UpdateKeyDescription", "CreateKey"]
    assert [(each.before, each.after) for each in changes[0].facts] == [("used a minute ago", "described anew")]


def test_the_audit_at_a_second_kmsconsole_is_that_of_its_account(at_second: Client, used_at_second: str) -> None:
    at_second.get("/keys/")
    page = at_second.get(f"/audit/?key={used_at_second}&operation=Encrypt")
    assert len(page.context["events"]) == 1
    assert ACCOUNT in page.content.decode()


def test_on_aws_the_pages_read_its_own_cloudtrail_and_iam(at_aws: Client, used_at_second: str) -> None:
    impact = at_aws.get(f"/keys/{used_at_second}/tab/impact/").context
    assert impact["ciphertexts"] == 1
    users = text(at_aws, "/principals/users/")
    assert "This page speaks of account" not in users
    assert "Real AWS" in users.partition('class="speaks-of')[2].partition("</p>")[0]


def test_the_past_of_another_endpoint_is_told_by_its_own_record(at_second: Client, used_at_second: str) -> None:
    moment = (datetime.now(UTC)).isoformat()
    at_second.get("/keys/")
    for address in ("/keys/", f"/keys/{used_at_second}/"):
        page = at_second.get(address, {"as_of": moment}).content.decode()
        assert "used a minute ago" in page, address
        assert "keys that were created earlier are not known here" in " ".join(page.split()), address


def test_the_past_of_an_endpoint_without_a_record_is_not_told(at_moto: Client, used_at_moto: str) -> None:
    for address in ("/keys/", f"/keys/{used_at_moto}/"):
        page = at_moto.get(address, {"as_of": "2026-01-01"}).content.decode()
        assert NOT_TOLD in page, address
        assert "The record tells of no" not in page, address


# --- what no record tells, readings of the list do


def changed_elsewhere(browser: Client, kms: Any, key_id: str) -> str:
    """The key's timeline, after the list was read, somebody changed the key at the endpoint, and the list was read again."""
    until_read(browser)
    kms.disable_key(KeyId=key_id)
    kms.update_key_description(KeyId=key_id, Description="by another hand")
    browser.post("/settings/endpoints/refresh/", {"next": "/keys/"})
    listed = until_read(browser, f"/keys/?cols=alias&cols=description&q={key_id}")
    assert "by another hand" in listed.content.decode()
    return text(browser, f"/keys/{key_id}/tab/timeline/")


def test_a_difference_between_two_readings_is_told_as_observed(
    at_moto: Client, moto: str, used_at_moto: str, their_kms: Callable[[str], Any]
) -> None:
    page = changed_elsewhere(at_moto, their_kms(moto), used_at_moto)
    assert "Observed by this console: changed since " in page
    assert "− used a minute ago" in page
    assert "+ by another hand" in page
    assert "− Enabled" in page
    assert NOT_TOLD in page
    (change,) = ObservedChange.objects.filter(key_id=used_at_moto)
    assert change.after is not None
    assert change.after < change.before
    at_moto.post("/settings/endpoints/refresh/", {"next": "/keys/"})
    until_read(at_moto)
    assert ObservedChange.objects.filter(key_id=used_at_moto).count() == 1


def shown_at(browser: Client, address: str, moment: datetime) -> str:
    page = browser.get(address, {"as_of": moment.isoformat()})
    assert page.status_code == 200, (address, page.status_code)
    return " ".join(page.content.decode().split())


def test_the_past_that_no_record_tells_is_what_was_read_and_is_marked_so(
    at_moto: Client, moto: str, used_at_moto: str, their_kms: Callable[[str], Any]
) -> None:
    changed_elsewhere(at_moto, their_kms(moto), used_at_moto)
    (change,) = ObservedChange.objects.filter(key_id=used_at_moto)
    assert change.after is not None
    row = InventoryKey.objects.get(key_id=used_at_moto)
    assert row.first_read == change.after
    row.created = change.after - timedelta(days=2)
    row.save()
    key = f"/keys/{used_at_moto}/"
    for moment, state, description in (
        (change.after - timedelta(days=1), "not known", "not known"),  # before the first reading
        (change.after - timedelta(days=3), "", ""),  # before it was created
        (change.before - (change.before - change.after) / 2, "not known", "not known"),  # between two that differ
        (change.before + timedelta(microseconds=1), "Disabled", "by another hand"),
    ):
        if not state:
            assert "observed" not in text(at_moto, f"{key}?as_of={moment:%Y-%m-%dT%H:%M:%SZ}").partition("<main")[2]
            continue
        page = shown_at(at_moto, key, moment)
        facts = page.partition("General configuration")[2]
        assert state in facts.partition("<dt>Status</dt>")[2][:200], moment
        assert description in facts.partition("<dt>Description</dt>")[2][:100], moment
        assert "observed" in facts, moment
        assert NOT_TOLD in page, moment
        for address in ("/keys/", "/audit/keys/"):
            listed = shown_at(at_moto, address, moment).partition(used_at_moto)[2]
            assert state in listed, (address, moment)
            assert "observed" in listed, (address, moment)
        assert "no record tells of this key" in shown_at(at_moto, f"{key}tab/grants/", moment)
    for before, differs in ((change.after, True), (change.after - timedelta(days=1), False)):  # the latter is not known
        page = at_moto.get("/audit/keys/compare/", {"before": before.isoformat()}).content.decode()
        assert (used_at_moto in page) is differs
        assert ("used a minute ago" in page) is differs


def test_what_the_endpoints_record_tells_is_not_told_twice(
    at_second: Client, server: Server, used_at_second: str
) -> None:
    page = changed_elsewhere(at_second, server.client(), used_at_second)
    assert ObservedChange.objects.filter(key_id=used_at_second).exists()
    assert "UpdateKeyDescription" in page
    assert "Observed by this console" not in page


# --- a key that is no longer listed


@pytest.fixture
def left_out(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """IDs of keys that the endpoint leaves out of its list: as one that deleted them, or that may no longer list them, does."""
    hidden: set[str] = set()
    call = BaseClient._make_api_call

    def answer(client: Any, operation: str, parameters: Any) -> Any:
        found = call(client, operation, parameters)
        if operation == "ListKeys" and client.meta.region_name == "us-east-1":
            found["Keys"] = [key for key in found["Keys"] if key["KeyId"] not in hidden]
        return found

    monkeypatch.setattr(BaseClient, "_make_api_call", answer)
    return hidden


def read_again(browser: Client) -> None:
    browser.post("/settings/endpoints/refresh/", {"next": "/keys/"})
    until_read(browser)


def test_a_key_that_left_the_list_without_a_record_is_still_in_its_past(
    at_moto: Client, used_at_moto: str, left_out: set[str]
) -> None:
    key = f"/keys/{used_at_moto}/"
    until_read(at_moto)
    left_out.add(used_at_moto)
    read_again(at_moto)
    assert not InventoryKey.objects.filter(key_id=used_at_moto).exists()
    (gone,) = ObservedChange.objects.filter(key_id=used_at_moto)
    assert gone.after is not None
    between = gone.before - (gone.before - gone.after) / 2
    later = gone.before + timedelta(microseconds=1)
    for moment, state, description in (
        (gone.after, "Enabled", "used a minute ago"),
        (between, "not known", "not known"),
        (later, "no longer in the list", "not known"),
    ):
        page = shown_at(at_moto, key, moment)
        facts = page.partition("General configuration")[2]
        assert state in facts.partition("<dt>Status</dt>")[2][:200], moment
        assert description in facts.partition("<dt>Description</dt>")[2][:100], moment
        assert "SYMMETRIC_DEFAULT" in facts, moment
        assert ("This key was no longer in the list" in page) is (moment is later)
        states = shown_at(at_moto, "/audit/keys/", moment).partition(used_at_moto)[2]
        assert state in states, moment
        assert "observed" in states, moment
        assert (used_at_moto in shown_at(at_moto, "/keys/", moment)) is (moment is not later)
        timeline = shown_at(at_moto, f"{key}tab/timeline/", moment)
        assert ("Observed by this console: no longer in the list of keys, last read" in timeline) is (moment is later)
    compared = at_moto.get("/audit/keys/compare/", {"before": gone.after.isoformat()}).content.decode()
    section = compared.partition(f'id="key-{used_at_moto}"')[2].partition("</header>")[0]
    assert "No longer in the list" in section
    assert "Deleted" not in section  # nobody knows


def test_a_key_that_comes_back_to_the_list_was_gone_only_between(
    at_moto: Client, used_at_moto: str, left_out: set[str]
) -> None:
    until_read(at_moto)
    left_out.add(used_at_moto)
    read_again(at_moto)
    left_out.clear()
    read_again(at_moto)
    (gone,) = ObservedChange.objects.filter(key_id=used_at_moto)
    back = InventoryKey.objects.get(key_id=used_at_moto).first_read
    assert gone.after is not None
    assert back is not None
    for moment, state in ((gone.after, "Enabled"), (gone.before, "no longer in the list"), (back, "Enabled")):
        facts = shown_at(at_moto, f"/keys/{used_at_moto}/", moment).partition("<dt>Status</dt>")[2]
        assert state in facts[:200], moment
    changes = at_moto.get(f"/keys/{used_at_moto}/tab/timeline/").context["changes"]
    assert [(change.gone, change.state) for change in changes] == [(False, "Enabled"), (True, "")]
    compared = {"before": gone.before.isoformat(), "after": back.isoformat()}
    assert "In the list again" in at_moto.get("/audit/keys/compare/", compared).content.decode()


def test_a_reading_that_stops_makes_no_key_gone(
    at_moto: Client, used_at_moto: str, left_out: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    until_read(at_moto)
    left_out.add(used_at_moto)

    def refuse(*_args: object, **_named: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "DescribeKey")

    monkeypatch.setattr("keys.inventory.key_rows.write", refuse)
    at_moto.post("/settings/endpoints/refresh/", {"next": "/keys/"})
    at_moto.get("/keys/")
    assert InventoryKey.objects.filter(key_id=used_at_moto).exists()
    assert not ObservedChange.objects.filter(key_id=used_at_moto).exists()


def test_what_is_kept_of_keys_that_left_the_list_is_bounded_and_of_its_own_connection(
    at_moto: Client, moto: str, used_at_moto: str, left_out: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keys.inventory.observed.MOST_GONE", 1)
    other = str(connect(at_moto, moto, name="other").pk)
    until_read(at_moto)
    for _time in range(2):
        left_out.add(used_at_moto)
        read_again(at_moto)
        left_out.clear()
        read_again(at_moto)
    (gone,) = ObservedChange.objects.filter(key_id=used_at_moto)
    left_out.add(used_at_moto)
    switch(at_moto, other)
    until_read(at_moto)
    page = at_moto.get(f"/keys/{used_at_moto}/", {"as_of": gone.before.isoformat()}).content.decode()
    assert "General configuration" not in page
    assert "no longer in the list" not in page
