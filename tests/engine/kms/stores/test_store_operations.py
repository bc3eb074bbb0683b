"""Create, describe, update, connect, disconnect and delete custom key stores of type AWS_CLOUDHSM: states, checks, order, errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from engine.kms import models
from engine.kms.stores import tokens
from kmsconsole.management.commands.create_training_token import make_trust_anchor
from tests.conftest import TestAccount, new_account, sign_in_browser
from tests.engine.kms.contract import refusal
from tests.engine.kms.stores.conftest import Store
from tests.support import key_stores
from tests.support.key_stores import Cluster
from tests.support.softhsm import PIN


@pytest.fixture
def kms(account: TestAccount) -> Any:
    return account.client()


def code(call: Any, **parameters: Any) -> str:
    return refusal(call, **parameters)[0]


# --- create


def test_a_new_store_is_disconnected_and_shows_no_password(kms: Any, cluster: Cluster) -> None:
    store_id = kms.create_custom_key_store(**cluster.request("mine"))["CustomKeyStoreId"]
    assert store_id.startswith("cks-")
    assert len(store_id) == 21
    (found,) = kms.describe_custom_key_stores()["CustomKeyStores"]
    assert found.pop("CreationDate")
    assert found == {
        "CustomKeyStoreId": store_id,
        "CustomKeyStoreName": "mine",
        "CustomKeyStoreType": "AWS_CLOUDHSM",
        "CloudHsmClusterId": cluster.cluster_id,
        "TrustAnchorCertificate": cluster.certificate,
        "ConnectionState": "DISCONNECTED",
    }


@pytest.mark.parametrize("member", ["CloudHsmClusterId", "KeyStorePassword", "TrustAnchorCertificate"])
def test_each_member_of_the_type_is_required(kms: Any, cluster: Cluster, member: str) -> None:
    request = cluster.request()
    del request[member]
    assert refusal(kms.create_custom_key_store, **request) == (
        "ValidationException",
        f"{member} is required for a custom key store of type AWS_CLOUDHSM.",
    )


def test_members_of_the_other_type_are_refused(kms: Any, cluster: Cluster) -> None:
    assert refusal(kms.create_custom_key_store, **cluster.request(), XksProxyUriPath="/kms/xks/v1") == (
        "ValidationException",
        "XksProxyUriPath is not valid for a custom key store of type AWS_CLOUDHSM.",
    )


def test_a_cluster_that_is_not_registered_is_not_found(kms: Any, cluster: Cluster) -> None:
    request = {**cluster.request(), "CloudHsmClusterId": "cluster-aaaaaaaaaaa"}
    assert code(kms.create_custom_key_store, **request) == "CloudHsmClusterNotFoundException"


@pytest.mark.parametrize("certificate", [make_trust_anchor("another"), "no certificate"], ids=["another", "none"])
def test_another_trust_anchor_is_refused(kms: Any, cluster: Cluster, certificate: str) -> None:
    request = {**cluster.request(), "TrustAnchorCertificate": certificate}
    assert code(kms.create_custom_key_store, **request) == "IncorrectTrustAnchorException"


def test_a_cluster_whose_token_is_away_is_not_active(kms: Any, cluster: Cluster) -> None:
    models.CloudHsmCluster.objects.filter(cluster_id=cluster.cluster_id).update(token_label="not there")
    assert code(kms.create_custom_key_store, **cluster.request()) == "CloudHsmClusterNotActiveException"


def test_a_cluster_makes_one_store_of_an_account_and_so_do_related_ones(
    kms: Any, new_cluster: Callable[..., Cluster]
) -> None:
    one = new_cluster()
    related = new_cluster(one.certificate)
    kms.create_custom_key_store(**one.request("one"))
    for cluster in (one, related):
        assert code(kms.create_custom_key_store, **cluster.request("two")) == "CloudHsmClusterInUseException"
    assert new_account().client().create_custom_key_store(**one.request("one"))


def test_a_name_is_one_stores_in_a_region(account: TestAccount, new_cluster: Callable[..., Cluster]) -> None:
    account.client().create_custom_key_store(**new_cluster().request("mine"))
    other = new_cluster().request("mine")
    assert code(account.client().create_custom_key_store, **other) == "CustomKeyStoreNameInUseException"
    assert account.client(region="eu-west-1").create_custom_key_store(**other)


def test_ten_stores_are_the_most_of_an_account_in_a_region(kms: Any, cluster: Cluster, account: TestAccount) -> None:
    for number in range(10):
        models.CustomKeyStore.objects.create(
            account_id=account.account_id,
            region="us-east-1",
            store_id=f"cks-{account.account_id}{number:05d}",
            name=f"store {number}",
            type="AWS_CLOUDHSM",
            created="2026-01-01T00:00:00Z",
        )
    assert code(kms.create_custom_key_store, **cluster.request()) == "LimitExceededException"
    pages = kms.get_paginator("describe_custom_key_stores").paginate(PaginationConfig={"PageSize": 3})
    assert [len(page["CustomKeyStores"]) for page in pages] == [3, 3, 3, 1]


# --- describe


def test_stores_are_found_by_id_or_by_name(kms: Any, new_cluster: Callable[..., Cluster]) -> None:
    ids = [kms.create_custom_key_store(**new_cluster().request(name))["CustomKeyStoreId"] for name in ("a", "b")]
    assert key_stores.entry(kms, ids[1])["CustomKeyStoreName"] == "b"
    (found,) = kms.describe_custom_key_stores(CustomKeyStoreName="a")["CustomKeyStores"]
    assert found["CustomKeyStoreId"] == ids[0]
    both = {"CustomKeyStoreId": ids[0], "CustomKeyStoreName": "a"}
    assert code(kms.describe_custom_key_stores, **both) == "ValidationException"
    assert code(kms.describe_custom_key_stores, Marker="none") == "InvalidMarkerException"


def test_a_store_is_its_accounts_and_its_regions(store: Store) -> None:
    for elsewhere in (new_account().client(), store.account.client(region="eu-west-1")):
        for call in (
            elsewhere.describe_custom_key_stores,
            elsewhere.connect_custom_key_store,
            elsewhere.delete_custom_key_store,
        ):
            assert refusal(call, CustomKeyStoreId=store.store_id) == ("CustomKeyStoreNotFoundException", "")
        assert code(key_stores.key_in, kms=elsewhere, store_id=store.store_id) == "CustomKeyStoreNotFoundException"


# --- connect, disconnect


def test_the_connection_decides_whether_keys_are_available(store: Store) -> None:
    blob = store.encrypt()
    store.disconnect()
    assert store.key_state == "Unavailable"
    arn = f"arn:aws:kms:us-east-1:{store.account.account_id}:key/{store.key_id}"
    unavailable = ("KMSInvalidStateException", f"{arn} is unavailable.")
    assert (refusal(store.encrypt), refusal(store.decrypt, blob)) == (unavailable, unavailable)
    assert code(key_stores.key_in, kms=store.kms, store_id=store.store_id) == "CustomKeyStoreInvalidStateException"
    store.kms.disable_key(KeyId=store.key_id)
    assert store.key_state == "Unavailable"
    store.connect()
    assert store.key_state == "Disabled"
    store.kms.enable_key(KeyId=store.key_id)
    assert store.decrypt(blob) == b"secret"


def test_a_key_that_is_to_be_deleted_stays_so_while_its_store_is_away(store: Store) -> None:
    store.kms.schedule_key_deletion(KeyId=store.key_id, PendingWindowInDays=7)
    store.disconnect()
    assert store.key_state == "PendingDeletion"
    store.kms.cancel_key_deletion(KeyId=store.key_id)
    assert store.key_state == "Unavailable"


def test_a_disconnected_store_has_no_process_that_is_logged_in(store: Store) -> None:
    """In every worker: a change of the store drops its token's process, unless another store uses it."""
    store.encrypt()
    (device,) = tokens._devices._values.values()
    token = device.token
    del device
    process = token._process
    assert process is not None
    del token
    store.disconnect()
    store.connect()  # the next call that speaks to a token closes what is not used any more
    assert process.wait(5) is not None  # which TimeoutExpired would tell


