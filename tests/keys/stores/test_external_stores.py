"""The pages of an external key store, by an entry as DescribeCustomKeyStores answers it."""

from __future__ import annotations

import html
import io
import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from engine.kms.stores.health import ProxyHealth
from engine.public import key_stores
from engine.xks.answers import Manager
from keys.stores import prerequisites, stores
from keys.stores.forms import ExternalForm
from tests.conftest import TestAccount, sign_in_browser
from tests.support.answers import text
from tests.support.policies import allow, document, person

STORE_ID = "cks-1234567890abcdef0"
ENTRY: dict[str, Any] = {
    "CustomKeyStoreId": STORE_ID,
    "CustomKeyStoreName": "outside",
    "CustomKeyStoreType": "EXTERNAL_KEY_STORE",
    "ConnectionState": "CONNECTED",
    "CreationDate": datetime(2026, 1, 2, tzinfo=UTC),
    "XksProxyConfiguration": {
        "Connectivity": "PUBLIC_ENDPOINT",
        "AccessKeyId": "ABCDEFGHIJKLMNOPQRST",
        "UriEndpoint": "https://xks.example.com",
        "UriPath": "/kms/xks/v1",
    },
}
SAME = {
    "name": "outside",
    "connectivity": "PUBLIC_ENDPOINT",
    "endpoint": "https://xks.example.com",
    "path": "/kms/xks/v1",
}


@pytest.fixture(autouse=True)
def one_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "every", lambda request: [stores.Store(ENTRY)])
    monkeypatch.setattr(stores, "find", lambda request, store_id: stores.Store(ENTRY, 0))


def shown(answer: Any) -> str:
    return html.unescape(html.unescape(text(answer)))


def test_its_page_and_list_show_the_proxy(signed_in: Client) -> None:
    page = shown(signed_in.get(f"/stores/xks/{STORE_ID}/"))
    for words in ("https://xks.example.com", "/kms/xks/v1", "ABCDEFGHIJKLMNOPQRST", "Connected"):
        assert words in page
    assert "https://xks.example.com/kms/xks/v1" in shown(signed_in.get("/stores/xks/"))
    assert "outside" not in shown(signed_in.get("/stores/cloudhsm/")).partition("<main")[2]


