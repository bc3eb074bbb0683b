"""CreateCustomKeyStore, DescribeCustomKeyStores, UpdateCustomKeyStore, ConnectCustomKeyStore, DisconnectCustomKeyStore, DeleteCustomKeyStore.

Source: AWS KMS API Reference. Devices are asked before the transaction of a change (the functions that end in `_prepared`), and by
engine.kms.stores.connection after it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from engine.context import CallContext
from engine.kms import access, due_changes, models, paging
from engine.kms.stores import connection, snapshots, types
from engine.kms.stores.snapshots import AWS_CLOUDHSM, CONNECTED, CONNECTING, DISCONNECTED, FAILED, KeyStore
from engine.wire.errors import AWSError

PER_REGION = 10  # stores of an account; source: Developer Guide, "Resource quotas"

# The members of each type, those of a type that is not built included: they are refused with another.
_MEMBERS = {
    AWS_CLOUDHSM: frozenset({"CloudHsmClusterId", "TrustAnchorCertificate", "KeyStorePassword"}),
    snapshots.EXTERNAL_KEY_STORE: frozenset(
        {
            *("XksProxyUriEndpoint", "XksProxyUriPath", "XksProxyVpcEndpointServiceName"),
            *("XksProxyVpcEndpointServiceOwner", "XksProxyAuthenticationCredential", "XksProxyConnectivity"),
        }
    ),
}


def create_custom_key_store(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    kind = _check_new(context, parameters)
    row = models.CustomKeyStore(
        account_id=context.account_id,
        region=context.region,
        store_id=f"cks-{secrets.token_hex(9)[:17]}",
        name=parameters["CustomKeyStoreName"],
        type=parameters.get("CustomKeyStoreType", AWS_CLOUDHSM),
        created=context.now,
    )
    kind.put(row, parameters)
    row.save(force_insert=True)
    snapshots.announce(row, keys=False)
    return {"CustomKeyStoreId": row.store_id}


@contextmanager
def create_prepared(context: CallContext, parameters: dict[str, Any]) -> Iterator[None]:
    _check_new(context, parameters).try_out(parameters, None, context)
    yield


def _check_new(context: CallContext, parameters: Mapping[str, Any]) -> types.StoreType:
    access.authorize_store(context)
    type_name = parameters.get("CustomKeyStoreType", AWS_CLOUDHSM)
    kind = types.of_type(type_name)
    _refuse_others_members(type_name, parameters)
    there = snapshots.rows(context.account_id, context.region)
    _refuse_used_name(there, parameters["CustomKeyStoreName"])
    if there.count() >= PER_REGION:
        raise AWSError("LimitExceededException", f"This account has {PER_REGION} custom key stores in this Region.")
    kind.check(context, parameters)
    return kind


def _refuse_others_members(type_name: str, parameters: Mapping[str, Any]) -> None:
    for other, members in _MEMBERS.items():
        given = sorted(members & parameters.keys())
        if other != type_name and given:
            raise AWSError(
                "ValidationException", f"{given[0]} is not valid for a custom key store of type {type_name}."
            )


def _refuse_used_name(there: Any, name: str) -> None:
    if there.filter(name=name).exists():
        raise AWSError("CustomKeyStoreNameInUseException", f"The custom key store name {name} is in use.")


def describe_custom_key_stores(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    access.authorize_store(context)
    named = {"CustomKeyStoreId": "store_id", "CustomKeyStoreName": "name"}
    wanted = {column: parameters[member] for member, column in named.items() if member in parameters}
    if len(wanted) > 1:
        raise AWSError("ValidationException", "Specify CustomKeyStoreId or CustomKeyStoreName, not both.")
    there = snapshots.rows(context.account_id, context.region).filter(**wanted)
    if wanted and not there.exists():
        raise snapshots.not_found()
    found, more = paging.page("stores", parameters, there, "store_id", limit=100)
    return {"CustomKeyStores": [_entry(snapshots.snapshot(row)) for row in found], **more}


def _entry(store: KeyStore) -> dict[str, Any]:
    entry = {
        "CustomKeyStoreId": store.store_id,
        "CustomKeyStoreName": store.name,
        "CustomKeyStoreType": store.type,
        "ConnectionState": store.state,
        "CreationDate": store.created,
        **types.of_type(store.type).describe(store),
    }
    if store.state == FAILED:
        entry["ConnectionErrorCode"] = store.error
    return entry


def update_custom_key_store(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    store, kind = _check_update(context, parameters)
    row = snapshots.row(store)
    row.name = parameters.get("NewCustomKeyStoreName", row.name)
    kind.put(row, parameters)
    row.save()
    moved = row.cloudhsm_cluster_id != store.cloudhsm_cluster_id
    if moved:
        models.Key.objects.filter(custom_key_store_id=row.store_id).update(cloudhsm_cluster_id=row.cloudhsm_cluster_id)
    snapshots.announce(row, keys=moved)
    return {}


@contextmanager
def update_prepared(context: CallContext, parameters: dict[str, Any]) -> Iterator[None]:
    store, kind = _check_update(context, parameters)
    kind.try_out(parameters, store, context)
    yield


def _check_update(context: CallContext, parameters: Mapping[str, Any]) -> tuple[KeyStore, types.StoreType]:
    store, kind = _named(context, parameters)
    _refuse_others_members(store.type, parameters)
    given = parameters.keys() - {"CustomKeyStoreId"}
    while_connected = given <= {"NewCustomKeyStoreName", *kind.WHILE_CONNECTED}
    if store.state != DISCONNECTED and not (store.state == CONNECTED and while_connected):
        raise _invalid_state(store)
    name = parameters.get("NewCustomKeyStoreName", store.name)
    if name != store.name:
        _refuse_used_name(snapshots.rows(context.account_id, context.region), name)
    kind.check_update(store, parameters)
    return store, kind


def connect_custom_key_store(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    """The answer does not wait for the connection: DescribeCustomKeyStores tells what became of it."""
    store, _kind = _named(context, parameters)
    if store.state == FAILED:
        raise _invalid_state(store)
    if store.state == DISCONNECTED:
        connection.begin(snapshots.row(store), context.request_id)
    return {}


def disconnect_custom_key_store(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    store, _kind = _named(context, parameters)
    if store.state == DISCONNECTED:
        raise _invalid_state(store)
    connection.end(snapshots.row(store), DISCONNECTED)
    return {}


def delete_custom_key_store(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    store, _kind = _named(context, parameters)
    there = models.Key.objects.filter(custom_key_store_id=store.store_id)
    for key_id in there.filter(deletion_date__lte=context.now).values_list("key_id", flat=True):
        due_changes.apply_due_changes(store.account_id, store.region, key_id)
    if there.exists():
        raise AWSError("CustomKeyStoreHasCMKsException", f"The custom key store {store.store_id} has KMS keys.")
    if store.state != DISCONNECTED:
        raise _invalid_state(store)
    row = snapshots.row(store)
    snapshots.announce(row, keys=False)
    row.delete()
    return {}


def _named(context: CallContext, parameters: Mapping[str, Any]) -> tuple[KeyStore, types.StoreType]:
    """The store that the request names. In a transaction it is read anew."""
    access.authorize_store(context)
    store = snapshots.find(context.account_id, context.region, parameters["CustomKeyStoreId"])
    return store, types.of_type(store.type)


def _invalid_state(store: KeyStore) -> AWSError:
    words = "is being connected" if store.state == CONNECTING else f"is {store.state}"
    return AWSError("CustomKeyStoreInvalidStateException", f"The custom key store {store.store_id} {words}.")
