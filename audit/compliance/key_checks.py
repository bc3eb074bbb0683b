"""Checks of keys, over the inventory: each is a few counts over indexed rows, of what the signed-in principal may read of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import Q
from django.utils.translation import gettext_noop

from audit.compliance.results import Examined, Finding, Findings, Words
from console import moments
from console.request import ConsoleRequest, kept
from keys import service
from keys.inventory import inventory, key_rows
from keys.inventory.inventory import VisibleKeys

if TYPE_CHECKING:
    from keys.inventory.inventory import Row

UNUSED_DAYS, EXPIRES_DAYS = 90, 30
OWNER = ("owner", "Owner")  # tag keys are case-sensitive; both spellings are common
_NEVER = ("PendingDeletion", "PendingReplicaDeletion")


class KeyFindings(Findings):
    """Keys that fail, read from the inventory as they are asked for."""

    def __init__(self, rows: VisibleKeys, fact: Callable[[Row], Words]) -> None:
        self._rows, self._fact = rows, fact

    def number(self) -> int:
        return self._rows.count()

    def page(self, first: int, most: int) -> Sequence[Finding]:
        return [self._finding(row) for row in self._rows.by_name()[first : first + most]]

    def of(self, resources: Collection[str]) -> Sequence[Finding]:
        return [self._finding(row) for row in self._rows.filter(arn__in=list(resources))] if resources else []

    def _finding(self, row: Row) -> Finding:
        return Finding(row.arn, row.alias or row.key_id, "key", row.key_id, self._fact(row))


def examine(
    request: ConsoleRequest,
    applies: Q,
    fails: Callable[[VisibleKeys], VisibleKeys],
    fact: Callable[[Row], Words],
    needs: int = 0,
) -> Examined:
    """The customer managed keys that a check is about (`applies`) and those of them that fail it; `needs`: what it must read of them beyond
    describing (bits of keys.inventory.key_rows)."""
    about = customer_keys(request).filter(applies)
    readable = about.readable(needs) if needs else about
    number = about.count()
    unknown = list(not_read(request))
    if needs and (unreadable := number - readable.count()):
        unknown.append(Words(NOT_READABLE, {"number": unreadable}))
    return Examined(number, KeyFindings(fails(readable), fact), tuple(unknown))


def customer_keys(request: ConsoleRequest) -> VisibleKeys:
    return inventory.synced_keys(request).filter(manager="CUSTOMER")


def not_read(request: ConsoleRequest) -> Sequence[Words]:
    """Why not every key of the Region could be looked at; nothing where all were."""
    found = kept(request).get("compliance_not_read")
    if found is None:
        found = []
        if hidden := inventory.undescribable_keys(request).count():
            found.append(Words(gettext_noop("%(number)d keys may be listed and not described."), {"number": hidden}))
        if inventory.progress(request) is not None:
            found.append(Words(gettext_noop("The list of keys is not read to its end yet.")))
        kept(request)["compliance_not_read"] = found
    return found


NOT_READABLE = gettext_noop("%(number)d keys could not be looked at: what the check is about may not be read of them.")


def rotation(request: ConsoleRequest) -> Examined:
    applies = Q(spec="SYMMETRIC_DEFAULT", origin="AWS_KMS", state="Enabled")
    found = examine(
        request,
        applies,
        lambda rows: rows.filter(rotation="off"),
        lambda row: Words(gettext_noop("Automatic rotation is off.")),
        key_rows.ROTATION,
    )
    untold = customer_keys(request).filter(applies).readable(key_rows.ROTATION).filter(rotation="").count()
    return _with_untold(found, untold)


def public_policy(request: ConsoleRequest) -> Examined:
    found = examine(
        request,
        ~Q(state__in=_NEVER),
        lambda rows: rows.filter(public="yes"),
        lambda row: Words(gettext_noop("The key policy allows every principal, with no condition on who that is.")),
        key_rows.POLICY,
    )
    untold = customer_keys(request).exclude(state__in=_NEVER).readable(key_rows.POLICY).filter(public="").count()
    return _with_untold(found, untold)


def _with_untold(found: Examined, number: int) -> Examined:
    if not number:
        return found
    told = Words(gettext_noop("The endpoint does not tell it of %(number)d keys."), {"number": number})
    return Examined(found.number, found.failing, (*found.unknown, told))


def deletion_pending(request: ConsoleRequest) -> Examined:
    return examine(
        request,
        Q(),
        lambda rows: rows.filter(state__in=_NEVER),
        lambda row: (
            _dated(gettext_noop("It is deleted on %(date)s."), row.deletion_date)
            if row.deletion_date
            else Words(gettext_noop("It is deleted once its replicas are."))
        ),
    )


def material_expires(request: ConsoleRequest) -> Examined:
    soon = service.now(request) + timedelta(days=EXPIRES_DAYS)
    return examine(
        request,
        Q(origin="EXTERNAL") & ~Q(state__in=_NEVER),
        lambda rows: rows.filter(valid_to__lte=soon),
        lambda row: _dated(gettext_noop("The imported key material expires on %(date)s."), row.valid_to),
    )


def unused_keys(request: ConsoleRequest) -> Examined:
    since = service.now(request) - timedelta(days=UNUSED_DAYS)
    applies = Q(state="Enabled", created__lt=since)
    found = examine(
        request,
        applies,
        lambda rows: rows.filter(Q(last_used__isnull=True) | Q(last_used__lt=since)),
        lambda row: (
            _dated(gettext_noop("It was last used on %(date)s."), row.last_used)
            if row.last_used
            else Words(gettext_noop("No use of it is recorded."))
        ),
        key_rows.LAST_USE,
    )
    if not found.number or service.backend(request).embedded:
        return found
    if customer_keys(request).readable(key_rows.LAST_USE).filter(last_used__isnull=False).exists():
        return found
    told = Words(gettext_noop("This endpoint tells the last use of no key."))
    return Examined(found.number, Findings(), (*found.unknown, told))


def owner_tag(request: ConsoleRequest) -> Examined:
    def without(rows: VisibleKeys) -> VisibleKeys:
        for name in OWNER:
            rows = rows.exclude(pk__in=rows.tagged(name).order_by().values("pk"))
        return rows

    return examine(
        request,
        ~Q(state__in=_NEVER),
        without,
        lambda row: Words(gettext_noop("It has no tag “owner”.")),
        key_rows.TAGS,
    )


def _dated(text: str, moment: datetime | None) -> Words:
    return Words(text, {"date": moments.day(moment) if moment else ""})
