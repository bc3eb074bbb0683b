"""The only source of time. An account's clock can be moved (lessons, tests); signatures are always checked on the real one.

All datetimes are timezone-aware UTC. Offsets are seconds added to the real clock, kept per account.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

_offsets: dict[str, float] = {}


def real_now() -> datetime:
    """The machine's time, which no lesson can move: signatures, token expiry of sign-ins, journal order."""
    return datetime.fromtimestamp(time.time(), UTC)


def now(account_id: str) -> datetime:
    """The account's time: key states, rotations, expiries and the event time of its records are computed from it."""
    return datetime.fromtimestamp(time.time() + _offsets.get(account_id, 0.0), UTC)


def offset(account_id: str) -> float:
    return _offsets.get(account_id, 0.0)


def set_offset(account_id: str, seconds: float) -> None:
    """Called when the stored offset of an account is read or changed; 0 puts the account back on real time."""
    if seconds:
        _offsets[account_id] = seconds
    else:
        _offsets.pop(account_id, None)
