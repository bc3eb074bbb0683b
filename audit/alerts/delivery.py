"""Tells alerts by e-mail and webhook, again and again until they are taken or a day is over. At least once: a receiver knows a message by
its ID, which is the same for each attempt.
"""

from __future__ import annotations

import http.client
import json
import logging
import smtplib
import socket
import ssl
import time
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import Count, F, Min
from django.utils import timezone, translation
from django.utils.translation import gettext_noop

from audit.alerts.kinds import KINDS
from audit.alerts.models import Alert, AlertRule, Delivery
from console import moments
from engine.public import outbound, sealing, webhook_signature
from engine.public.sinks import ANSWERED, NO_TLS, TOO_LATE

logger = logging.getLogger(__name__)

_SECONDS = 10.0
# After the first attempt that failed, the second …; then it is given up. About a day in all.
_PAUSES = (5, 60, 300, 1800, 7200, 14_400, 28_800, 28_800)
_AT_ONCE = 20
_PURPOSE = "alert-webhook"
# What went wrong, kept in English and shown in the reader's language.
_NO_ANSWER = gettext_noop("no connection, or no HTTP answer")
_NO_MAIL_SERVER = gettext_noop("no mail server is configured (KMSCONSOLE_SMTP_URL)")
_NOT_MAILED = gettext_noop("the mail server did not take it: %(reason)s")
_NOT_CONNECTED_TO = gettext_noop("%(host)s is %(address)s, which the console does not connect to")
PROBLEMS = (NO_TLS, _NO_ANSWER, TOO_LATE, ANSWERED, _NO_MAIL_SERVER, _NOT_MAILED, _NOT_CONNECTED_TO)


class NotDelivered(Exception):
    """Why; one line without secrets."""


def seal(rule: AlertRule, secret: str) -> None:
    """Keep the webhook's secret for a rule that is stored."""
    rule.sealed_secret = sealing.seal(rule.account_id, _PURPOSE, str(rule.pk), secret)


def deliver_due() -> bool:
    """One attempt for each account that has something due, so that none waits long for the receivers of another. True if more is due."""
    due = Delivery.objects.filter(delivered=None, ended=False, due__lte=timezone.now()).select_related("alert__rule")
    waiting = due.values("alert__account_id").annotate(first=Min("due"), number=Count("pk")).order_by("first")
    accounts = list(waiting[: _AT_ONCE + 1])
    for account in accounts[:_AT_ONCE]:
        row = due.filter(alert__account_id=account["alert__account_id"]).order_by("due", "pk").first()
        if row is None:
            continue
        # Whoever moves the date makes the attempt: with several nodes, one of them.
        later = timezone.now() + timedelta(seconds=_PAUSES[min(row.attempts, len(_PAUSES) - 1)])
        mine = Delivery.objects.filter(pk=row.pk, attempts=row.attempts, delivered=None)
        if mine.update(due=later, attempts=F("attempts") + 1):
            _attempt(row)
    return len(accounts) > _AT_ONCE or any(account["number"] > 1 for account in accounts)


def _attempt(row: Delivery) -> None:
    mine = Delivery.objects.filter(pk=row.pk)
    try:
        if row.channel == Delivery.EMAIL:
            _mail(row)
        else:
            _post(row)
    except NotDelivered as reason:
        last = row.attempts + 1 > len(_PAUSES)
        mine.update(problem=str(reason)[:200], ended=last)
        logger.warning("alert %d was not delivered by %s: %s", row.alert_id, row.channel, reason)
    else:
        mine.update(delivered=timezone.now(), problem="")


def sentence(alert: Alert) -> str:
    """What was found, in words; a moment in the reader's zone, with its name."""
    given, kind = dict(alert.details), KINDS[alert.rule.kind]
    if not given.get("date", True):
        return str(kind.undated)
    if given.get("date"):
        given["date"] = moments.in_full(datetime.fromisoformat(given["date"]))
    return str(kind.sentence) % given


def message(alert: Alert) -> dict[str, Any]:
    """What a webhook gets: of type `alert`, in English."""
    with translation.override("en"):
        said = sentence(alert)
    return {
        "type": "alert",
        "timestamp": alert.time.isoformat(),
        "data": {
            "id": alert.pk,
            "rule": alert.rule.name,
            "kind": alert.rule.kind,
            "message": said,
            "accountId": alert.account_id,
            "region": alert.region,
            "key": alert.key,
            "principal": alert.principal,
            "eventId": alert.event_id,
            "details": alert.details,
        },
    }


def _mail(row: Delivery) -> None:
    alert = row.alert
    if not settings.EMAIL_HOST:
        raise NotDelivered(_NO_MAIL_SERVER)
    content = message(alert)["data"]
    lines = [
        f"{name}: {content[name]}" for name in ("accountId", "region", "key", "principal", "eventId") if content[name]
    ]
    if settings.KMSCONSOLE.public_url and alert.event_id:
        lines.append(f"{settings.KMSCONSOLE.public_url}/audit/{alert.event_id}/")
    mail = EmailMessage(
        subject=f"[kmsconsole] {' '.join(alert.rule.name.split())}",
        body="\n".join([content["message"], "", f"time: {alert.time.isoformat()}", *lines]),
        to=row.target.splitlines(),
        headers={"Message-ID": f"<alert-{alert.pk}-{alert.account_id}@kmsconsole>"},
    )
    try:
        mail.send()
    except (OSError, smtplib.SMTPException) as reason:
        code = reason.smtp_code if isinstance(reason, smtplib.SMTPResponseException) else type(reason).__name__
        raise NotDelivered(_NOT_MAILED % {"reason": code}) from reason


def _post(row: Delivery) -> None:
    rule, body = row.alert.rule, json.dumps(message(row.alert)).encode()
    secret = sealing.open_(rule.account_id, _PURPOSE, str(rule.pk), bytes(rule.sealed_secret))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "kmsconsole",
        **webhook_signature.headers(secret, f"alert-{row.alert_id}-{row.pk}", int(time.time()), body),
    }
    address = urlsplit(row.target)
    try:
        status = _status(address.scheme, address.hostname or "", address.port, _path(address), headers, body)
    except outbound.AddressNotAllowedError as reason:
        raise NotDelivered(str(reason)) from reason
    except TimeoutError as reason:
        raise NotDelivered(TOO_LATE % {"seconds": f"{_SECONDS:g}"}) from reason
    except ssl.SSLError as reason:
        raise NotDelivered(NO_TLS) from reason
    except (OSError, http.client.HTTPException) as reason:
        raise NotDelivered(_NO_ANSWER) from reason
    if not 200 <= status < 300:
        raise NotDelivered(ANSWERED % {"status": status})


def _path(address: Any) -> str:
    return (address.path or "/") + (f"?{address.query}" if address.query else "")


def _status(scheme: str, host: str, port: int | None, path: str, headers: dict[str, str], body: bytes) -> int:
    """What the receiver answered to one POST. The address is looked up once, and every one that it has must be allowed."""
    made: http.client.HTTPConnection
    made = (http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection)(
        host, port, timeout=_SECONDS
    )
    opened: socket.socket = outbound.connect(host, made.port, _SECONDS)
    try:
        if scheme == "https":
            opened = ssl.create_default_context().wrap_socket(opened, server_hostname=host)
        made.sock = opened
        with outbound.Deadline(_SECONDS) as deadline:
            deadline.hold(opened)
            made.request("POST", path, body=body, headers=headers)
            return made.getresponse().status
    finally:
        made.close()
        opened.close()
