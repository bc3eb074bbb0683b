"""The tabs of a key that read the uses of it: its use, and the impact of its deletion."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from console import charts
from console.aws_calls import optional
from console.request import ConsoleRequest
from keys import service
from keys.detail import usage
from keys.record import key_events

PERIODS = (1, 7, 30, 90)
_DEFAULT_PERIOD = 30
IMPACT_DAYS = 90
RECENT_DAYS = 30


def use(request: ConsoleRequest, kms: Any, key: dict[str, Any]) -> dict[str, Any]:
    days = next((each for each in PERIODS if str(each) == request.GET.get("days")), _DEFAULT_PERIOD)
    now = service.record_now(request)
    step = timedelta(hours=1) if days == 1 else timedelta(days=1)
    end = timezone.localtime(now).replace(minute=0, second=0, microsecond=0)
    end = end + step if days == 1 else end.replace(hour=0) + step
    begin = end - timedelta(days=days)
    events = key_events.of_key(request, key["Arn"], since=begin)
    uses = [event for event in events.found if event.is_use]
    columns = usage.columns(uses, begin, end, step)
    labels = [date_format(timezone.localtime(each.begin), "H:i" if days == 1 else "j M") for each in columns]
    drawn = [
        (
            label,
            _("%(label)s: %(done)d answered, %(refused)d refused")
            % {"label": label, "done": each.done, "refused": each.refused},
            (("good", each.done), ("bad", each.refused)),
        )
        for label, each in zip(labels, columns, strict=True)
    ]
    return {
        "days": days,
        "periods": PERIODS,
        "total": len(uses),
        "refused_calls": sum(bool(event.error) for event in uses),
        "whole": events.whole,
        "chart": charts.bars(drawn, every={1: 3, 7: 1, 30: 5, 90: 15}[days]),
        "columns": [(label, each) for label, each in zip(labels, columns, strict=True) if each.done or each.refused],
        "groups": [
            (_("By principal"), _("Principal"), usage.shares(uses, lambda event: event.principal)),
            (_("By operation"), _("Operation"), usage.shares(uses, lambda event: event.name)),
            (_("By service"), _("Service"), usage.shares(uses, lambda event: event.service or _("called directly"))),
            (_("By error"), _("Error"), usage.shares([e for e in uses if e.error], lambda event: event.error)),
        ],
    }


@dataclass(frozen=True, slots=True)
class LastUse:
    when: datetime
    operation: str
    event_id: str
    recent: bool


def last_use(request: ConsoleRequest, kms: Any, key: dict[str, Any]) -> LastUse | None:
    """Of GetKeyLastUsage. Raises ClientError where the endpoint does not tell, or the caller may not ask."""
    found = kms.get_key_last_usage(KeyId=key["KeyId"]).get("KeyLastUsage")
    if not found:
        return None
    recent = service.record_now(request) - found["Timestamp"] < timedelta(days=RECENT_DAYS)
    return LastUse(found["Timestamp"], found["Operation"], found.get("CloudTrailEventId", ""), recent)


def impact(request: ConsoleRequest, kms: Any, key: dict[str, Any]) -> dict[str, Any]:
    """What would go, or stop working, with the key. Each part that may not be read says so; the others are shown."""
    since = service.record_now(request) - timedelta(days=IMPACT_DAYS)
    used, used_problem = optional(lambda: last_use(request, kms, key))
    events, events_problem = optional(lambda: key_events.of_key(request, key["Arn"], since=since))
    aliases, aliases_problem = optional(
        lambda: [alias["AliasName"] for alias in service.pages(kms, "list_aliases", "Aliases", KeyId=key["KeyId"])]
    )
    grants, grants_problem = optional(lambda: service.pages(kms, "list_grants", "Grants", KeyId=key["KeyId"]))
    found = events.found if events else []
    return {
        "impact_days": IMPACT_DAYS,
        "recent_days": RECENT_DAYS,
        "used": used,
        "used_problem": used_problem,
        "users": usage.shares(found, lambda event: event.principal),
        "events_told": events is not None,
        "data": usage.data_by_context(found)[:100],
        "ciphertexts": usage.ciphertexts_made(found),
        "events_problem": events_problem,
        "whole": events.whole if events else True,
        "key_aliases": aliases or [],
        "key_grants": grants or [],
        "key_aliases_problem": aliases_problem,
        "key_grants_problem": grants_problem,
        **_related(key),
    }


def _related(key: dict[str, Any]) -> dict[str, Any]:
    """A multi-Region key's related keys in other Regions, the primary first: they open what it encrypted. A primary goes after its replicas."""
    configuration = key.get("MultiRegionConfiguration") or {}
    others = [each.get("Region", "") for each in configuration.get("ReplicaKeys", []) if each.get("Arn") != key["Arn"]]
    if configuration.get("MultiRegionKeyType") != "REPLICA":
        return {"replicas": others, "related": []}
    return {"replicas": [], "related": [configuration["PrimaryKey"].get("Region", ""), *others]}
