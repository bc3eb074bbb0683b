"""The account's root user: who signs in when nobody else can ("break glass"). It is off until the operator switches it on, on the server.

It may do everything in the account that resource policies let the account do; no identity policy or permissions boundary limits it, so
none can lock it out. It signs in with a password and a second factor, which it sets up at its first sign-in; it has no access key, and
assumes no role. What it does is in the trail with an identity of type Root. Source: IAM User Guide, "AWS account root user".
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.hashers import make_password

from engine import clock
from engine.iam import accounts, console_sessions
from engine.iam.models import ROOT_NAME, Account, User
from engine.store import transaction
from engine.store.transaction import changed, iam_entity
from engine.trail import record, recorder


@dataclass(frozen=True, slots=True)
class State:
    """`since`: when it was switched on last."""

    since: datetime
    last_sign_in: datetime | None
    has_second_factor: bool


def of(account_id: str) -> User | None:
    """None where it is off."""
    return User.with_root.filter(account_id=account_id, is_root=True).first()


def state(account_id: str) -> State | None:
    row = of(account_id)
    if row is None or row.password_created is None:
        return None
    return State(row.password_created, row.password_last_used, row.mfa_devices.exists())


def is_on(account: str) -> bool:
    """Of an account by its ID or alias."""
    found = accounts.named(account) if "\0" not in account else None
    return found is not None and of(found.account_id) is not None


def switch_on(account_id: str) -> str:
    """A new password, which can be had only here; sessions, second factors and recovery codes of before are gone. Raises LookupError for
    an account that is not here."""
    if not Account.objects.filter(account_id=account_id).exists():
        raise LookupError(account_id)
    password = secrets.token_urlsafe(24)
    hashed = make_password(password)
    now = clock.now(account_id)
    with transaction.write():
        User.with_root.filter(account_id=account_id, is_root=True).delete()
        User.with_root.create(
            account_id=account_id,
            name=ROOT_NAME,
            unique_id=account_id,
            created=Account.objects.get(account_id=account_id).created,
            password=hashed,
            password_created=now,
            password_changed=now,
            is_root=True,
        )
        _recorded(account_id, "EnableRootUser", now)
    return password


def switch_off(account_id: str) -> bool:
    """Nobody signs in as the root user any more, and its sessions end. False if it was off."""
    with transaction.write():
        row = of(account_id)
        if row is None:
            return False
        console_sessions.end_of_user(row)
        row.delete()
        _recorded(account_id, "DisableRootUser", clock.now(account_id))
    return True


def _recorded(account_id: str, name: str, now: datetime) -> None:
    """By the operator of the server, who is no principal of the account."""
    changed(iam_entity(account_id))
    event = record.service_event(
        record.ServiceEvent(
            account_id=account_id,
            region="us-east-1",
            source="kmsconsole",
            name=name,
            now=now,
            event_type="AwsConsoleAction",
        )
    )
    recorder.record_change([event])
