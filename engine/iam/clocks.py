"""The offset of each account's clock: stored with the account, remembered by each worker until a commit moves it.

An offset only ever grows. States are computed from stored facts and the clock, so going back would leave facts behind that lie in the
future: rotations that have not happened, keys destroyed before their date. The way back is a backup made before.
"""

from __future__ import annotations

from datetime import timedelta

from engine.iam.models import Account
from engine.store.cache import Cache
from engine.store.transaction import changed
from engine.wire.errors import AWSError

LONGEST_MOVE = timedelta(days=3_660)  # of one move, for a slip of the hand cannot be taken back
FARTHEST = timedelta(days=36_600)  # of all moves: a century, so that no date computed from it leaves the calendar

_offsets: Cache[str, float] = Cache("clocks", limit=20_000, most=10 << 20)


def entity(account_id: str) -> str:
    return f"clock:{account_id}"


def offset_of(account_id: str) -> float:
    """Seconds that the account's clock is ahead; 0 for an account that is not here."""
    return _offsets.get(account_id, lambda: (_stored(account_id), [entity(account_id)]))


def _stored(account_id: str) -> float:
    return Account.objects.filter(account_id=account_id).values_list("clock_offset", flat=True).first() or 0.0


def move(account_id: str, begin: float, seconds: float) -> None:
    """Store that the clock is `seconds` ahead, if it was `begin` seconds ahead until now. Part of the caller's transaction.

    Raises ValidationException for a move back, none at all or too far, and ConflictException if someone else has moved it meanwhile.
    """
    if not 0 < seconds - begin <= LONGEST_MOVE.total_seconds() or seconds > FARTHEST.total_seconds():
        raise AWSError(
            "ValidationException",
            f"A clock moves forward, by at most {LONGEST_MOVE.days} days at a time and {FARTHEST.days} days in all.",
        )
    if not Account.objects.filter(account_id=account_id, clock_offset=begin).update(clock_offset=seconds):
        raise AWSError("ConflictException", "The clock of this account was moved meanwhile.")
    changed(entity(account_id))
