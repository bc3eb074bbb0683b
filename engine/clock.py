"""The only source of time. An account's clock can be moved forward (lessons, tests); signatures are always checked on the real one.

All datetimes are timezone-aware UTC. An offset is seconds added to the real clock, stored with the account: engine.iam.clocks keeps it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime


def _unmoved(_account_id: str) -> float:
    return 0.0


_offset: Callable[[str], float] = _unmoved  # until the accounts are there to be asked: bare modules, migrations


def offsets_from(offset_of: Callable[[str], float]) -> None:
    """Have accounts' offsets looked up by `offset_of`. Called once for each call and key, so it answers from memory."""
    global _offset
    _offset = offset_of


def real_now() -> datetime:
    """The machine's time, which no lesson can move: signatures, token expiry of sign-ins, journal order."""
    return datetime.fromtimestamp(time.time(), UTC)


def now(account_id: str) -> datetime:
    """The account's time: key states, rotations, expiries and the event time of its records are computed from it."""
    return datetime.fromtimestamp(time.time() + _offset(account_id), UTC)


def offset(account_id: str) -> float:
    """Seconds that the account's clock is ahead of the machine's; 0 for one that was never moved."""
    return _offset(account_id)
