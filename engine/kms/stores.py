"""Custom key stores: the answers for stores that do not exist. The stores themselves are another chapter (docs/compatibility.md)."""

from __future__ import annotations

from typing import Any

from engine.context import CallContext
from engine.kms import access
from engine.wire.errors import AWSError


def check_new_key(parameters: dict[str, Any], origin: str) -> None:
    """What CreateKey answers about custom stores."""
    in_store = origin in ("AWS_CLOUDHSM", "EXTERNAL_KEY_STORE")
    if "CustomKeyStoreId" in parameters:
        if not in_store:
            raise AWSError(
                "ValidationException", "CustomKeyStoreId is only valid with Origin AWS_CLOUDHSM or EXTERNAL_KEY_STORE."
            )
        raise AWSError("CustomKeyStoreNotFoundException", "")
    if in_store:
        raise AWSError("ValidationException", f"CustomKeyStoreId is required when Origin is {origin}.")
    if "XksKeyId" in parameters:
        raise AWSError("ValidationException", "XksKeyId is only valid with Origin EXTERNAL_KEY_STORE.")


def create_custom_key_store(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    access.authorize_store(context)
    raise AWSError("UnsupportedOperationException", "Custom key stores are not available in this key service yet.")


def describe_custom_key_stores(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    access.authorize_store(context)
    if "CustomKeyStoreId" in parameters or "CustomKeyStoreName" in parameters:
        raise AWSError("CustomKeyStoreNotFoundException", "")
    if "Marker" in parameters:
        raise AWSError("InvalidMarkerException", "Invalid marker")
    return {"CustomKeyStores": [], "Truncated": False}


def no_such_store(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    """Connect, disconnect, update and delete, which all name a store."""
    access.authorize_store(context)
    raise AWSError("CustomKeyStoreNotFoundException", "")
