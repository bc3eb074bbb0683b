"""What is alike for signing certificates, SSH public keys and service-specific credentials, each of which is one user's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.context import CallContext
from engine.iam.credentials_api import named_user
from engine.operation import Operation
from engine.wire.errors import AWSError

Answer = dict[str, Any]
Find = Callable[[CallContext, dict[str, Any]], Any]


def finder(rows: str, parameter: str, missing: str) -> Find:
    """What finds the one of the user's `rows` that the request's `parameter` names, or raises NoSuchEntity with the words `missing`."""

    def find(context: CallContext, parameters: dict[str, Any]) -> Any:
        user, credential_id = named_user(context, parameters), parameters[parameter]
        row = getattr(user, rows).filter(credential_id=credential_id).first()
        if row is None:
            raise AWSError("NoSuchEntity", missing.format(credential_id))
        return row

    return find


def operations(word: str, find: Find) -> dict[str, Operation]:
    """UpdateX, which changes the status alone, and DeleteX."""

    def update(context: CallContext, parameters: dict[str, Any]) -> Answer:
        row, status = find(context, parameters), parameters["Status"]
        if status == "Expired":  # what time makes it, not a request
            raise AWSError("ValidationError", "A credential can be made Active or Inactive.")
        row.status = status
        row.save(update_fields=["status"])
        return {}

    def delete(context: CallContext, parameters: dict[str, Any]) -> Answer:
        find(context, parameters).delete()
        return {}

    return {f"Update{word}": Operation(update, writes=True), f"Delete{word}": Operation(delete, writes=True)}
