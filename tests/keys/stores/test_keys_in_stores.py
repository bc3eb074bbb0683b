"""Keys in custom key stores, as pages make and show them: the wizard, a key's page, the overview."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from botocore.exceptions import ClientError
from django.test import Client

from keys.lifecycle import action_rules
from tests.conftest import TestAccount, sign_in_browser
from tests.support import key_stores
from tests.support.answers import text
from tests.support.key_stores import Cluster
from tests.support.policies import allow, document, person

IN_CLOUDHSM = {"kind": "symmetric", "origin": "AWS_CLOUDHSM", "regionality": "single"}
REFUSED = {
    "asymmetric": {"kind": "asymmetric"},
    "HMAC": {"usage_symmetric": "GENERATE_VERIFY_MAC"},
    "multi-Region": {"regionality": "multi"},
}


@pytest.fixture
def store_id(account: TestAccount, cluster: Cluster) -> str:
    return key_stores.connected_store(account.client(), cluster)


def begin(browser: Client, query: str = "") -> str:
    return str(browser.get(f"/keys/new/{query}")["Location"]).partition("?")[2]


def shown(answer: Any) -> str:
    return html.unescape(text(answer))


def test_the_wizard_makes_a_key_in_a_connected_store(account: TestAccount, signed_in: Client, store_id: str) -> None:
    draft = begin(signed_in)
    answer: Any = signed_in.post(f"/keys/new/configure/?{draft}", IN_CLOUDHSM)
    assert answer["Location"].startswith("/keys/new/store/")
    assert store_id in shown(signed_in.get(f"/keys/new/store/?{draft}"))
    signed_in.post(f"/keys/new/store/?{draft}", {"store": store_id})
    signed_in.post(f"/keys/new/labels/?{draft}", {"alias": "in-token"})
    assert f"--custom-key-store-id {store_id}" in shown(signed_in.get(f"/keys/new/review/?{draft}"))
    signed_in.post(f"/keys/new/review/?{draft}")
    key = account.client().describe_key(KeyId="alias/in-token")["KeyMetadata"]
    assert (key["Origin"], key["CustomKeyStoreId"]) == ("AWS_CLOUDHSM", store_id)


@pytest.mark.parametrize("name", REFUSED)
def test_what_aws_refuses_in_a_store_the_wizard_refuses_with_the_reason(
    signed_in: Client, store_id: str, name: str
) -> None:
    answer: Any = signed_in.post(f"/keys/new/configure/?{begin(signed_in)}", IN_CLOUDHSM | REFUSED[name])
    assert answer.status_code == 422
    field = "regionality" if name == "multi-Region" else "origin"
    assert "custom key store" in answer.context["form"].errors[field][0]


def test_an_origin_without_a_connected_store_cannot_be_chosen(
    account: TestAccount, signed_in: Client, store_id: str
) -> None:
    assert 'value="AWS_CLOUDHSM"' in shown(signed_in.get(f"/keys/new/configure/?{begin(signed_in)}"))
    account.client().disconnect_custom_key_store(CustomKeyStoreId=store_id)
    page = shown(signed_in.get(f"/keys/new/configure/?{begin(signed_in)}"))
    assert 'value="AWS_CLOUDHSM"' not in page
    assert page.count("no key store of this type is connected") == 2
    answer: Any = signed_in.post(f"/keys/new/configure/?{begin(signed_in)}", IN_CLOUDHSM)
    assert answer.status_code == 422


def test_a_stores_page_leads_to_the_wizard_with_its_origin(signed_in: Client, store_id: str) -> None:
    assert "/keys/new/?origin=AWS_CLOUDHSM" in shown(signed_in.get(f"/stores/cloudhsm/{store_id}/"))
    draft = begin(signed_in, "?origin=AWS_CLOUDHSM")
    page = shown(signed_in.get(f"/keys/new/configure/?{draft}"))
    assert re.search(r'value="AWS_CLOUDHSM"[^>]* checked', page)


def test_skipping_to_the_review_still_asks_for_the_store(signed_in: Client, store_id: str) -> None:
    draft = begin(signed_in)
    signed_in.post(f"/keys/new/configure/?{draft}", IN_CLOUDHSM | {"skip": "1"})
    answer: Any = signed_in.get(f"/keys/new/review/?{draft}")
    assert answer["Location"].startswith("/keys/new/store/")
    assert "then=review" in answer["Location"]


def test_who_may_not_describe_stores_is_told_in_the_wizard(account: TestAccount, store_id: str) -> None:
    browser = sign_in_browser(person(account, "maker", document(allow(["kms:CreateKey", "kms:ListKeys"]))))
    assert "kms:DescribeCustomKeyStores" in shown(browser.get(f"/keys/new/configure/?{begin(browser)}"))


def test_a_keys_page_shows_its_store_and_what_it_cannot_do(
    account: TestAccount, signed_in: Client, cluster: Cluster, store_id: str
) -> None:
    key_id = key_stores.key_in(account.client(), store_id)["KeyId"]
    facts = shown(signed_in.get(f"/keys/{key_id}/tab/crypto/"))
    assert f'href="/stores/cloudhsm/{store_id}/"' in facts
    assert cluster.cluster_id in facts
    material = shown(signed_in.get(f"/keys/{key_id}/tab/material/"))
    assert "not available for keys of origin AWS_CLOUDHSM" in material
    assert "rotation-on" not in material


def test_the_overview_counts_the_stores_that_are_not_connected(
    account: TestAccount, signed_in: Client, store_id: str
) -> None:
    assert "not connected" not in shown(signed_in.get("/"))
    account.client().disconnect_custom_key_store(CustomKeyStoreId=store_id)
    page = shown(signed_in.get("/"))
    assert "1 custom key store is not connected" in page
    assert f'href="/stores/cloudhsm/{store_id}/"' in page
    reader = sign_in_browser(person(account, "lister", document(allow(["kms:ListKeys", "kms:DescribeKey"]))))
    assert "not connected" not in shown(reader.get("/"))


ASKED: dict[str, dict[str, Any]] = {
    "rotate_key_on_demand": {},
    "enable_key_rotation": {},
    "disable_key_rotation": {},
    "delete_imported_key_material": {},
}
BUTTONS = {
    "rotate_key_on_demand": "rotate",
    "enable_key_rotation": "rotation-on",
    "disable_key_rotation": "rotation-off",
    "delete_imported_key_material": "delete-material",
}


def test_a_key_of_a_disconnected_store_is_enabled_and_disabled_for_nobody_knows_which_it_is(
    account: TestAccount, signed_in: Client, store_id: str
) -> None:
    kms = account.client()
    key_id = key_stores.key_in(kms, store_id)["KeyId"]
    kms.disconnect_custom_key_store(CustomKeyStoreId=store_id)
    page = shown(signed_in.get(f"/keys/{key_id}/"))
    assert f"/keys/{key_id}/do/enable/" in page
    assert f"/keys/{key_id}/do/disable/" in page
    given = {"KeyId": key_id, "Plaintext": "x", "Plaintext_as": "text"}
    problem = signed_in.post("/play/encrypt/", given).context["problem"]
    assert "a custom key store may be disconnected" in problem["remedy"]


@pytest.mark.parametrize("method", ASKED)
def test_what_a_key_in_a_store_never_does_is_unavailable_with_the_engines_error(
    account: TestAccount, store_id: str, method: str
) -> None:
    kms = account.client()
    key = key_stores.key_in(kms, store_id)
    with pytest.raises(ClientError) as refused:
        getattr(kms, method)(KeyId=key["KeyId"], **ASKED[method])
    error = refused.value.response["Error"]
    assert action_rules.refused_actions(key)[BUTTONS[method]] == f"{error['Code']}: {error['Message']}"
