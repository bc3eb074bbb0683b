"""Looks at what was recorded since the last look, rule by rule, and keeps what they find: alert, deliveries and the rule's place in the
record in one transaction, so that each event is looked at once, whatever ends in between.

Runs in one process of one node (a lease), on nobody's behalf: who makes a rule must be allowed to read the record.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from audit.alerts.kinds import KINDS, VERIFICATION, Event, Found, key_arn
from audit.alerts.models import Alert, AlertRule, Delivery
from engine.public import member_accounts
from keys import leases
from keys.record import events as record

logger = logging.getLogger(__name__)

_EVENTS = 2_000  # of one look at an account
_LEARNED = 20_000  # events before a rule's making that it learns from
_VERIFY_SECONDS = 3600
_KEPT = 10_000  # alerts of an account; older ones go
_LEASE, _LEASE_SECONDS = "alerts", 30.0


def look() -> bool:
    """One look at all accounts that have rules. True if more waits to be looked at."""
    rules = list(AlertRule.objects.filter(enabled=True).order_by("account_id", "pk"))
    if not rules:
        return False
    lease = leases.take(_LEASE, _LEASE_SECONDS)
    if lease is None:
        return False
    try:
        more = False
        for rule in rules:
            leases.require(lease)
            try:
                more |= _verified(rule) if rule.kind == VERIFICATION else _looked(rule)
            except AlertRule.DoesNotExist:  # it was deleted meanwhile
                continue
        return more
    except leases.LeaseLost:
        return False
    finally:
        leases.release(lease)


def begin(rule: AlertRule) -> None:
    """A new rule begins at the record's end; one that learns goes through what came before, in silence."""
    rule.cursor = record.newest_sequence(rule.account_id)
    kind = KINDS[rule.kind]
    if not kind.learns:
        return
    at, left = max(0, rule.cursor - _LEARNED), _LEARNED
    while left > 0:
        events, at = record.follow(rule.account_id, at, min(left, _EVENTS))
        if not events:
            return
        left -= len(events)
        for event in events:
            kind.find(event, rule.settings, rule.state, lambda: None)


def _looked(rule: AlertRule) -> bool:
    events, last = record.follow(rule.account_id, rule.cursor, _EVENTS)
    if last == rule.cursor:
        return False
    kind, found = KINDS[rule.kind], []
    for event in events:
        said = kind.find(event, rule.settings, rule.state, lambda event=event: _policy_before(rule, event))  # type: ignore[misc]
        if said is not None:
            found.append((event, said))
    with transaction.atomic():
        if not AlertRule.objects.filter(pk=rule.pk, cursor=rule.cursor).update(cursor=last, state=rule.state):
            return True  # it was changed meanwhile: the next look reads it anew
        for event, said in found:
            _keep(rule, said, event)
    return len(events) == _EVENTS


def _policy_before(rule: AlertRule, event: Event) -> str | None:
    moment = datetime.fromisoformat(event["eventTime"])
    return record.policy_before(rule.account_id, event["awsRegion"], key_arn(event), moment, event["eventID"])


def _verified(rule: AlertRule) -> bool:
    """Begin a verification each hour, and tell of its verdict when there is one."""
    state, found = dict(rule.state), None
    if time.time() >= state.get("next", 0):
        record.begin_verification()
        state.update(next=time.time() + _VERIFY_SECONDS, waits=True)
    verdict = record.last_verdict() if state.get("waits") else None
    if verdict is not None:
        reason = _reason(verdict[1])
        found = Found({"reason": reason}) if reason and reason != state.get("reason") else None
        state.update(waits=False, reason=reason)
    if state != rule.state:
        with transaction.atomic():
            if AlertRule.objects.filter(pk=rule.pk).update(state=state) and found is not None:
                _keep(rule, found, None)
    return False


def _reason(verdict: dict[str, Any]) -> str:
    """Why it failed, "" if it did not."""
    if "unknown" in verdict:
        return str(verdict["unknown"])
    if not verdict["broken_at"]:
        return ""
    return f"record {verdict['broken_at']}: {verdict['reason']}"


def _keep(rule: AlertRule, found: Found, event: Event | None) -> None:
    """Store the alert and what has to be told, and let go of the oldest beyond what is kept."""
    moment = datetime.fromisoformat(event["eventTime"]) if event else timezone.now()
    alert = Alert.objects.create(
        account_id=rule.account_id,
        rule=rule,
        time=moment,
        details=found.details,
        **(_of(event) if event else {}),
    )
    now = timezone.now()
    Delivery.objects.bulk_create(
        [Delivery(alert=alert, channel=channel, target=target, due=now) for channel, target in _targets(rule)]
    )
    if alert.pk % 100 == 0:
        kept = Alert.objects.filter(account_id=rule.account_id).order_by("-pk").values_list("pk", flat=True)
        if oldest := kept[_KEPT : _KEPT + 1].first():
            Alert.objects.filter(account_id=rule.account_id, pk__lte=oldest).delete()


def _targets(rule: AlertRule) -> list[tuple[str, str]]:
    """A student's account connects to nothing: its alerts are shown."""
    if member_accounts.is_member(rule.account_id):
        return []
    found = ((Delivery.EMAIL, rule.emails), (Delivery.WEBHOOK, rule.webhook))
    return [(channel, target) for channel, target in found if target]


def _of(event: Event) -> dict[str, Any]:
    identity = event.get("userIdentity") or {}
    return {
        "region": event.get("awsRegion", ""),
        "key": key_arn(event)[:256],
        "principal": str(identity.get("arn") or identity.get("invokedBy") or "")[:2048],
        "event_id": event.get("eventID", ""),
    }
