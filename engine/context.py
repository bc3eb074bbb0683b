"""What an operation knows of the call it answers: who calls, where, when, and what the audit record may say of it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from engine.iam.principal import Principal


def new_id() -> str:
    """A request or event ID: a random UUID (version 4, RFC 9562). It has to be unique, not secret."""
    digits = f"{random.getrandbits(128) & _RANDOM_BITS | _VERSION_4:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def key_resource(account_id: str, arn: str) -> dict[str, str]:
    """A key as a record's `resources` name it."""
    return {"accountId": account_id, "type": "AWS::KMS::Key", "ARN": arn}


_RANDOM_BITS = ~((0xF << 76) | (0x3 << 62))
_VERSION_4 = (0x4 << 76) | (0x2 << 62)


@dataclass(slots=True)
class CallContext:
    """One per call, made by engine.service. Operations read it and add to the audit members; they never replace the rest."""

    account_id: str
    region: str
    service: str
    operation: str
    principal: Principal
    now: datetime
    request_id: str
    event_id: str
    source_ip: str
    user_agent: str
    secure: bool = False

    # What was made for a change before its transaction (engine.operation.Operation.prepare).
    prepared: Any = None

    # What the audit record shows beyond the request parameters (which engine.service takes from the model, without secrets).
    resources: list[dict[str, str]] = field(default_factory=list)
    response_elements: dict[str, Any] | None = None
    extra_event_data: dict[str, Any] = field(default_factory=dict)
    event_parameters: dict[str, Any] | None = None
    # Of calls that a change makes of other services: they are recorded with it.
    further_records: list[bytes] = field(default_factory=list)

    def touches_key(self, arn: str, account_id: str) -> None:
        """Name a key in the record's resources; a cross-account key that may be used makes the record appear in its owner's trail too."""
        for entry in self.resources:
            if entry["ARN"] == arn:
                return
        self.resources.append(key_resource(account_id, arn))

    def touches_role(self, arn: str, account_id: str) -> None:
        """As a key: who assumes another account's role is told to that account."""
        self.resources.append({"accountId": account_id, "type": "AWS::IAM::Role", "ARN": arn})

    def beside(self, operation: str, *, service: str = "", region: str = "") -> CallContext:
        """Of another operation that this call carries out for its principal, of another service or in another Region, with a record of its
        own (`further_records`)."""
        return replace(
            self,
            service=service or self.service,
            operation=operation,
            region=region or self.region,
            request_id=new_id(),
            event_id=new_id(),
            resources=[],
            response_elements=None,
            extra_event_data={},
            event_parameters=None,
            further_records=[],
        )

    def forget(self) -> None:
        """Take back what an attempt that is run again has said of itself."""
        self.resources.clear()
        self.extra_event_data.clear()
        self.further_records.clear()
        self.response_elements = self.event_parameters = None
