"""What limits an account that another one manages: when it ends, how many keys it has, how many calls a second it makes.

Each worker remembers it until a commit changes it. An account by itself has no such limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from engine.iam.models import MemberAccount
from engine.store.cache import Cache


@dataclass(frozen=True, slots=True)
class Limits:
    """None: no limit. `managed_by`: the account that manages it, "" for an account by itself."""

    ends: datetime | None = None
    keys: int | None = None
    calls: float | None = None
    managed_by: str = ""


NONE = Limits()
_limits: Cache[str, Limits] = Cache("account-limits", limit=20_000, most=10 << 20)


def entity(account_id: str) -> str:
    return f"limits:{account_id}"


def of(account_id: str) -> Limits:
    return _limits.get(account_id, lambda: (_stored(account_id), [entity(account_id)]))


def calls_per_second(account_id: str) -> float | None:
    """For engine.throttling, which asks for each call."""
    return of(account_id).calls


def ends(account_id: str) -> datetime | None:
    return of(account_id).ends


def _stored(account_id: str) -> Limits:
    row = (
        MemberAccount.objects.filter(account_id=account_id)
        .values_list("ends", "key_quota", "call_quota", "managed_by_id")
        .first()
    )
    return Limits(*row) if row is not None else NONE
