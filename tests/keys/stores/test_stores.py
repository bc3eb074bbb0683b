"""The pages of custom key stores: list, create, one store, change, connect, disconnect, delete; over SoftHSM tokens."""

from __future__ import annotations

import html
import re
import threading
from typing import Any

import pytest
from botocore.exceptions import ClientError
from django.test import Client

from engine.kms.stores import cloudhsm
from keys.inventory import deciding
from keys.stores import connection_words
from tests.conftest import TestAccount, sign_in_browser
from tests.support import key_stores
from tests.support.answers import text, unavailable
from tests.support.key_stores import Cluster
from tests.support.policies import allow, document, person

PROXY = {
    "name": "outside",
    "connectivity": "PUBLIC_ENDPOINT",
    "endpoint": "https://xks.example.com",
    "path": "/kms/xks/v1",
    "access_key_id": "ABCDEFGHIJKLMNOPQRST",
    "secret": "s/cr+t" + "A" * 40,
}


def form(of: Cluster, **changed: str) -> dict[str, str]:
    return {
        "name": "training",
        "cluster": of.cluster_id,
        "certificate": of.certificate,
        "password": of.pin,
    } | changed


def page(browser: Client, address: str) -> str:
    answer: Any = browser.get(address)
    assert answer.status_code == 200, (address, answer.status_code)
    return html.unescape(text(answer))


@pytest.mark.parametrize("slug", ["cloudhsm", "xks"])
def test_a_region_without_stores_says_so_and_leads_to_the_first(signed_in: Client, slug: str) -> None:
    assert f'href="/stores/{slug}/new/"' in page(signed_in, f"/stores/{slug}/")


def test_the_navigation_leads_to_the_lists(signed_in: Client) -> None:
    assert "No AWS CloudHSM key stores in this Region yet." in page(signed_in, "/stores/")
    assert 'href="/stores/"' in page(signed_in, "/")


def test_a_store_is_created_connected_and_disconnected(
    account: TestAccount, signed_in: Client, cluster: Cluster
) -> None:
    kms = account.client()
    made = signed_in.post("/stores/cloudhsm/new/", form(cluster))
    address = made["Location"]
    store_id = address.split("/")[3]
    assert "Disconnected" in page(signed_in, address)
    assert signed_in.post(f"{address}connect/")["Location"] == address
    assert key_stores.wait(kms, store_id)["ConnectionState"] == "CONNECTED"
    key_id = key_stores.key_in(kms, store_id)["KeyId"]
    connected = page(signed_in, address)
    assert "Connected" in connected
    assert f"/keys/{key_id}/" in connected
    assert "hx-trigger" not in main(connected)
    listed = page(signed_in, "/stores/cloudhsm/?q=train")
    assert re.search(rf'q=store:{store_id}">1</a>', listed)
    assert cluster.cluster_id in listed
    assert key_id in page(signed_in, f"/keys/?q=store:{store_id}")
    signed_in.post(f"{address}disconnect/")
    assert key_stores.entry(kms, store_id)["ConnectionState"] == "DISCONNECTED"
    assert "unavailable until it is connected" in page(signed_in, address)


def main(shown: str) -> str:
    return shown[shown.find('id="store"') : shown.find("</main>")]


def test_a_filter_that_no_name_has_finds_nothing(account: TestAccount, signed_in: Client, cluster: Cluster) -> None:
    account.client().create_custom_key_store(**cluster.request("training"))
    assert "No key store has this in its name." in page(signed_in, "/stores/cloudhsm/?q=nowhere")
    assert "training" not in main(page(signed_in, "/stores/xks/"))


