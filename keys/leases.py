"""Leases: work that one thread of one worker does at a time, and that another takes up when it is not renewed any more.

A lease belongs to whoever took it: a random token that only its owner knows. Each step is one conditional statement of the database,
so it holds between threads, workers and nodes. Who cannot renew has lost it: another may be at the work, and it writes no more. What
is written goes through `writing`, which renews in the same transaction: no write of an owner that was too slow comes behind the next one's.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from keys.models import Lease


class LeaseLost(Exception):
    """The lease is another's by now, or nobody's: its former owner stops."""


@dataclass(slots=True)
class HeldLease:
    """A lease that this caller took, for `seconds` from its last renewal."""

    name: str
    seconds: float
    owner: str = field(default_factory=lambda: secrets.token_hex(16))
    renewed: float = field(default_factory=time.monotonic)


def take(name: str, seconds: float) -> HeldLease | None:
    """The lease `name`, if nobody holds it or its holder has not renewed it in time."""
    lease, now = HeldLease(name, seconds), timezone.now()
    expires = now + timedelta(seconds=seconds)
    if Lease.objects.filter(name=name, expires__lte=now).update(owner=lease.owner, expires=expires):
        return lease
    Lease.objects.bulk_create([Lease(name=name, owner=lease.owner, expires=expires)], ignore_conflicts=True)
    return lease if Lease.objects.filter(name=name, owner=lease.owner).exists() else None


def renew(lease: HeldLease) -> bool:
    """Whether it is still this owner's; then for its whole time again."""
    asked = time.monotonic()
    expires = timezone.now() + timedelta(seconds=lease.seconds)
    if not Lease.objects.filter(name=lease.name, owner=lease.owner).update(expires=expires):
        return False
    lease.renewed = asked
    return True


def keep(lease: HeldLease) -> bool:
    """As `renew`, but the database is asked only when a third of the time is over: for work that goes on in small steps."""
    return time.monotonic() - lease.renewed < lease.seconds / 3 or renew(lease)


def require(lease: HeldLease) -> None:
    """As `keep`. Raises LeaseLost."""
    if not keep(lease):
        raise LeaseLost(lease.name)


@contextmanager
def writing(lease: HeldLease) -> Iterator[None]:
    """A transaction of the work that the lease is for. Raises LeaseLost, and writes nothing, if it is another's by now.

    The lease's row stays locked until the end: whoever takes the lease over waits for it, or has done so before.
    """
    with transaction.atomic():
        if not renew(lease):
            raise LeaseLost(lease.name)
        yield


def release(lease: HeldLease) -> None:
    """Let others take it. Does nothing if it is another's by now."""
    Lease.objects.filter(name=lease.name, owner=lease.owner).delete()


def is_held(name: str) -> bool:
    """Whether somebody is at the work."""
    return Lease.objects.filter(name=name, expires__gt=timezone.now()).exists()
