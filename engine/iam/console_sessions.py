"""Console sessions: a row for each sign-in to the pages, which the temporary credentials made for it name.

Credentials whose row is gone are refused at once, in every worker: by the engine and so by every page. Roles that were assumed in a
console session end with it. A row goes with its user, and belongs to that user alone: one that is made again under the same name is
another. It holds no secret, and a password change or the loss of the password removes it (engine.iam.credentials_api).
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import DatabaseError

from engine import clock
from engine.iam.models import ConsoleSession, Role, User
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
    mfa: bool = False


def begin(
    who: User | Role, expires: datetime, *, source_ip: str, user_agent: str, subject: str = "", mfa: bool = False
) -> str:
    """A new session's ID. Called in a transaction; takes away what has expired.

    Who signs in by an identity provider has a role here, and is the provider's `subject`.
    """
    now = clock.real_now()
    ConsoleSession.objects.filter(expires__lte=now).delete()
    made = ConsoleSession.objects.create(
        session_id=secrets.token_hex(16),
        user=who if isinstance(who, User) else None,
        role=who if isinstance(who, Role) else None,
        subject=subject[:255],
        begun=now,
        seen=now,
        expires=expires,
        mfa=mfa,
        source_ip=source_ip[:64],
        user_agent=user_agent[:512],
    )
    return str(made.session_id)


def _row(session_id: str) -> ConsoleSession | None:
    return ConsoleSession.objects.select_related("user", "role").filter(session_id=session_id).first()


def owner(row: ConsoleSession) -> tuple[str, str]:
    """The account and name of whose session it is."""
    who = row.user or row.role
    assert who is not None  # it goes with either
    return str(who.account_id), row.subject or str(who.name)


def account_of(session_id: str) -> str:
    """The account of whose session it is. Raises LookupError if it has ended."""
    row = _row(session_id)
    if row is None:
        raise LookupError(session_id)
    return owner(row)[0]


def user_id(session_id: str) -> str:
    """The unique ID of the user whose session it is. Who came by an identity provider is one person in whichever role of the account: the
    ID is made of the account and the provider's subject. Empty if it has ended."""
    row = _row(session_id)
    if row is None:
        return ""
    if row.user is not None:
        return str(row.user.unique_id)
    person = hashlib.sha256(f"{owner(row)[0]}:{row.subject}".encode()).hexdigest()[:17]  # as long as AWS's
    return f"AROA{person.upper()}"


def user_since(session_id: str) -> datetime | None:
    """When whose session it is was made (a role: the role; the root user: when it was switched on), by its account's clock; None if the
    session has ended."""
    row = _row(session_id)
    if row is not None and row.user is not None and row.user.is_root:
        return row.user.password_created
    who = (row.user or row.role) if row is not None else None
    return who.created if who is not None else None


def of_same_user(session_id: str) -> list[Session]:
    """The sessions of the user (or the provider's subject, in whichever role) whose session this is that have not ended, the last used
    first."""
    own = _row(session_id)
    if own is None:
        return []
    of = {"user": own.user} if own.role is None else {"role__account_id": own.role.account_id, "subject": own.subject}
    rows = ConsoleSession.objects.filter(expires__gt=clock.real_now(), **of).order_by("-seen", "session_id")
    return [
        Session(row.session_id, row.begun, row.seen, row.expires, row.source_ip, row.user_agent, row.mfa)
        for row in rows
    ]


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
        accounts = [owner(row)[0] for row in rows.select_related("user", "role")]
        if not accounts:
            return 0
        rows.delete()
        changed(*(iam_entity(account_id) for account_id in sorted(set(accounts))))
    return len(accounts)


_noted: dict[str, datetime] = {}  # session → when this process last wrote its use down
_NOTED_KEPT = 10_000


def seen(session_id: str, source_ip: str, user_agent: str, *, idle: timedelta | None = None) -> bool:
    """Write down that the session is in use, unless that was done a short time ago. No cache depends on it.

    One that nobody used for as long as `idle` is ended instead, and False returned.
    """
    now = clock.real_now()
    noted = _noted.get(session_id)
    if noted is not None and now - noted < SEEN_EVERY:
        return True
    if idle is not None and ConsoleSession.objects.filter(session_id=session_id, seen__lte=now - idle).exists():
        end([session_id])
        return False
    if len(_noted) >= _NOTED_KEPT:
        _noted.clear()
    _noted[session_id] = now
    try:
        ConsoleSession.objects.filter(session_id=session_id, seen__lte=now - SEEN_EVERY).update(
            seen=now, source_ip=source_ip[:64], user_agent=user_agent[:512]
        )
    except DatabaseError as reason:  # a page that changes nothing is shown while the database takes no changes
        logger.warning("the use of a console session could not be written down: %s", reason)
    return True
