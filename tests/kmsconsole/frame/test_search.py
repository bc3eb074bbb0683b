"""The search palette: keys, pages and actions, as a page and as what the palette is given."""

from __future__ import annotations

import pytest
from django.test import Client

from keys.stores import stores
from kmsconsole.frame import context, key_actions
from tests.conftest import TestAccount, sign_in_browser
from tests.support.answers import text
from tests.support.policies import allow, document, person
from tests.support.samples import TRUST


def test_search_finds_keys_pages_and_actions(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key(Description="Nightly backups", Tags=[{"TagKey": "team", "TagValue": "blue"}])
    account.client().create_alias(AliasName="alias/vault", TargetKeyId=key_id)
    for typed in ("vault", key_id[:13], "nightly", "blue", "BACK team"):
        assert [row.key_id for row in signed_in.get("/search/", {"q": typed}).context["found"].keys] == [key_id], typed
    found = signed_in.get("/search/", {"q": "key"}).context["found"]
    assert "Create key" in [str(entry.label) for entry in found.actions]
    assert "Customer managed keys" in [str(entry.label) for entry in found.pages]


def test_the_palette_is_given_the_results_alone(signed_in: Client) -> None:
    part = text(signed_in.get("/search/", {"q": "audit"}, headers={"HX-Request": "true"}))
    assert "<html" not in part
    assert 'data-answers="audit"' in part


def test_every_page_and_action_of_the_palette_is_there(signed_in: Client) -> None:
    for entry in [*(entry for group in context.navigation() for entry in group.entries), *context.actions()]:
        assert signed_in.get(entry.url, follow=True).status_code == 200, entry.url


def links(client: Client, typed: str) -> dict[str, str]:
    """Key action → its address."""
    found = client.get("/search/", {"q": typed}).context["found"]
    return {f"{each.label}: {each.key}": each.url for each in found.key_actions}


@pytest.fixture
def payments(account: TestAccount) -> str:
    key_id = account.create_key(Tags=[{"TagKey": "owner", "TagValue": "finance"}])
    account.client().create_alias(AliasName="alias/payments", TargetKeyId=key_id)
    return key_id


def test_stores_are_connected_and_disconnected_from_the_palette(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def entry(name: str, state: str) -> stores.Store:
        return stores.Store({"CustomKeyStoreId": f"cks-{name}", "CustomKeyStoreName": name, "ConnectionState": state})

    monkeypatch.setattr(stores, "every", lambda request: [entry("one", "DISCONNECTED"), entry("two", "CONNECTED")])

    def found(client: Client, typed: str) -> list[str]:
        return [each.url for each in client.get("/search/", {"q": typed}).context["found"].store_actions]

    assert found(signed_in, "connect one") == ["/stores/cloudhsm/cks-one/connect/"]
    assert found(signed_in, "two disconnect") == ["/stores/cloudhsm/cks-two/disconnect/"]
    assert found(signed_in, "connect") == ["/stores/cloudhsm/cks-one/connect/"]
    assert found(signed_in, "connect two") == []
    reader = sign_in_browser(person(account, "reader", document(allow(["kms:Describe*", "kms:List*"]))))
    assert found(reader, "connect one") == []
    offered = [str(each.label) for each in signed_in.get("/search/", {"q": "key store"}).context["found"].actions]
    assert offered == ["Create AWS CloudHSM key store", "Create external key store"]


PHRASES = [
    ("rotate payments", "Rotate now: payments", "/keys/{}/do/rotate/"),
    ("Disable payments", "Disable key: payments", "/keys/{}/do/disable/"),
    ("policy of payments", "Key policy: payments", "/keys/{}/tab/policy/"),
    ("payments policy", "Key policy: payments", "/keys/{}/tab/policy/"),
    ("edit policy of payments", "Edit key policy: payments", "/keys/{}/policy/edit/"),
    ("encrypt with payments", "Encrypt: payments", "/play/encrypt/?key={}"),
    ("data key under owner=finance", "Generate data key: payments", "/play/generate-data-key/?key={}"),
    ("delete the key payments", "Schedule key deletion: payments", "/keys/{}/delete/"),
    ("who can use payments", "Access: payments", "/keys/{}/tab/access/"),
    ("events of payments", "Audit: payments", "/audit/?key={}"),
]


def test_a_phrase_leads_to_the_page_of_the_action_of_the_key(signed_in: Client, payments: str) -> None:
    for typed, label, address in PHRASES:
        assert links(signed_in, typed) == {label: address.format(payments)}, typed


def test_a_phrase_offers_only_keys_that_the_action_is_for(
    account: TestAccount, signed_in: Client, payments: str
) -> None:
    assert links(signed_in, "enable payments") == {}
    assert links(signed_in, "sign with payments") == {}
    account.client().disable_key(KeyId=payments)
    assert list(links(signed_in, "enable payments")) == ["Enable key: payments"]


def test_every_phrase_leads_to_a_page(signed_in: Client, payments: str) -> None:
    for phrase in key_actions.PHRASES:
        assert signed_in.get(phrase.address(payments), follow=True).status_code in (200, 400), phrase.label


def test_a_phrase_tells_of_no_key_that_may_not_be_seen(account: TestAccount, payments: str) -> None:
    ann = sign_in_browser(person(account, "ann", document(allow(["kms:ListKeys", "kms:DescribeKey"]))))
    assert links(ann, "rotate payments") == {}, "ann may not list aliases"
    assert list(links(ann, f"rotate {payments}")) == [f"Rotate now: {payments}"]


def test_users_groups_and_roles_are_found_by_name(account: TestAccount, signed_in: Client) -> None:
    account.create_user("zoe-finance")
    account.client("iam").create_group(GroupName="finance")
    account.client("iam").create_role(RoleName="finance-reader", AssumeRolePolicyDocument=TRUST)
    found = signed_in.get("/search/", {"q": "Finance"}).context["found"].principals
    assert [(str(each.kind), each.label) for each in found] == [
        ("Group", "finance"), ("Role", "finance-reader"), ("User", "zoe-finance")
    ]  # fmt: skip
    for each in found:
        assert signed_in.get(each.url).status_code == 200


def test_who_may_not_list_users_finds_none_and_no_denial_is_recorded(account: TestAccount) -> None:
    account.create_user("zoe-finance")
    ann = sign_in_browser(person(account, "ann", document(allow(["kms:ListKeys", "iam:ListGroups"]))))
    assert ann.get("/search/", {"q": "finance"}).context["found"].principals == []
    denied = account.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "ListUsers"}]
    )["Events"]
    assert not [event for event in denied if event["Username"] == "ann"]


def test_create_user_is_an_action(signed_in: Client) -> None:
    found = signed_in.get("/search/", {"q": "create user"}).context["found"]
    assert [entry.url for entry in found.actions] == ["/principals/users/new/"]
