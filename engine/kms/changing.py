"""What every operation that changes a key begins with."""

from __future__ import annotations

from typing import Any

from engine.context import CallContext
from engine.kms import access, key_snapshots, managed, models, states
from engine.kms.key_snapshots import KmsKey
from engine.store.transaction import changed, key_entity


def for_change(context: CallContext, parameters: dict[str, Any], *, aliases: bool = False) -> tuple[KmsKey, models.Key]:
    """The key a changing operation is about, permitted and in a state that allows it: its snapshot and its row."""
    key = key_snapshots.find(context, parameters["KeyId"], aliases=aliases)
    access.authorize(context, key, params=parameters)
    managed.refuse_managed(key, context.operation)
    states.refuse_unless_allowed(context.operation, key, context.now)
    changed(key_entity(key.account_id, key.region, key.key_id))
    return key, key_snapshots.row(key)