def test_a_page_follows_a_connection_that_is_being_made(
    signed_in: Client, account: TestAccount, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    kms, answers = account.client(), threading.Event()
    store_id = kms.create_custom_key_store(**cluster.request())["CustomKeyStoreId"]
    monkeypatch.setattr(cloudhsm, "connect", lambda store: "" if answers.wait(20) else "NETWORK_ERRORS")
    signed_in.post(f"/stores/cloudhsm/{store_id}/connect/")
    shown = page(signed_in, f"/stores/cloudhsm/{store_id}/")
    assert "Connecting" in shown
    assert 'hx-trigger="every 2s"' in shown[shown.find("<main") :]
    answers.set()
    assert key_stores.wait(kms, store_id)["ConnectionState"] == "CONNECTED"
    assert 'hx-trigger="every 2s"' not in main(page(signed_in, f"/stores/cloudhsm/{store_id}/"))


def test_a_failed_connection_says_what_helps(account: TestAccount, signed_in: Client, cluster: Cluster) -> None:
    address = signed_in.post("/stores/cloudhsm/new/", form(cluster, password="wrong-password"))["Location"]
    signed_in.post(f"{address}connect/")
    found = key_stores.wait(account.client(), address.split("/")[3])
    assert found["ConnectionErrorCode"] == "INVALID_CREDENTIALS"
    shown = page(signed_in, address)
    for words in connection_words.ERRORS["INVALID_CREDENTIALS"]:
        assert str(words) in shown
    assert "INVALID_CREDENTIALS" in page(signed_in, "/stores/cloudhsm/")


def test_every_error_code_and_state_of_the_model_has_words() -> None:
    from console.awsmodel import service_model

    model: Any = service_model("kms")
    assert set(connection_words.ERRORS) == set(model.shape_for("ConnectionErrorCodeType").enum)
    assert set(connection_words.STATES) == set(model.shape_for("ConnectionStateType").enum)


@pytest.mark.parametrize(
    ("changed", "field", "error"),
    [
        ({"cluster": "cluster-2222222222222"}, "cluster", "CloudHsmClusterNotFoundException"),
        ({"certificate": "no certificate"}, "certificate", "IncorrectTrustAnchorException"),
        ({"cluster": "my cluster"}, "cluster", "A cluster ID is"),
        ({"password": "x7!"}, "password", "7 characters"),
    ],
)
def test_what_is_refused_is_said_beside_its_field_and_what_was_typed_is_kept(
    signed_in: Client, cluster: Cluster, changed: dict[str, str], field: str, error: str
) -> None:
    answer: Any = signed_in.post("/stores/cloudhsm/new/", form(cluster, **changed))
    assert answer.status_code == 422
    assert error in answer.context["form"].errors[field][0]
    shown = text(answer)
    assert 'value="training"' in shown
    assert form(cluster, **changed)["password"] not in shown


def test_the_shown_call_has_variables_for_secrets_and_is_not_made(
    account: TestAccount, signed_in: Client, cluster: Cluster
) -> None:
    shown = html.unescape(
        html.unescape(text(signed_in.post("/stores/cloudhsm/new/", form(cluster) | {"preview": "1"})))
    )
    assert "CreateCustomKeyStore" in shown
    assert cluster.pin not in shown
    assert '--key-store-password "$KEY_STORE_PASSWORD"' in shown
    proxied = html.unescape(html.unescape(text(signed_in.post("/stores/xks/new/", PROXY | {"preview": "1"}))))
    assert PROXY["secret"] not in proxied
    assert 'AccessKeyId="$ACCESS_KEY_ID",RawSecretAccessKey="$RAW_SECRET_ACCESS_KEY"' in proxied
    assert account.client().describe_custom_key_stores()["CustomKeyStores"] == []


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"secret": ""}, "secret"),
        ({"endpoint": "http://xks.example.com"}, "endpoint"),
        ({"path": "/elsewhere"}, "path"),
        ({"connectivity": "VPC_ENDPOINT_SERVICE"}, "vpc_service"),
    ],
)
def test_an_external_stores_settings_are_checked_beside_their_fields(
    signed_in: Client, changed: dict[str, str], field: str
) -> None:
    answer: Any = signed_in.post("/stores/xks/new/", PROXY | changed)
    assert answer.status_code == 422
    assert field in answer.context["form"].errors
    assert PROXY["secret"] not in text(answer)


def test_an_edit_sends_what_differs(account: TestAccount, signed_in: Client, cluster: Cluster) -> None:
    kms = account.client()
    store_id = kms.create_custom_key_store(**cluster.request("before"))["CustomKeyStoreId"]
    address = f"/stores/cloudhsm/{store_id}/edit/"
    same = {"name": "before", "cluster": cluster.cluster_id}
    assert "Nothing is changed." in text(signed_in.post(address, same))
    shown = html.unescape(html.unescape(text(signed_in.post(address, same | {"name": "after", "preview": "1"}))))
    assert "--new-custom-key-store-name after" in shown
    assert "--cloud-hsm-cluster-id" not in shown
    assert signed_in.post(address, same | {"name": "after"}).status_code == 302
    assert key_stores.entry(kms, store_id)["CustomKeyStoreName"] == "after"


def test_a_store_with_keys_is_not_deleted(account: TestAccount, signed_in: Client, cluster: Cluster) -> None:
    kms = account.client()
    store_id = key_stores.connected_store(kms, cluster)
    key_stores.key_in(kms, store_id)
    kms.disconnect_custom_key_store(CustomKeyStoreId=store_id)
    answer = signed_in.post(f"/stores/cloudhsm/{store_id}/delete/", follow=True)
    assert "CustomKeyStoreHasCMKsException" in text(answer)
    assert key_stores.entry(kms, store_id)


