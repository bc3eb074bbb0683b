"""Exceptions from checks: a resource, a reason, who answers for it, and until when. Making and ending one is an action of the console's own,
recorded with what was said."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from audit.compliance.models import ComplianceException
from audit.compliance.results import Finding
from console.request import ConsoleRequest
from keys import service

MANAGE = "kmsconsole:ManageComplianceExceptions"
MOST = 5_000  # in force at once, of an account and endpoint


def place(request: ConsoleRequest) -> dict[str, str]:
    return {"account_id": request.signed_in.account_id, "scope": service.backend(request).scope or ""}


def in_force(request: ConsoleRequest, moment: datetime | None = None) -> QuerySet[ComplianceException]:
    """Those that hold at a moment (now, if none is named): made, not ended and not expired by then."""
    moment = moment or service.record_now(request)
    rows = ComplianceException.objects.filter(**place(request), made__lte=moment, expires__gt=moment)
    return rows.filter(Q(ended__isnull=True) | Q(ended__gt=moment)).order_by("check_id", "resource", "pk")


def of_check(request: ConsoleRequest, check_id: str) -> QuerySet[ComplianceException]:
    """All of a check, the newest first."""
    return ComplianceException.objects.filter(**place(request), check_id=check_id).order_by("-pk")


def make(
    request: ConsoleRequest, check_id: str, finding: Finding, *, reason: str, owner: str, expires: datetime
) -> None:
    """One in force for the same resource ends with it. Raises ClientError."""
    now = service.record_now(request)

    def store() -> None:
        in_force(request).filter(check_id=check_id, resource=finding.resource).update(
            ended=now, ended_by=request.signed_in.arn
        )
        ComplianceException.objects.create(
            **place(request),
            check_id=check_id,
            resource=finding.resource,
            label=finding.label[:300],
            reason=reason,
            owner=owner,
            expires=expires,
            made=now,
            made_by=request.signed_in.arn,
        )

    said: dict[str, Any] = {"reason": reason, "owner": owner, "expires": expires.isoformat()}
    _act(request, store, change="make", check=check_id, resource=finding.resource, **said)


def end(request: ConsoleRequest, row: ComplianceException) -> None:
    """Raises ClientError."""
    now = service.record_now(request)

    def store() -> None:
        ComplianceException.objects.filter(pk=row.pk, ended__isnull=True).update(
            ended=now, ended_by=request.signed_in.arn
        )

    _act(request, store, change="end", check=row.check_id, resource=row.resource)


def _act(request: ConsoleRequest, store: Any, **said: Any) -> None:
    service.console_action(request, MANAGE, store, parameters=said)
