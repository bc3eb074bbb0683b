"""Drills: faults that a teacher asks for, so that a class meets throttling, a denial, an outage or an expired token and learns to read it.

A drill is of one account, for the operations that use keys, and ends by itself. A call that it fails gets the error that AWS would
give, does nothing, and its record says that it was a drill (`additionalEventData.drill`). The console's own actions and all other
operations go on, so whoever began a drill can always end it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine import clock, throttling
from engine.context import CallContext
from engine.iam.access_denied import denied_by_service_control_policy
from engine.kms.models import Drill
from engine.kms_operations import USES
from engine.store.cache import Cache
from engine.store.transaction import changed
from engine.wire.errors import AWSError

MANAGE = "kmsconsole:ManageDrills"
LONGEST = timedelta(hours=2)


def _denied(context: CallContext) -> str:
    return denied_by_service_control_policy(context.principal.arn, f"{context.service}:{context.operation}")


def _words(text: str) -> Callable[[CallContext], str]:
    return lambda _context: text


@dataclass(frozen=True, slots=True)
class Kind:
    """A fault: the error's code, and its message for a call."""

    name: str
    code: str
    message: Callable[[CallContext], str]


# Codes: the errors of the operations in the service model, and KMS API Reference, "Common Errors".
KINDS = {
    each.name: each
    for each in (
        Kind("throttling", "ThrottlingException", _words(throttling.KMS_WORDS)),
        Kind("denied", "AccessDeniedException", _denied),
        Kind(
            "key-unavailable",
            "KeyUnavailableException",
            _words(
                "The request was rejected because the specified KMS key was not available. You can retry the request."
            ),
        ),
        Kind(
            "timeout",
            "DependencyTimeoutException",
            _words("The system timed out while trying to fulfill the request. You can retry the request."),
        ),
        Kind("expired-token", "ExpiredTokenException", _words("The security token included in the request is expired")),
    )
}


@dataclass(frozen=True, slots=True)
class Running:
    """`share`: how many of a hundred calls fail. `ends`: on the machine's clock, which no lesson moves."""

    kind: str
    share: int
    ends: datetime
    begun_by: str


_running: Cache[str, Running | None] = Cache("drills", limit=20_000, most=10 << 20)


def _entity(account_id: str) -> str:
    return f"drill:{account_id}"


def running(account_id: str) -> Running | None:
    """The drill of an account, or None. One whose time is over runs no more."""
    found = _running.get(account_id, lambda: (_stored(account_id), [_entity(account_id)]))
    return found if found is not None and found.ends > clock.real_now() else None


def _stored(account_id: str) -> Running | None:
    row = Drill.objects.filter(account_id=account_id).first()
    return Running(row.kind, row.share, row.ends, row.begun_by) if row is not None else None


def check(context: CallContext) -> None:
    """Raise the error of the drill that fails this call, if one does, and mark its record."""
    if context.operation not in USES or (drill := running(context.account_id)) is None:
        return
    if random.random() * 100 < drill.share:  # noqa: S311 - which call of a lesson fails is no secret
        kind = KINDS[drill.kind]
        context.extra_event_data["drill"] = kind.name
        raise AWSError(kind.code, kind.message(context))


def begin(account_id: str, kind: str, *, share: int, minutes: int, by: str) -> Running:
    """Begin a drill, in place of one that runs. `by`: the ARN of who asked for it. Part of the caller's transaction, which decides
    kmsconsole:ManageDrills. Raises ValidationException for what is no drill."""
    if kind not in KINDS or not 1 <= share <= 100 or not 0 < minutes <= LONGEST.total_seconds() / 60:
        raise AWSError("ValidationException", "No such drill: its kind, its share or its time is out of range.")
    drill = Running(kind, share, clock.real_now() + timedelta(minutes=minutes), by)
    Drill.objects.update_or_create(
        account_id=account_id, defaults={"kind": kind, "share": share, "ends": drill.ends, "begun_by": by}
    )
    changed(_entity(account_id))
    return drill


def end(account_id: str) -> None:
    """End the drill of an account; nothing where none runs. Part of the caller's transaction."""
    Drill.objects.filter(account_id=account_id).delete()
    changed(_entity(account_id))