def test_connecting_what_is_connected_and_disconnecting_what_is_not(store: Store) -> None:
    store.kms.connect_custom_key_store(CustomKeyStoreId=store.store_id)
    assert key_stores.entry(store.kms, store.store_id)["ConnectionState"] == "CONNECTED"
    store.disconnect()
    assert refusal(store.disconnect)[0] == "CustomKeyStoreInvalidStateException"


def test_a_store_that_was_disconnected_while_it_was_being_connected_stays_so(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.kms.stores import connection

    store.disconnect()
    ended: list[Any] = []
    with monkeypatch.context() as patch:
        patch.setattr(connection, "_connect", lambda place, attempt: ended.append((place, attempt)))
        store.kms.connect_custom_key_store(CustomKeyStoreId=store.store_id)
    store.disconnect()
    connection._connect(*ended[0])
    assert key_stores.entry(store.kms, store.store_id)["ConnectionState"] == "DISCONNECTED"


# --- update


def test_a_name_is_changed_in_any_state_and_the_rest_while_disconnected(store: Store) -> None:
    kms, store_id = store.kms, store.store_id
    kms.update_custom_key_store(CustomKeyStoreId=store_id, NewCustomKeyStoreName="renamed")
    assert key_stores.entry(kms, store_id)["CustomKeyStoreName"] == "renamed"
    for change in ({"KeyStorePassword": PIN}, {"CloudHsmClusterId": store.cluster.cluster_id}):
        assert code(kms.update_custom_key_store, CustomKeyStoreId=store_id, **change) == (
            "CustomKeyStoreInvalidStateException"
        )
    store.disconnect()
    kms.update_custom_key_store(CustomKeyStoreId=store_id, KeyStorePassword=PIN, NewCustomKeyStoreName="again")
    assert key_stores.entry(kms, store_id)["CustomKeyStoreName"] == "again"


def test_a_store_moves_to_a_related_cluster_alone(store: Store, new_cluster: Callable[..., Cluster]) -> None:
    kms, store_id = store.kms, store.store_id
    related, other = new_cluster(store.cluster.certificate), new_cluster()
    store.disconnect()
    for cluster_id, expected in (
        (other.cluster_id, "CloudHsmClusterNotRelatedException"),
        ("cluster-aaaaaaaaaaa", "CloudHsmClusterNotFoundException"),
    ):
        assert code(kms.update_custom_key_store, CustomKeyStoreId=store_id, CloudHsmClusterId=cluster_id) == expected
    kms.update_custom_key_store(CustomKeyStoreId=store_id, CloudHsmClusterId=related.cluster_id)
    assert key_stores.entry(kms, store_id)["CloudHsmClusterId"] == related.cluster_id
    assert kms.describe_key(KeyId=store.key_id)["KeyMetadata"]["CloudHsmClusterId"] == related.cluster_id


def test_a_name_in_use_and_members_of_the_other_type_are_refused(
    store: Store, new_cluster: Callable[..., Cluster]
) -> None:
    kms, store_id = store.kms, store.store_id
    kms.create_custom_key_store(**new_cluster().request("taken"))
    for change, expected in (
        ({"NewCustomKeyStoreName": "taken"}, "CustomKeyStoreNameInUseException"),
        ({"XksProxyUriPath": "/kms/xks/v1"}, "ValidationException"),
    ):
        assert code(kms.update_custom_key_store, CustomKeyStoreId=store_id, **change) == expected


# --- delete


def test_a_store_goes_when_it_has_no_keys_and_is_disconnected(store: Store) -> None:
    def delete() -> None:
        store.kms.delete_custom_key_store(CustomKeyStoreId=store.store_id)

    assert refusal(delete)[0] == "CustomKeyStoreHasCMKsException"
    store.kms.schedule_key_deletion(KeyId=store.key_id, PendingWindowInDays=7)
    assert refusal(delete)[0] == "CustomKeyStoreHasCMKsException"
    store.account.move_clock(days=8)
    assert refusal(delete)[0] == "CustomKeyStoreInvalidStateException"
    store.disconnect()
    delete()
    assert store.kms.describe_custom_key_stores()["CustomKeyStores"] == []
    assert store.kms.create_custom_key_store(**store.cluster.request())  # its cluster is free again


# --- permission, record, list


def test_each_operation_is_allowed_by_its_own_name_on_every_resource(store: Store) -> None:
    policy = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "kms:DescribeCustomKeyStores", "Resource": "*"}],
        }
    )
    reader = store.account.create_user("reader", policy).client()
    assert reader.describe_custom_key_stores()["CustomKeyStores"]
    for call in (
        reader.connect_custom_key_store,
        reader.disconnect_custom_key_store,
        reader.delete_custom_key_store,
        reader.update_custom_key_store,
    ):
        assert code(call, CustomKeyStoreId=store.store_id) == "AccessDeniedException"
    assert code(reader.create_custom_key_store, **store.cluster.request()) == "AccessDeniedException"


