"""Accounts that another account manages: those of a class. Pages change them by actions of the console's own (keys.service)."""

from __future__ import annotations

from engine.iam.account_limits import Limits
from engine.iam.member_accounts import (
    Member,
    Opened,
    alias_is_free,
    by_link,
    clock_offsets,
    create,
    end,
    hash_password,
    is_member,
    limit,
    move_clocks,
    new_access_key,
    open_session,
    replace,
    set_password,
    tell,
)

__all__ = [
    "Limits",
    "Member",
    "Opened",
    "alias_is_free",
    "by_link",
    "clock_offsets",
    "create",
    "end",
    "hash_password",
    "is_member",
    "limit",
    "move_clocks",
    "new_access_key",
    "open_session",
    "replace",
    "set_password",
    "tell",
]
