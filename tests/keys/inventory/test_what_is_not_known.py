"""What may not be read of keys is nowhere shown as none of it: every operation that tells something of a key, refused, on every page that
speaks of what it tells; for a user of the embedded engine, and for the credentials of another endpoint."""

from __future__ import annotations

import json
from dataclasses import dataclass
from html import unescape
from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from django.utils import timezone

from keys.endpoints import outbound
from keys.inventory import key_rows, sync
from keys.inventory.models import ObservedChange, SyncState
from keys.models import Connection
from tests.conftest import TestAccount, TestUser, new_account, sign_in_browser
from tests.support import threads
from tests.support.answers import body
from tests.support.stub_endpoint import StubEndpoint

NOT_PERMITTED = "not permitted"
ANYONE = {"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}


def takes(*operations: str) -> str:
    return f"it takes {', '.join(f'kms:{each}' for each in operations)}."


DELETION = "POST /keys/bulk/"
# Operation → page → what it says where the operation is refused. `{key}` is the one with everything.
SAID: dict[str, dict[str, str]] = {
    "GetKeyRotationStatus": {
        "/": takes("GetKeyRotationStatus"),
        "/keys/?cols=rotation": NOT_PERMITTED,
        "/keys/?cols=next_rotation&print=all": NOT_PERMITTED,
        "/keys/?cols=rotation&sort=next_rotation": NOT_PERMITTED,
        "/keys/?rotation=off": takes("GetKeyRotationStatus"),
        "/keys/?q=rotation:off": takes("GetKeyRotationStatus"),
        "/keys/?due=rotation": takes("GetKeyRotationStatus"),
        "/keys/values/?facet=rotation": takes("GetKeyRotationStatus"),
        "/keys/export/": NOT_PERMITTED,
        "/keys/export/?format=json": NOT_PERMITTED,
        "/search/?q=rotation:off": takes("GetKeyRotationStatus"),
        "/keys/{key}/": NOT_PERMITTED,
        "/keys/{key}/tab/material/": "Turn on or change period",
        "/keys/{key}/tab/timeline/": "Not shown: AccessDeniedException",
        "/audit/compliance/": "2 keys",
    },
    "GetKeyLastUsage": {
        "/": takes("GetKeyLastUsage"),
        "/keys/": NOT_PERMITTED,
        "/keys/?sort=last_used": NOT_PERMITTED,
        "/keys/?due=unused": takes("GetKeyLastUsage"),
        "/keys/export/": NOT_PERMITTED,
        "/keys/{key}/": NOT_PERMITTED,
        "/keys/{key}/tab/impact/": NOT_PERMITTED,
        "/keys/{key}/delete/": "is not known, so it counts as used",
        DELETION: NOT_PERMITTED,
    },
    "GetKeyPolicy": {
        "/": takes("GetKeyPolicy"),
        "/keys/?cols=public": NOT_PERMITTED,
        "/keys/?public=yes": takes("GetKeyPolicy"),
        "/keys/?q=public:yes": takes("GetKeyPolicy"),
        "/keys/values/?facet=public": takes("GetKeyPolicy"),
        "/keys/export/": NOT_PERMITTED,
        "/audit/compliance/": "2 keys",
    },
    "ListResourceTags": {
        "/keys/?cols=tags": NOT_PERMITTED,
        "/keys/?tag=team%3Dblue": takes("ListResourceTags"),
        "/keys/?q=tag:team": takes("ListResourceTags"),
        "/keys/?q=blue": takes("ListResourceTags"),
        "/search/?q=blue": takes("ListResourceTags"),
        "/keys/values/?facet=tag": takes("ListResourceTags"),
        "/keys/export/": NOT_PERMITTED,
        "/audit/compliance/": "2 keys",
    },
    "ListAliases": {
        "/keys/": NOT_PERMITTED,
        "/keys/?print=all": NOT_PERMITTED,
        "/keys/?q=ledger": takes("ListAliases"),
        "/search/?q=ledger": takes("ListAliases"),
        "/keys/options/?find=ledger": "No key matches of those of which this is known.",
        "/keys/export/": NOT_PERMITTED,
        "/keys/{key}/": NOT_PERMITTED,
        "/keys/{key}/tab/impact/": NOT_PERMITTED,
        "/keys/{key}/delete/": NOT_PERMITTED,
        DELETION: NOT_PERMITTED,
    },
    "ListGrants": {
        "/keys/{key}/tab/impact/": NOT_PERMITTED,
        "/keys/{key}/delete/": NOT_PERMITTED,
    },
    "DescribeKey": {
        "/": takes("DescribeKey"),
        "/keys/": NOT_PERMITTED,
        "/keys/?state=Enabled": takes("DescribeKey"),
        "/keys/export/": NOT_PERMITTED,
        "/audit/compliance/": "2 keys may be listed and not described.",
    },
}
# The same of pages that speak of the embedded engine alone.
SAID_EMBEDDED: dict[str, dict[str, str]] = {
    "ListResourceTags": dict.fromkeys(
        ("/keys/{key}/tab/access/", "/access/?key={key}", "/access/?principal=admin&action=kms:Decrypt"),
        takes("ListResourceTags"),
    ),
    "ListAliases": dict.fromkeys(("/keys/{key}/tab/access/", "/access/?key={key}"), takes("ListAliases")),
    "ListGrants": {"/access/?key={key}": "You may not list this key's grants"},
    "iam:GetAccessKeyLastUsed": {"/principals/users/admin/": NOT_PERMITTED},
    "iam:GetLoginProfile": {"/principals/users/admin/": NOT_PERMITTED},
}
# Operation → what would then be untrue on any page.
UNTRUE: dict[str, tuple[str, ...]] = {
    "GetKeyRotationStatus": ("No rotation is due.", "No value holds this.", "No key matches.<", "(0 of 2)"),
    "GetKeyLastUsage": ("Every enabled key is used, or new.", "never used", "never, since", "not yet", "(0 of 2)"),
    "GetKeyPolicy": ("No key policy allows public access.", "No value holds this.", "(0 of 2)"),
    "ListResourceTags": ("No value holds this.", "(0 of 2)"),
    "ListAliases": ("(0 of 2)", "Aliases</dt> <dd>none"),
    "ListGrants": ("Grants</dt> <dd>none", "Grants</dt> <dd>0"),
    "iam:GetAccessKeyLastUsed": ("<td>–</td>",),
    "iam:GetLoginProfile": ("No password", "Enable console sign-in"),
    "DescribeKey": ("Nothing is about to be deleted.", "No imported material expires soon.", "No keys yet."),
}


@dataclass(frozen=True)
class World:
    theirs: TestAccount
    key: str
    other: str


@pytest.fixture(scope="module")
def world(prepared: object) -> World:
    theirs = new_account()
    kms = theirs.client()
    policy = json.dumps({"Version": "2012-10-17", "Statement": [ANYONE]})
    key = theirs.create_key(Policy=policy, Tags=[{"TagKey": "team", "TagValue": "blue"}])
    kms.create_alias(AliasName="alias/ledger", TargetKeyId=key)
    kms.encrypt(KeyId=key, Plaintext=b"x")
    kms.create_grant(KeyId=key, GranteePrincipal=theirs.administrator.arn, Operations=["Decrypt"])
    return World(theirs, key, theirs.create_key())


def action_of(operation: str) -> str:
    return operation if ":" in operation else f"kms:{operation}"


def denied(account: TestAccount, operation: str, name: str) -> TestUser:
    """A user who may do everything but this."""
    allow = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    deny = {"Effect": "Deny", "Action": action_of(operation), "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow, deny]})
    return account.create_user(name, policy)


@pytest.fixture
def embedded(world: World, operation: str) -> Client:
    user = denied(world.theirs, operation, f"user-{operation.rpartition(':')[2]}")
    world.theirs.client("iam").create_login_profile(UserName=user.name, Password="long enough")
    user.password = "long enough"
    sign_in_browser(world.theirs.administrator).get("/keys/")  # the list knows more than this user may
    return sign_in_browser(user)


@pytest.fixture
def elsewhere(world: World, operation: str, monkeypatch: pytest.MonkeyPatch) -> Client:
    user, account = denied(world.theirs, operation, f"endpoint-{operation}"), new_account()
    return connected(account, StubEndpoint(user.client(), user.client("cloudtrail")), monkeypatch)


def connected(account: TestAccount, stub: StubEndpoint, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setattr(outbound.CheckedSession, "send", lambda _self, request: stub.send(request))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "stub")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "stub")
    connection = Connection.objects.create(
        account_id=account.account_id, name="stub", kind="url", url="http://stub.example", method="server",
        created=timezone.now(),
    )  # fmt: skip
    browser = sign_in_browser(account.administrator)
    browser.post("/settings/endpoints/switch/", {"endpoint": str(connection.pk)})
    return browser


def shown(browser: Client, world: World, address: str) -> str:
    if address == DELETION:
        page = browser.post("/keys/bulk/", {"action": "delete", "key": [world.key, world.other]})
    else:
        page = browser.get(address.format(key=world.key))
    assert page.status_code == 200, address
    return " ".join(unescape(body(page)).split()).replace("<dd> ", "<dd>")


@pytest.mark.parametrize("operation", dict.fromkeys((*SAID, *SAID_EMBEDDED)))
def test_a_user_is_told_what_it_may_not_read(world: World, operation: str, embedded: Client) -> None:
    told_on_each_page(embedded, world, operation, SAID.get(operation, {}) | SAID_EMBEDDED.get(operation, {}))


@pytest.mark.parametrize("operation", SAID)
def test_what_the_credentials_of_an_endpoint_may_not_read_is_said_so(
    world: World, operation: str, elsewhere: Client
) -> None:
    told_on_each_page(elsewhere, world, operation, SAID[operation])


def told_on_each_page(browser: Client, world: World, operation: str, pages: dict[str, str]) -> None:
    for address, said in pages.items():
        page = shown(browser, world, address)
        assert said in page, (address, said)
        untrue = [each for each in UNTRUE[operation] if each in page]
        assert not untrue, (address, untrue)
        if said == NOT_PERMITTED and "/export/" not in address:
            assert f"is not authorized to perform: {action_of(operation)} on" in page, (address, "the error")


def test_a_last_use_that_is_not_read_yet_is_not_shown_as_none(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(27):
        account.client().encrypt(KeyId=account.create_key(), Plaintext=b"x")
    monkeypatch.setattr(sync, "STEP", 26)
    monkeypatch.setattr(sync, "AT_ONCE", 0.0)
    behind = threads.held(monkeypatch, sync)
    page = signed_in.get("/keys/?cols=last_used").content.decode()
    assert page.count("not read yet") == 25
    assert "–</td>" not in page
    assert 'class="check provisional"' in page, "all that match are not counted yet"
    assert 'class="count provisional"' in page
    assert "not read yet" in body(signed_in.get("/keys/export/"))
    behind[0]()
    page = signed_in.get("/keys/?cols=last_used").content.decode()
    assert "not read yet" not in page
    assert "–</td>" not in page
    assert "provisional" not in page


def test_a_last_use_is_in_the_list_with_the_first_page(account: TestAccount, signed_in: Client) -> None:
    account.client().encrypt(KeyId=account.create_key(), Plaintext=b"x")
    (row,) = signed_in.get("/keys/").context["rows"]
    assert row.last_used is not None


def test_what_an_endpoint_does_not_offer_is_not_known(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    clients = world.theirs.client(), world.theirs.client("cloudtrail")
    stub = StubEndpoint(*clients, not_offered=["GetKeyLastUsage"])
    monkeypatch.setattr(key_rows, "_not_offered", {})
    browser = connected(new_account(), stub, monkeypatch)
    page = shown(browser, world, "/keys/?cols=last_used")
    assert page.count('title="UnknownOperationException">not known') == 2
    assert takes("GetKeyLastUsage") in shown(browser, world, "/")
    assert "not known" in shown(browser, world, DELETION)


def test_a_permission_that_an_endpoint_takes_away_hides_what_was_read_before(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub = StubEndpoint(world.theirs.client(), world.theirs.client("cloudtrail"))
    browser = connected(new_account(), stub, monkeypatch)
    assert "team=blue" in shown(browser, world, "/keys/?cols=tags")
    assert len(browser.get("/keys/?q=blue").context["rows"]) == 1
    stub.kms = denied(world.theirs, "ListResourceTags", "endpoint-later").client()
    browser.post("/settings/endpoints/refresh/", {"next": "/keys/"})
    page = shown(browser, world, "/keys/?cols=tags")
    assert "team=blue" not in page
    assert page.count("kms:ListResourceTags on") >= 2
    assert not browser.get("/keys/?q=blue").context["rows"]
    assert not ObservedChange.objects.filter(key_id=world.key).exists(), "no tag was seen to go"
    then = shown(browser, world, f"/keys/{world.key}/?as_of={timezone.now().isoformat().replace('+00:00', 'Z')}")
    assert "team=blue" not in then


def test_keys_of_which_it_is_not_known_sort_last_and_not_by_it(account: TestAccount, signed_in: Client) -> None:
    blue = [{"TagKey": "team", "TagValue": "blue"}]
    used = [account.create_key(Tags=blue if number % 2 else []) for number in range(4)]
    for key_id in used:
        account.client().encrypt(KeyId=key_id, Plaintext=b"x")
    never = account.create_key(Tags=blue)
    signed_in.get("/keys/")
    allow = {"Effect": "Allow", "Action": ["kms:ListKeys", "kms:DescribeKey"], "Resource": "*"}
    condition = {"StringEquals": {"aws:ResourceTag/team": "blue"}}
    some = {**allow, "Action": ["kms:GetKeyLastUsage"], "Condition": condition}
    user = account.create_user("bob", json.dumps({"Version": "2012-10-17", "Statement": [allow, some]}))
    account.client("iam").create_login_profile(UserName="bob", Password="long enough")
    user.password = "long enough"
    bob = sign_in_browser(user)
    unknown = sorted(used[::2])
    for address, known in (("sort=last_used", used[1::2]), ("sort=-last_used", used[1::2][::-1])):
        shown_keys = [row.key_id for row in bob.get(f"/keys/?{address}").context["rows"]]
        assert set(shown_keys[:2]) == set(known), address
        assert sorted(shown_keys[2:]) == sorted([*unknown, never]), address


def test_the_list_of_an_endpoint_that_an_older_version_read_is_read_again() -> None:
    now = timezone.now()
    for scope in ("c901", "999000000001"):
        SyncState.objects.create(account_id=scope, region="us-east-1", synchronised=now)
    import_module("keys.migrations.0017_unread").read_again(apps, connection.schema_editor())
    read = dict(SyncState.objects.filter(region="us-east-1").values_list("account_id", "synchronised"))
    assert read["c901"] is None
    assert read["999000000001"] == now


def test_a_reading_asks_once_for_aliases_that_it_may_not_list(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    user = denied(world.theirs, "ListAliases", "endpoint-once")
    stub = StubEndpoint(user.client(), user.client("cloudtrail"))
    connected(new_account(), stub, monkeypatch).get("/keys/")
    assert stub.asked["ListAliases"] == 1


def test_the_past_of_what_no_reading_was_told_is_not_known(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    clients = denied(world.theirs, "ListAliases", "endpoint-past").client(), world.theirs.client("cloudtrail")
    stub = StubEndpoint(*clients, not_offered=["LookupEvents"])
    browser = connected(new_account(), stub, monkeypatch)
    browser.get("/keys/")
    then = timezone.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    for address in ("/keys/", "/audit/keys/", f"/keys/{world.key}/"):
        page = shown(browser, world, f"{address}?as_of={then}").partition("<main")[2]
        assert world.key in page, address
        assert "not known" in page, address
    exported = body(browser.get("/audit/keys/", {"as_of": then, "format": "csv"}))
    assert "not known" in exported


def test_looking_around_at_an_endpoint_asks_once_for_what_it_refuses(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call that reaches it is in its record: the embedded engine is asked for its decision instead. Who reloads a page, or changes
    something, asks anew."""
    refused = ("ListAliases", "GetKeyRotationStatus", "GetKeyPolicy", "ListResourceTags", "GetKeyLastUsage")
    deny = {"Effect": "Deny", "Action": [f"kms:{each}" for each in refused], "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{**deny, "Effect": "Allow", "Action": "*"}, deny]})
    user = world.theirs.create_user("endpoint-looks", policy)
    stub = StubEndpoint(user.client(), user.client("cloudtrail"))
    browser = connected(new_account(), stub, monkeypatch)
    around = [f"/keys/{world.key}/", f"/keys/{world.key}/tab/tags/", f"/keys/{world.key}/tab/material/"]
    for address in around * 2:
        assert NOT_PERMITTED in shown(browser, world, address)
    assert {each: stub.asked[each] for each in refused} == dict.fromkeys(refused, 1)
    assert stub.asked["DescribeKey"] == 6

    browser.get(around[0], headers={"Cache-Control": "max-age=0"})
    assert stub.asked["GetKeyPolicy"] == 2
    browser.post(f"/keys/{world.key}/do/describe/", {"description": "new"})
    browser.get(around[0])
    assert stub.asked["GetKeyPolicy"] == 3