def test_its_page_and_the_overview_show_how_the_proxy_is(
    signed_in: Client, account: TestAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = Manager("hsm-7", "Luna", "DEGRADED")
    told = ProxyHealth(datetime(2026, 1, 3, tzinfo=UTC), 41, vendor="ACME", model="proxy 2", managers=(manager,))
    monkeypatch.setattr(key_stores, "look", lambda account_id, region, store_ids: dict.fromkeys(store_ids, told))
    page = shown(signed_in.get(f"/stores/xks/{STORE_ID}/"))
    for words in ("A key manager is not active", "ACME proxy 2", "hsm-7", "DEGRADED", "answered in 41 ms"):
        assert words in page
    assert "1 external key store is connected, and its proxy or key managers are not healthy" in shown(
        signed_in.get("/")
    )
    reader = sign_in_browser(person(account, "reader", document(allow(["kms:Describe*", "kms:List*"]))))
    refused = shown(reader.get(f"/stores/xks/{STORE_ID}/"))
    assert "not authorized to perform: kmsconsole:ReadKeyStoreHealth" in refused
    assert "hsm-7" not in refused
    assert "not well" not in shown(reader.get("/"))


def test_a_proxy_that_was_not_reached_has_not_answered(signed_in: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    told = ProxyHealth(datetime(2026, 1, 3, tzinfo=UTC), 4, error="XKS_PROXY_NOT_REACHABLE", message="No answer.")
    monkeypatch.setattr(key_stores, "look", lambda account_id, region, store_ids: dict.fromkeys(store_ids, told))
    page = shown(signed_in.get(f"/stores/xks/{STORE_ID}/"))
    assert "XKS_PROXY_NOT_REACHABLE" in page
    assert "answered in" not in page


def test_its_page_is_found_by_the_address_of_the_other_type(signed_in: Client) -> None:
    assert signed_in.get(f"/stores/cloudhsm/{STORE_ID}/")["Location"] == f"/stores/xks/{STORE_ID}/"


def test_a_wrong_credential_is_told_as_the_proxys_and_not_as_a_password_of_a_cluster(
    signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = ENTRY | {"ConnectionState": "FAILED", "ConnectionErrorCode": "INVALID_CREDENTIALS"}
    monkeypatch.setattr(stores, "find", lambda request, store_id: stores.Store(failed, 0))
    page = shown(signed_in.get(f"/stores/xks/{STORE_ID}/"))
    assert "The proxy does not know the store's access key ID" in page
    assert "kmsuser" not in page


def test_an_edit_sends_the_path_alone_and_keeps_the_credential(signed_in: Client) -> None:
    changed = SAME | {"path": "/other/kms/xks/v1", "preview": "1"}
    page = shown(signed_in.post(f"/stores/xks/{STORE_ID}/edit/", changed))
    assert "--xks-proxy-uri-path /other/kms/xks/v1" in page
    assert "--xks-proxy-uri-endpoint" not in page
    assert "credential" not in page[page.find("aws kms update-custom-key-store") : page.find("Python (boto3)")]


def test_an_edit_changes_nothing_back_that_was_changed_since_its_page_was_opened(signed_in: Client) -> None:
    page = signed_in.get(f"/stores/xks/{STORE_ID}/edit/").content.decode()
    opened = dict(re.findall(r'name="(before_\w+)" value="([^"]*)"', page))
    there = opened | {"before_name": "older", "name": "older", "path": "/other/kms/xks/v1"}  # it is "outside" by now
    sent = shown(signed_in.post(f"/stores/xks/{STORE_ID}/edit/", SAME | there | {"preview": "1"}))
    assert "--xks-proxy-uri-path /other/kms/xks/v1" in sent
    assert "--new-custom-key-store-name" not in sent


def test_what_was_typed_before_the_store_was_connected_is_not_passed_over(signed_in: Client) -> None:
    typed = SAME | {"name": "renamed", "endpoint": "https://other.example.com"}
    answer: Any = signed_in.post(f"/stores/xks/{STORE_ID}/edit/", typed)
    assert answer.status_code == 422
    assert answer.context["form"].errors == {"endpoint": ["Disconnect the store to change it."]}
    assert answer.context["form"]["name"].value() == "renamed"


@pytest.mark.parametrize(
    ("state", "open_fields"),
    [
        ("CONNECTED", {"name", "configuration", "path", "access_key_id", "secret"}),
        ("DISCONNECTED", set(ExternalForm.base_fields)),
        ("FAILED", set()),
    ],
)
def test_each_field_says_whether_it_can_be_changed_now(
    signed_in: Client, monkeypatch: pytest.MonkeyPatch, state: str, open_fields: set[str]
) -> None:
    store = stores.Store(ENTRY | {"ConnectionState": state}, 0)
    monkeypatch.setattr(stores, "find", lambda request, store_id: store)
    answer: Any = signed_in.get(f"/stores/xks/{STORE_ID}/edit/")
    fields = answer.context["form"].fields
    assert {name for name, field in fields.items() if not field.disabled} == open_fields
    said = {name for name, field in fields.items() if "Disconnect the store to change it." in str(field.help_text)}
    assert said == fields.keys() - open_fields


CONFIGURATION = {
    "XksProxyUriPath": "/from-file/kms/xks/v1",
    "XksProxyAuthenticationCredential": {"AccessKeyId": "FILEFILEFILEFILEFILE", "RawSecretAccessKey": "f" * 43},
    "Vendor": "passed over",
}


def uploaded(content: object) -> io.BytesIO:
    file = io.BytesIO(content if isinstance(content, bytes) else json.dumps(content).encode())
    file.name = "proxy.json"
    return file


def test_the_proxys_configuration_file_fills_in_path_and_credential(signed_in: Client) -> None:
    given = {"name": "new", "connectivity": "PUBLIC_ENDPOINT", "endpoint": "https://xks.example.com", "preview": "1"}
    page = shown(signed_in.post("/stores/xks/new/", given | {"configuration": uploaded(CONFIGURATION)}))
    assert "--xks-proxy-uri-path /from-file/kms/xks/v1" in page
    assert 'value="FILEFILEFILEFILEFILE"' in page
    assert "f" * 43 not in page


@pytest.mark.parametrize(
    "content",
    [
        b"<html>",
        [],
        {"XksProxyUriPath": "/kms/xks/v1"},
        {**CONFIGURATION, "XksProxyUriPath": 7},
        {**CONFIGURATION, "XksProxyAuthenticationCredential": "x"},
        b" " * (17 << 10) + b"{}",
    ],
    ids=["HTML", "a list", "no credential", "a number", "a text", "too large"],
)
def test_a_file_that_is_none_is_told(signed_in: Client, content: object) -> None:
    answer: Any = signed_in.post("/stores/xks/new/", SAME | {"configuration": uploaded(content)})
    assert answer.status_code == 422
    assert answer.context["form"].errors["configuration"]


def test_what_a_file_says_is_checked_as_what_is_typed(signed_in: Client) -> None:
    wrong = {**CONFIGURATION, "XksProxyUriPath": "/kms/xks"}
    answer: Any = signed_in.post("/stores/xks/new/", SAME | {"configuration": uploaded(wrong)})
    assert set(answer.context["form"].errors) == {"path"}


@pytest.mark.parametrize("kind", ["cloudhsm", "xks"])
def test_what_has_to_be_there_is_explained_where_a_store_is_created(signed_in: Client, kind: str) -> None:
    page = shown(signed_in.get(f"/stores/{kind}/new/"))
    of_kind = prerequisites.PREREQUISITES[stores.KINDS[kind].type]
    assert all(str(each.title) in page and str(each.why) in page and each.command in page for each in of_kind)


def test_a_new_credential_is_shown_as_variables(signed_in: Client) -> None:
    secret = "S" * 43
    changed = SAME | {"access_key_id": "BBCDEFGHIJKLMNOPQRST", "secret": secret, "preview": "1"}
    page = shown(signed_in.post(f"/stores/xks/{STORE_ID}/edit/", changed))
    assert 'AccessKeyId="$ACCESS_KEY_ID",RawSecretAccessKey="$RAW_SECRET_ACCESS_KEY"' in page
    assert secret not in page


def test_the_wizard_asks_for_the_external_key(signed_in: Client) -> None:
    draft = str(signed_in.get("/keys/new/")["Location"]).partition("?")[2]
    configure = {"kind": "symmetric", "origin": "EXTERNAL_KEY_STORE", "regionality": "single"}
    signed_in.post(f"/keys/new/configure/?{draft}", configure)
    answer: Any = signed_in.post(f"/keys/new/store/?{draft}", {"store": STORE_ID})
    assert answer.context["form"].errors["xks_key_id"]
    signed_in.post(f"/keys/new/store/?{draft}", {"store": STORE_ID, "xks_key_id": "key-1"})
    signed_in.post(f"/keys/new/labels/?{draft}", {"alias": "outside"})
    review = shown(signed_in.get(f"/keys/new/review/?{draft}"))
    assert "--origin EXTERNAL_KEY_STORE" in review
    assert "--xks-key-id key-1" in review
    assert "xks_key_id" in review[review.find("aws_kms_key") :]