def test_the_record_has_each_change_and_no_password(store: Store) -> None:
    store.disconnect()
    store.kms.update_custom_key_store(CustomKeyStoreId=store.store_id, KeyStorePassword="a-password")
    events = store.account.client("cloudtrail").lookup_events(MaxResults=50)["Events"]
    by_name = {event["EventName"]: json.loads(event["CloudTrailEvent"]) for event in events}
    for name in ("CreateCustomKeyStore", "ConnectCustomKeyStore", "DisconnectCustomKeyStore", "UpdateCustomKeyStore"):
        assert by_name[name]["readOnly"] is False
        assert "eyStorePassword" not in json.dumps(by_name[name])
    assert by_name["CreateCustomKeyStore"]["responseElements"] == {"customKeyStoreId": store.store_id}
    assert by_name["CreateKey"]["responseElements"]["keyMetadata"]["customKeyStoreId"] == store.store_id


def test_a_proxys_credential_is_left_out_of_the_record_too(account: TestAccount) -> None:
    kms = account.client()
    secret = "b" * 43
    credential = {"AccessKeyId": "A" * 20, "RawSecretAccessKey": secret}
    request = {"CustomKeyStoreName": "x", "CustomKeyStoreType": "EXTERNAL_KEY_STORE"}
    assert refusal(kms.create_custom_key_store, **request, XksProxyAuthenticationCredential=credential)
    events = account.client("cloudtrail").lookup_events(MaxResults=5)["Events"]
    assert any(event["EventName"] == "CreateCustomKeyStore" for event in events)
    assert secret not in json.dumps([event["CloudTrailEvent"] for event in events])


def test_a_stored_password_is_sealed(store: Store) -> None:
    row = models.CustomKeyStore.objects.get(store_id=store.store_id)
    assert bytes(row.secret)
    assert PIN.encode() not in bytes(row.secret)


def test_a_sealed_password_opens_in_its_own_store_alone(store: Store, new_cluster: Callable[..., Cluster]) -> None:
    kms = store.kms
    other = kms.create_custom_key_store(**new_cluster().request("other"))["CustomKeyStoreId"]
    secret = models.CustomKeyStore.objects.get(store_id=store.store_id).secret
    models.CustomKeyStore.objects.filter(store_id=other).update(secret=secret)
    with pytest.raises(kms.exceptions.KMSInternalException):
        kms.describe_custom_key_stores(CustomKeyStoreId=other)


def test_the_list_of_keys_shows_each_change_of_the_connection(store: Store) -> None:
    client = sign_in_browser(store.account.administrator)

    def state() -> str:
        (row,) = client.get("/keys/").context["rows"]
        return str(row.state)

    assert state() == "Enabled"
    store.disconnect()
    assert state() == "Unavailable"
    store.connect()
    assert state() == "Enabled"
