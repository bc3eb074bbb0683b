"""A connection's secret that is there already and is not entered again: a connection is edited, or its first test failed.

It is what KMS Encrypt made of it, never the secret itself. A form may carry it: who may not decrypt it can do nothing with it. Before the
account has a key for it, it is sealed by this installation, for the principal who entered it alone.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from django.utils.translation import gettext as _

from console.request import ConsoleRequest
from engine.public import sealing
from keys import service, viewer
from keys.endpoints import backends
from keys.models import Connection

_PURPOSE = "endpoint form"


@dataclass(frozen=True, slots=True)
class KeptSecret:
    """`name`: that of the connection when it was sealed, which is part of the encryption context. `sealed_in`: "" if KMS has not sealed it."""

    access_key_id: str
    name: str
    sealed: bytes
    sealed_in: str
    sealing_key: str

    def carried(self) -> str:
        """As a form carries it."""
        given = [
            self.access_key_id,
            self.name,
            base64.b64encode(self.sealed).decode(),
            self.sealed_in,
            self.sealing_key,
        ]
        return base64.b64encode(json.dumps(given).encode()).decode()

    def opened(self, request: ConsoleRequest) -> dict[str, str]:
        """The secret, by KMS Decrypt as the signed-in principal. Raises ClientError."""
        if not self.sealed_in:
            return self._opened_here(request)
        row = Connection(account_id=request.signed_in.account_id, name=self.name, sealed=self.sealed)
        return backends.unseal(service.embedded(request, region=self.sealed_in), row)

    def _opened_here(self, request: ConsoleRequest) -> dict[str, str]:
        try:
            text = sealing.open_(request.signed_in.account_id, _PURPOSE, viewer.owner(request), self.sealed)
        except ValueError as error:
            message = _("Enter the secret again: another principal has entered what this form carries.")
            raise ClientError(
                {"Error": {"Code": "InvalidCiphertextException", "Message": message}}, "Decrypt"
            ) from error
        return dict(json.loads(text))


def of_prepared(request: ConsoleRequest, row: Connection) -> KeptSecret | None:
    """Of a connection that a form has given, and that may not be sealed yet."""
    if row.unsealed is None:
        return of_connection(row)
    owner, text = viewer.owner(request), json.dumps(row.unsealed)
    sealed = sealing.seal(request.signed_in.account_id, _PURPOSE, owner, text)
    return KeptSecret(row.access_key_id, row.name, sealed, "", "")


def of_connection(row: Connection | None) -> KeptSecret | None:
    if row is None or not row.sealed:
        return None
    return KeptSecret(row.access_key_id, row.name, bytes(row.sealed), row.sealed_in, row.sealing_key)


def from_form(carried: str) -> KeptSecret | None:
    """What a form carried; None for what is no such thing."""
    try:
        access_key_id, name, sealed, region, key = _texts(json.loads(base64.b64decode(carried, validate=True)))
        return KeptSecret(access_key_id, name, base64.b64decode(sealed, validate=True), region, key)
    except (ValueError, RecursionError):
        return None


def _texts(given: Any) -> list[str]:
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise ValueError("no kept secret")
    return given