def test_keys_of_a_store_that_are_not_decided_yet_are_not_none(
    account: TestAccount, signed_in: Client, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    kms = account.client()
    store_id = key_stores.connected_store(kms, cluster)
    key_stores.key_in(kms, store_id)
    signed_in.get("/keys/")
    tagged = {"Null": {"aws:ResourceTag/secret": "true"}}
    policy = document(allow("*"), allow("kms:DescribeKey", Condition=tagged))
    browser = sign_in_browser(person(account, "reader", policy))
    monkeypatch.setattr(deciding, "_step", lambda *_args: False)
    shown = page(browser, f"/stores/cloudhsm/{store_id}/")
    assert "The list of keys is not read to its end yet." in shown
    assert "No keys in this key store yet." not in shown


def test_keys_that_a_reader_finds_in_a_store_are_not_told_as_all_of_it(
    account: TestAccount, signed_in: Client, cluster: Cluster
) -> None:
    kms = account.client()
    store_id = key_stores.connected_store(kms, cluster)
    seen = key_stores.key_in(kms, store_id)["KeyId"]
    hidden = key_stores.key_in(kms, store_id, Tags=[{"TagKey": "secret", "TagValue": "x"}])["KeyId"]
    untagged = {"Null": {"aws:ResourceTag/secret": "true"}}
    policy = document(allow("kms:List*"), allow("kms:DescribeC*"), allow("kms:DescribeKey", Condition=untagged))
    shown = page(sign_in_browser(person(account, "reader", policy)), f"/stores/cloudhsm/{store_id}/")
    assert seen in shown
    assert hidden not in shown
    assert "Not known of every key" in shown
    assert "Not known of every key" not in page(signed_in, f"/stores/cloudhsm/{store_id}/")


def test_an_empty_store_is_deleted(account: TestAccount, signed_in: Client, cluster: Cluster) -> None:
    kms = account.client()
    store_id = kms.create_custom_key_store(**cluster.request())["CustomKeyStoreId"]
    assert "DeleteCustomKeyStore" in page(signed_in, f"/stores/cloudhsm/{store_id}/delete/")
    assert signed_in.post(f"/stores/cloudhsm/{store_id}/delete/")["Location"] == "/stores/cloudhsm/"
    assert kms.describe_custom_key_stores()["CustomKeyStores"] == []


def test_who_may_only_describe_stores_finds_the_rest_unavailable(account: TestAccount, cluster: Cluster) -> None:
    store_id = account.client().create_custom_key_store(**cluster.request())["CustomKeyStoreId"]
    reads = document(allow(["kms:DescribeCustomKeyStores", "kms:ListKeys"]))
    browser = sign_in_browser(person(account, "reader", reads))
    shown = page(browser, f"/stores/cloudhsm/{store_id}/")
    for action in ("UpdateCustomKeyStore", "ConnectCustomKeyStore", "DeleteCustomKeyStore"):
        assert f"kms:{action}" in shown


def test_who_may_not_describe_stores_is_told_so(account: TestAccount) -> None:
    browser = sign_in_browser(person(account, "nobody", document(allow("kms:ListKeys"))))
    answer: Any = browser.get("/stores/cloudhsm/")
    assert answer.status_code == 403
    assert 'href="/stores/"' not in text(answer)


def test_a_store_that_is_not_there_is_not_found(signed_in: Client) -> None:
    assert signed_in.get("/stores/cloudhsm/cks-1234567890abcdef0/").status_code in (400, 404)
    assert signed_in.get("/stores/elsewhere/").status_code == 404


def test_what_the_state_of_a_store_forbids_is_unavailable_with_the_error_of_the_engine(
    account: TestAccount, signed_in: Client, cluster: Cluster
) -> None:
    kms = account.client()
    address = signed_in.post("/stores/cloudhsm/new/", form(cluster))["Location"]
    store_id = address.split("/")[3]
    calls = {
        "Create key": lambda: kms.create_key(Origin="AWS_CLOUDHSM", CustomKeyStoreId=store_id),
        "Delete key store": lambda: kms.delete_custom_key_store(CustomKeyStoreId=store_id),
    }

    def told(*refused: str) -> None:
        shown = unavailable(signed_in.get(address))
        assert shown.keys() == set(refused)
        for words, why in shown.items():
            with pytest.raises(ClientError) as answered:
                calls[words]()
            error = answered.value.response["Error"]
            assert why == f"{error['Code']}: {error['Message']}"

    told("Create key")
    signed_in.post(f"{address}connect/")
    key_stores.wait(kms, store_id)
    told("Delete key store")
    key_stores.key_in(kms, store_id)
    told("Delete key store")
    signed_in.post(f"{address}disconnect/")
    told("Create key", "Delete key store")


def test_no_message_of_a_store_says_what_the_page_has_left_behind_since(signed_in: Client, cluster: Cluster) -> None:
    """The page follows the state of the connection; what was said of it before stays above."""
    address = signed_in.post("/stores/cloudhsm/new/", form(cluster))["Location"]
    for action in ("connect", "disconnect"):
        followed: Any = signed_in.post(f"{address}{action}/", follow=True)
        said = [str(each) for each in followed.context["messages"]]
        assert said
        assert not re.search(r"\b(is|are)\b", " ".join(said))
