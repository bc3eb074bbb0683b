"""Console sessions: a row for each sign-in to the pages, which the temporary credentials made for it name.

Credentials whose row is gone are refused at once, in every worker: by the engine and so by every page. Roles that were assumed in a
console session end with it. A row goes with its user, and belongs to that user alone: one that is made again under the same name is
another. It holds no secret, and a password change or the loss of the password removes it (engine.iam.credentials_api).
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import DatabaseError

from engine import clock
from engine.iam.models import ConsoleSession, User
from engine.store import transaction
from engine.store.transaction import changed, iam_entity

logger = logging.getLogger(__name__)

SEEN_EVERY = timedelta(minutes=5)  # how often a session's last use is written down, at most


@dataclass(frozen=True, slots=True)
class Session:
    id: str
    begun: datetime
    seen: datetime
    expires: datetime
    source_ip: str
    user_agent: str


def begin(user: User, expires: datetime, *, source_ip: str, user_agent: str) -> str:
    """A new session's ID. Called in a transaction; takes away what has expired."""
    now = clock.real_now()
    ConsoleSession.objects.filter(expires__lte=now).delete()
    made = ConsoleSession.objects.create(
        session_id=secrets.token_hex(16),
        user=user,
        begun=now,
        seen=now,
        expires=expires,
        source_ip=source_ip[:64],
        user_agent=user_agent[:512],
    )
    return str(made.session_id)


def account_of(session_id: str) -> str:
    """The account of the user whose session it is. Raises LookupError if it has ended."""
    found = ConsoleSession.objects.filter(session_id=session_id).values_list("user__account_id", flat=True).first()
    if found is None:
        raise LookupError(session_id)
    return str(found)


def user_id(session_id: str) -> str:
    """The unique ID of the user whose session it is; empty if it has ended."""
    return ConsoleSession.objects.filter(session_id=session_id).values_list("user__unique_id", flat=True).first() or ""


def user_since(session_id: str) -> datetime | None:
    """When the user whose session it is was made, by its account's clock; None if the session has ended."""
    return ConsoleSession.objects.filter(session_id=session_id).values_list("user__created", flat=True).first()


def of_same_user(session_id: str) -> list[Session]:
    """The sessions of the user whose session this is that have not ended, the last used first."""
    rows = ConsoleSession.objects.filter(
        user__console_sessions__session_id=session_id, expires__gt=clock.real_now()
    ).order_by("-seen", "session_id")
    return [Session(row.session_id, row.begun, row.seen, row.expires, row.source_ip, row.user_agent) for row in rows]


def end_of_user(user: User, *, but: str = "") -> int:
    """End all sessions of a user, save one; how many those were. Called in a transaction."""
    rows = ConsoleSession.objects.filter(user=user).exclude(session_id=but)
    number = rows.count()
    rows.delete()
    if number:
        changed(iam_entity(user.account_id))
    return number


def end(session_ids: list[str]) -> int:
    """End these sessions; how many had not ended already."""
    if not session_ids:
        return 0
    with transaction.write():
        rows = ConsoleSession.objects.filter(session_id__in=session_ids)
        accounts = list(rows.values_list("user__account_id", flat=True))
        if not accounts:
            return 0
        rows.delete()
        changed(*(iam_entity(account_id) for account_id in sorted(set(accounts))))
    return len(accounts)


_noted: dict[str, datetime] = {}  # session → when this process last wrote its use down
_NOTED_KEPT = 10_000


def seen(session_id: str, source_ip: str, user_agent: str) -> None:
    """Write down that the session is in use, unless that was done a short time ago. No cache depends on it."""
    now = clock.real_now()
    noted = _noted.get(session_id)
    if noted is not None and now - noted < SEEN_EVERY:
        return
    if len(_noted) >= _NOTED_KEPT:
        _noted.clear()
    _noted[session_id] = now
    try:
        ConsoleSession.objects.filter(session_id=session_id, seen__lte=now - SEEN_EVERY).update(
            seen=now, source_ip=source_ip[:64], user_agent=user_agent[:512]
        )
    except DatabaseError as reason:  # a page that changes nothing is shown while the database takes no changes
        logger.warning("the use of a console session could not be written down: %s", reason)
